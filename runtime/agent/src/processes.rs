//! Processes the controller starts here: the next hop of a chain, for one. Each has its streams, and none outlives the
//! conversation.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Child, Command as OsCommand, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    net::unix::pipe,
    sync::{oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};
use wxec_protocol::{Command, ProcessStreams, StreamEnd, StreamId};

use crate::{
    streams::{Events, Exit, StreamEvent, Streams},
    terminal::{self, Terminal},
};

/// Stack of a thread that only waits.
const WAITER_STACK_BYTES: usize = 64 << 10;

/// A process whose stdin has ended, and one that was told to end, may take this long.
const END_WITHIN: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(crate) struct Processes {
    /// By the stream that is their stdin and stdout.
    running: HashMap<StreamId, Running>,
    /// Processes nobody wants any more, on their way out.
    ending: JoinSet<()>,
}

struct Running {
    streams: ProcessStreams,
    pid: Option<Pid>,
    exit: Exit,
    supervisor: JoinHandle<()>,
    events: Events,
}

impl Processes {
    pub(crate) fn start(&mut self, ids: ProcessStreams, command: &Command, streams: &mut Streams) {
        if let Err(error) = self.try_start(ids, command, streams) {
            let program = command.argv.first().map_or("nothing", String::as_str);
            let reason = format!("cannot run `{program}`: {error}");
            for id in ids.ids() {
                let _ = streams.events().send(StreamEvent::End { id, end: StreamEnd::Failed(reason.clone()) });
            }
        }
    }

    fn try_start(&mut self, ids: ProcessStreams, command: &Command, streams: &mut Streams) -> io::Result<()> {
        let [program, arguments @ ..] = &*command.argv else { return Err(io::ErrorKind::InvalidInput.into()) };
        let terminal = ids.terminal.map(|id| terminal::open().map(|terminal| (id, terminal))).transpose()?;
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
        match connect(&mut child, ids, terminal, streams) {
            Ok(supervision) => {
                let pid = Pid::from_raw(child.id().cast_signed());
                let exit = supervision.exited.subscribe();
                let events = streams.events().clone();
                let supervisor = tokio::spawn(supervise(child, supervision, ids, events.clone()));
                self.running.insert(ids.stdio, Running { streams: ids, pid, exit, supervisor, events });
                Ok(())
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The controller does not want a stream any more; with its stdin and stdout it gives up the process.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(running) = self.running.remove(&id) {
            self.ending.spawn(end(running));
        }
        // Those that are gone need not be remembered.
        while self.ending.try_join_next().is_some() {}
    }

    /// A stream is over by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.running.remove(&id);
    }

    /// Ends all of them: their stdin, which is over by now, then they are told to end, then they are killed.
    pub(crate) async fn shut_down(&mut self) {
        for (_, running) in self.running.drain() {
            self.ending.spawn(end(running));
        }
        while self.ending.join_next().await.is_some() {}
    }
}

/// Joins a process' files to its streams.
fn connect(
    child: &mut Child,
    ids: ProcessStreams,
    terminal: Option<(StreamId, Terminal)>,
    streams: &mut Streams,
) -> io::Result<Supervision> {
    let (exited, exit) = watch::channel(None);
    let mut outputs = Vec::new();
    if let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        streams.feed(ids.stdio, pipe::Sender::from_owned_fd(stdin.into())?);
        for (id, output) in [(ids.stdio, OwnedFd::from(stdout)), (ids.stderr, stderr.into())] {
            outputs.push(streams.drain(id, pipe::Receiver::from_owned_fd(output)?, exit.clone()));
        }
    }
    let mut held_open = None;
    if let Some((id, terminal)) = terminal {
        let (reader, writer, open) = terminal.split()?;
        streams.feed(id, writer);
        streams.drain(id, reader, exit);
        held_open = Some(open);
    }
    Ok(Supervision { exited, outputs, _held_open: held_open })
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
    for id in streams.ids() {
        let _ = events.send(StreamEvent::End { id, end: end.clone() });
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
async fn end(running: Running) {
    let Running { streams, pid, exit, mut supervisor, events } = running;
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
        for id in streams.ids() {
            let _ = events.send(StreamEvent::End { id, end: StreamEnd::Closed });
        }
    }
}
