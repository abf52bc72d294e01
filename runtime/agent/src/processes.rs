//! Processes the controller starts here: the next hop of a chain, for one. Each has its streams, and none outlives the
//! conversation.

use std::{
    collections::HashMap,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Child, Command as OsCommand, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::unix::pipe,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use wxec_protocol::{CHUNK_BYTES, Command, ProcessStreams, STREAM_WINDOW_BYTES, StreamEnd, StreamId};

use crate::terminal;

/// A process has ended; what it wrote may still be in its pipes, or held open by a grandchild that never ends.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

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
}

type Events = mpsc::UnboundedSender<ProcessEvent>;

pub(crate) struct Processes {
    events: Events,
    /// By the stream that is their stdin and stdout.
    running: HashMap<StreamId, Running>,
    /// What can be sent on each stream, and what it brings.
    streams: HashMap<StreamId, Pipes>,
}

struct Running {
    pid: Option<Pid>,
    supervisor: JoinHandle<()>,
}

#[derive(Default)]
struct Pipes {
    /// To the process. The window bounds what is in it.
    input: Option<mpsc::UnboundedSender<Bytes>>,
    /// How much of its output the controller takes now.
    credit: Option<Arc<Semaphore>>,
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
        Self { events, running: HashMap::new(), streams: HashMap::new() }
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
        let pid = Pid::from_raw(child.id().cast_signed());

        let mut outputs = Vec::new();
        if let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        {
            self.feed(streams.stdio, pipe::Sender::from_owned_fd(stdin.into())?);
            for (id, output) in [(streams.stdio, OwnedFd::from(stdout)), (streams.stderr, stderr.into())] {
                outputs.push(self.drain(id, pipe::Receiver::from_owned_fd(output)?));
            }
        }
        let mut held_open = None;
        if let Some((id, terminal)) = terminal {
            let (reader, writer, open) = terminal.split()?;
            self.feed(id, writer);
            self.drain(id, reader);
            held_open = Some(open);
        }
        let events = self.events.clone();
        let supervisor = tokio::spawn(async move {
            supervise(child, outputs, streams, events).await;
            drop(held_open);
        });
        self.running.insert(streams.stdio, Running { pid, supervisor });
        Ok(())
    }

    /// Has `writer` get what the controller sends on a stream.
    fn feed(&mut self, id: StreamId, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.streams.entry(id).or_default().input = Some(sender);
        tokio::spawn(feed(writer, receiver, id, self.events.clone()));
    }

    /// Has the controller get what `reader` brings.
    fn drain(&mut self, id: StreamId, reader: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let window = usize::try_from(STREAM_WINDOW_BYTES).unwrap_or(usize::MAX);
        let credit = Arc::new(Semaphore::new(window));
        self.streams.entry(id).or_default().credit = Some(credit.clone());
        tokio::spawn(drain(reader, credit, id, self.events.clone()))
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
        self.streams.remove(&id);
        if let Some(running) = self.running.remove(&id) {
            tokio::spawn(end(running));
        }
    }

    /// A stream is over by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.streams.remove(&id);
        self.running.remove(&id);
    }

    /// Ends all of them: their stdin ends, then they are told to end, then they are killed.
    pub(crate) async fn shut_down(&mut self) {
        self.streams.clear();
        let ending: Vec<_> = self.running.drain().map(|(_, running)| tokio::spawn(end(running))).collect();
        for ended in ending {
            let _ = ended.await;
        }
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
async fn drain(mut reader: impl AsyncRead + Unpin, credit: Arc<Semaphore>, id: StreamId, events: Events) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(first) = credit.acquire().await {
        first.forget();
        let more = credit.available_permits().min(CHUNK_BYTES - 1);
        // Nobody else takes from it.
        if let Ok(more) = credit.try_acquire_many(u32::try_from(more).unwrap_or(0)) {
            more.forget();
        }
        match reader.read(&mut buffer[..=more]).await {
            Ok(length @ 1..) => {
                credit.add_permits(more + 1 - length);
                let _ = events.send(ProcessEvent::Output { id, bytes: Bytes::copy_from_slice(&buffer[..length]) });
            }
            // A terminal that nobody has open any more says so by an error.
            Ok(0) | Err(_) => break,
        }
    }
    let _ = events.send(ProcessEvent::Finished { id });
}

/// Waits for the end of a process and of what it wrote, and tells.
async fn supervise(mut child: Child, outputs: Vec<JoinHandle<()>>, streams: ProcessStreams, events: Events) {
    // A thread for each: processes are few, and signals of their ends would be for the whole agent to handle.
    let end = match tokio::task::spawn_blocking(move || child.wait()).await {
        Ok(Ok(status)) => end_of(status),
        Ok(Err(error)) => StreamEnd::Failed(error.to_string()),
        Err(error) => StreamEnd::Failed(error.to_string()),
    };
    let drained = async {
        for output in outputs {
            let _ = output.await;
        }
    };
    let _ = tokio::time::timeout(DRAIN_WITHIN, drained).await;
    for id in ids(streams) {
        let _ = events.send(ProcessEvent::End { id, end: end.clone() });
    }
}

fn end_of(status: std::process::ExitStatus) -> StreamEnd {
    use std::os::unix::process::ExitStatusExt;

    match (status.code(), status.signal()) {
        (Some(code), _) => StreamEnd::Exited(code),
        (None, Some(signal)) => StreamEnd::Signalled(signal),
        (None, None) => StreamEnd::Failed(status.to_string()),
    }
}

/// Ends a process whose stdin has ended, and its group.
async fn end(running: Running) {
    let Running { pid, mut supervisor } = running;
    for signal in [Signal::TERM, Signal::KILL] {
        if tokio::time::timeout(END_WITHIN, &mut supervisor).await.is_ok() {
            return;
        }
        if let Some(pid) = pid {
            // It may be another account's, behind sudo: then the end of its stdin has to do.
            let _ = kill_process_group(pid, signal);
        }
    }
    let _ = tokio::time::timeout(END_WITHIN, &mut supervisor).await;
    supervisor.abort();
}
