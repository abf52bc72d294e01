//! Processes the controller starts here: the next hop of a chain, for one. Each has its streams, and none outlives the
//! conversation. Programs that are guests have the same streams, and are ended as calls.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    pin::Pin,
    process::{Child, Command as OsCommand, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    net::unix::pipe,
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use wxec_engine::{Completion, Reader, Writer};
use wxec_protocol::{CHUNK_BYTES, CallId, Command, ProcessStreams, STREAM_WINDOW_BYTES, StreamEnd, StreamId};

use crate::terminal::{self, Terminal};

/// What a guest's pipe holds, as Linux' pipes do.
const GUEST_PIPE_BYTES: usize = 64 << 10;

/// A process has ended, and its output seems to have: another process may hold it open and write no more.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// What can still be in a pipe then, at most: unprivileged programs cannot make a pipe larger. More comes from others.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// Stack of a thread that only waits.
const WAITER_STACK_BYTES: usize = 64 << 10;

/// A process whose stdin has ended, and one that was told to end, may take this long.
const END_WITHIN: Duration = Duration::from_millis(500);

/// What happens in processes, in order for each stream.
pub(crate) enum ProcessEvent {
    /// A process wrote something.
    Output { id: StreamId, bytes: Bytes },
    /// A process took what it was sent.
    Taken { id: StreamId, bytes: u64 },
    /// A process writes nothing more.
    Finished { id: StreamId },
    /// One of its streams is over.
    End { id: StreamId, end: StreamEnd },
    /// A guest that is a program has ended, and all it wrote was told before.
    Returned { call: CallId, completion: Completion },
}

type Events = mpsc::UnboundedSender<ProcessEvent>;

pub(crate) struct Processes {
    events: Events,
    /// By the stream that is their stdin and stdout.
    running: HashMap<StreamId, Running>,
    /// What can be sent on each stream, and what it brings.
    streams: HashMap<StreamId, Pipes>,
    /// Processes nobody wants any more, on their way out.
    ending: JoinSet<()>,
    /// The streams of guests.
    guests: HashMap<CallId, ProcessStreams>,
}

/// A guest's ends of its streams.
pub(crate) struct GuestPipes {
    pub(crate) stdin: Reader,
    pub(crate) stdout: Writer,
    pub(crate) stderr: Writer,
    pub(crate) drains: Drains,
}

/// What carries a guest's output to the controller. It is to be kept until the guest is gone.
pub(crate) struct Drains {
    call: CallId,
    tasks: Vec<JoinHandle<()>>,
    events: Events,
    _runs: watch::Sender<Option<Instant>>,
}

impl Drains {
    /// Tells how the guest ended, once everything it wrote has been told. That takes as long as the controller does.
    pub(crate) async fn finish(self, completion: Completion) {
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = self.events.send(ProcessEvent::Returned { call: self.call, completion });
    }
}

struct Running {
    streams: ProcessStreams,
    pid: Option<Pid>,
    exit: watch::Receiver<Option<Instant>>,
    supervisor: JoinHandle<()>,
}

#[derive(Default)]
struct Pipes {
    /// To the process. The window bounds what is in it.
    input: Option<mpsc::UnboundedSender<Bytes>>,
    /// How much of its output the controller takes now.
    credit: Option<Arc<Semaphore>>,
    /// Says to a guest that its stdin did not end, but was cut.
    cut: Option<Arc<AtomicBool>>,
}

/// What a guest reads. Where the controller closed the stream in the middle, that is no end of a file.
struct Stdin {
    reader: DuplexStream,
    cut: Arc<AtomicBool>,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.reader).poll_read(context, buffer));
        let at_end = buffer.filled().len() == before && buffer.remaining() > 0;
        Poll::Ready(if at_end && self.cut.load(SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { read })
    }
}

/// Whoever waits for credit need not any more.
impl Drop for Pipes {
    fn drop(&mut self) {
        if let Some(credit) = &self.credit {
            credit.close();
        }
    }
}

impl Processes {
    pub(crate) fn new(events: Events) -> Self {
        Self {
            events,
            running: HashMap::new(),
            streams: HashMap::new(),
            ending: JoinSet::new(),
            guests: HashMap::new(),
        }
    }

    pub(crate) fn start(&mut self, streams: ProcessStreams, command: &Command) {
        if let Err(error) = self.try_start(streams, command) {
            let program = command.argv.first().map_or("nothing", String::as_str);
            let reason = format!("cannot run `{program}`: {error}");
            for id in ids(streams) {
                let _ = self.events.send(ProcessEvent::End { id, end: StreamEnd::Failed(reason.clone()) });
            }
        }
    }

    fn try_start(&mut self, streams: ProcessStreams, command: &Command) -> io::Result<()> {
        let [program, arguments @ ..] = &*command.argv else { return Err(io::ErrorKind::InvalidInput.into()) };
        let terminal = streams.terminal.map(|id| terminal::open().map(|terminal| (id, terminal))).transpose()?;
        let mut os_command = match &terminal {
            Some((_, terminal)) => terminal.command(&command.argv),
            None => {
                let mut os_command = OsCommand::new(program);
                // A group of its own, to be ended with all that it starts.
                os_command.args(arguments).process_group(0);
                os_command
            }
        };
        os_command.envs(command.env.iter().map(|(name, value)| (name, value)));
        os_command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = os_command.spawn()?;
        match self.connect(&mut child, streams, terminal) {
            Ok(supervision) => {
                let pid = Pid::from_raw(child.id().cast_signed());
                let exit = supervision.exited.subscribe();
                let supervisor = tokio::spawn(supervise(child, supervision, streams, self.events.clone()));
                self.running.insert(streams.stdio, Running { streams, pid, exit, supervisor });
                Ok(())
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Joins a process' files to its streams.
    fn connect(
        &mut self,
        child: &mut Child,
        streams: ProcessStreams,
        terminal: Option<(StreamId, Terminal)>,
    ) -> io::Result<Supervision> {
        let (exited, exit) = watch::channel(None);
        let mut outputs = Vec::new();
        if let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        {
            self.feed(streams.stdio, pipe::Sender::from_owned_fd(stdin.into())?);
            for (id, output) in [(streams.stdio, OwnedFd::from(stdout)), (streams.stderr, stderr.into())] {
                outputs.push(self.drain(id, pipe::Receiver::from_owned_fd(output)?, exit.clone()));
            }
        }
        let mut held_open = None;
        if let Some((id, terminal)) = terminal {
            let (reader, writer, open) = terminal.split()?;
            self.feed(id, writer);
            self.drain(id, reader, exit);
            held_open = Some(open);
        }
        Ok(Supervision { exited, outputs, _held_open: held_open })
    }

    /// Joins a guest to the streams of its call.
    pub(crate) fn join_guest(&mut self, call: CallId, streams: ProcessStreams) -> GuestPipes {
        // Of each pair one direction is used: dropping one end of it ends the other.
        let (stdin, writer) = duplex(GUEST_PIPE_BYTES);
        let cut = Arc::<AtomicBool>::default();
        let stdin = Stdin { reader: stdin, cut: cut.clone() };
        let (out_reader, stdout) = duplex(GUEST_PIPE_BYTES);
        let (err_reader, stderr) = duplex(GUEST_PIPE_BYTES);
        let (runs, exit) = watch::channel(None);
        self.feed(streams.stdio, writer);
        let tasks =
            vec![self.drain(streams.stdio, out_reader, exit.clone()), self.drain(streams.stderr, err_reader, exit)];
        self.streams.entry(streams.stdio).or_default().cut = Some(cut);
        self.guests.insert(call, streams);
        let drains = Drains { call, tasks, events: self.events.clone(), _runs: runs };
        GuestPipes { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), drains }
    }

    /// A guest is gone: so are its pipes.
    pub(crate) fn guest_gone(&mut self, call: CallId) {
        if let Some(streams) = self.guests.remove(&call) {
            streams.ids().for_each(|id| _ = self.streams.remove(&id));
        }
    }

    /// Has `writer` get what the controller sends on a stream.
    fn feed(&mut self, id: StreamId, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.streams.entry(id).or_default().input = Some(sender);
        tokio::spawn(feed(writer, receiver, id, self.events.clone()));
    }

    /// Has the controller get what `reader` brings.
    fn drain(
        &mut self,
        id: StreamId,
        reader: impl AsyncRead + Send + Unpin + 'static,
        exit: watch::Receiver<Option<Instant>>,
    ) -> JoinHandle<()> {
        let window = usize::try_from(STREAM_WINDOW_BYTES).unwrap_or(usize::MAX);
        let credit = Arc::new(Semaphore::new(window));
        self.streams.entry(id).or_default().credit = Some(credit.clone());
        tokio::spawn(drain(reader, exit, credit, id, self.events.clone()))
    }

    /// The controller sends something to a process.
    pub(crate) fn data(&self, id: StreamId, bytes: Bytes) {
        if let Some(input) = self.streams.get(&id).and_then(|pipes| pipes.input.as_ref()) {
            let _ = input.send(bytes);
        }
    }

    /// The controller sends a process nothing more.
    pub(crate) fn finish(&mut self, id: StreamId) {
        if let Some(pipes) = self.streams.get_mut(&id) {
            pipes.input = None;
        }
    }

    /// The controller takes `bytes` more of a stream.
    pub(crate) fn credit(&self, id: StreamId, bytes: u64) {
        if let Some(credit) = self.streams.get(&id).and_then(|pipes| pipes.credit.as_ref()) {
            credit.add_permits(usize::try_from(bytes).unwrap_or(0));
        }
    }

    /// The controller does not want a stream any more; with its stdin and stdout it gives up the process.
    pub(crate) fn close(&mut self, id: StreamId) {
        // Before its stdin seems to end.
        if let Some(cut) = self.streams.get(&id).and_then(|pipes| pipes.cut.as_ref()) {
            cut.store(true, SeqCst);
        }
        self.streams.remove(&id);
        if let Some(running) = self.running.remove(&id) {
            self.ending.spawn(end(running, self.events.clone()));
        }
        // Those that are gone need not be remembered.
        while self.ending.try_join_next().is_some() {}
    }

    /// A stream is over by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.streams.remove(&id);
        self.running.remove(&id);
    }

    /// Ends all of them: their stdin ends, then they are told to end, then they are killed.
    pub(crate) async fn shut_down(&mut self) {
        self.streams.clear();
        for (_, running) in self.running.drain() {
            self.ending.spawn(end(running, self.events.clone()));
        }
        while self.ending.join_next().await.is_some() {}
    }
}

fn ids(streams: ProcessStreams) -> impl Iterator<Item = StreamId> {
    [Some(streams.stderr), streams.terminal, Some(streams.stdio)].into_iter().flatten()
}

async fn feed(
    mut writer: impl AsyncWrite + Unpin,
    mut input: mpsc::UnboundedReceiver<Bytes>,
    id: StreamId,
    events: Events,
) {
    let mut broken = false;
    while let Some(bytes) = input.recv().await {
        // A process may stop reading and go on all the same: what it does not want is as good as taken.
        broken = broken || writer.write_all(&bytes).await.is_err();
        let _ = events.send(ProcessEvent::Taken { id, bytes: bytes.len() as u64 });
    }
}

/// Reads no more than the controller takes.
async fn drain(
    mut reader: impl AsyncRead + Unpin,
    mut exit: watch::Receiver<Option<Instant>>,
    credit: Arc<Semaphore>,
    id: StreamId,
    events: Events,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut since_exit = 0;
    while let Ok(first) = credit.acquire().await {
        first.forget();
        let more = credit.available_permits().min(CHUNK_BYTES - 1);
        // Nobody else takes from it.
        if let Ok(more) = credit.try_acquire_many(u32::try_from(more).unwrap_or(0)) {
            more.forget();
        }
        let read = tokio::select! {
            // What is there comes first, however long it had to wait for credit.
            biased;
            read = reader.read(&mut buffer[..=more]) => read,
            () = drained(&mut exit) => break,
        };
        match read {
            Ok(length @ 1..) => {
                credit.add_permits(more + 1 - length);
                let _ = events.send(ProcessEvent::Output { id, bytes: Bytes::copy_from_slice(&buffer[..length]) });
                since_exit += if exit.borrow().is_some() { length } else { 0 };
                if since_exit > MAX_PIPE_BYTES {
                    break;
                }
            }
            // A terminal that nobody has open any more says so by an error.
            Ok(0) | Err(_) => break,
        }
    }
    let _ = events.send(ProcessEvent::Finished { id });
}

/// Waits until the process has been gone for a while.
async fn drained(exit: &mut watch::Receiver<Option<Instant>>) {
    let exited = exit.wait_for(Option::is_some).await.ok().and_then(|exited| *exited);
    tokio::time::sleep_until(exited.unwrap_or_else(Instant::now) + DRAIN_WITHIN).await;
}

/// What is needed to see a process to its end.
struct Supervision {
    exited: watch::Sender<Option<Instant>>,
    outputs: Vec<JoinHandle<()>>,
    /// Its terminal, which must not seem to be gone while it lives.
    _held_open: Option<File>,
}

/// Waits for the end of a process and of what it wrote, and tells.
async fn supervise(child: Child, supervision: Supervision, streams: ProcessStreams, events: Events) {
    let end = match wait(child).await {
        Ok(status) => end_of(status),
        Err(error) => StreamEnd::Failed(error.to_string()),
    };
    let _ = supervision.exited.send(Some(Instant::now()));
    for output in supervision.outputs {
        let _ = output.await;
    }
    for id in ids(streams) {
        let _ = events.send(ProcessEvent::End { id, end: end.clone() });
    }
}

/// A thread for each: processes are few, and signals of their ends would be for the whole agent to handle.
async fn wait(mut child: Child) -> io::Result<std::process::ExitStatus> {
    let (sender, status) = oneshot::channel();
    let (give, given) = std::sync::mpsc::channel::<Child>();
    let waiter = move || {
        if let Ok(mut child) = given.recv() {
            let _ = sender.send(child.wait());
        }
    };
    if let Err(error) = std::thread::Builder::new().stack_size(WAITER_STACK_BYTES).spawn(waiter) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let _ = give.send(child);
    status.await.unwrap_or_else(|_| Err(io::Error::other("nobody waits for it")))
}

fn end_of(status: std::process::ExitStatus) -> StreamEnd {
    use std::os::unix::process::ExitStatusExt;

    match (status.code(), status.signal()) {
        (Some(code), _) => StreamEnd::Exited(code),
        (None, Some(signal)) => StreamEnd::Signalled(signal),
        (None, None) => StreamEnd::Failed(status.to_string()),
    }
}

/// Ends a process whose stdin has ended, and its group, of which some may outlive it.
async fn end(running: Running, events: Events) {
    let Running { streams, pid, exit, mut supervisor } = running;
    for signal in [Signal::TERM, Signal::KILL] {
        let is_over = tokio::time::timeout(END_WITHIN, &mut supervisor).await.is_ok();
        let exited = *exit.borrow();
        // A number is not given to another group while one of this group lives, and not soon if none does.
        if let Some(pid) = pid
            && exited.is_none_or(|exited| exited.elapsed() < 2 * END_WITHIN)
        {
            // It may be another account's, behind sudo: then the end of its stdin has to do.
            let _ = kill_process_group(pid, if exited.is_some() { Signal::KILL } else { signal });
        }
        if is_over {
            return;
        }
    }
    if tokio::time::timeout(END_WITHIN, &mut supervisor).await.is_err() {
        // What it wrote waits for a reader that does not come.
        supervisor.abort();
        for id in ids(streams) {
            let _ = events.send(ProcessEvent::End { id, end: StreamEnd::Closed });
        }
    }
}
