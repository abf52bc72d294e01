//! A session: one task owns its state and its transport; all other code sends messages to that
//! task.

mod driver;
pub(crate) mod output;
mod printer;
pub(crate) mod stderr;
pub(crate) mod stream;
pub(crate) mod task_stream;
pub(crate) mod transport;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_bytes::ByteBuf;
use tokio::{
    io::AsyncReadExt,
    sync::{OnceCell, mpsc, oneshot},
    time::error::Elapsed,
};
use wxec_protocol::{
    Ask, AskId, CallErrorKind, CallRequest, Command as ProcessCommand, ControllerConnection,
    ControllerEvent, Description, Digest, Fault, InstanceId, ProcessStreams, Service, Splice,
    StreamEnd, StreamId, Target, Traffic, Usage, WindowSize, abi::TaskFailure,
};

use self::driver::{Driver, Pending};
use crate::{
    base::{runtime, sync::lock},
    error::{Phase, Unreachable},
    module::artifact::Artifact,
    session::{
        output::Lines,
        stream::{StreamReader, StreamWriter},
        task_stream::TaskStream,
        transport::Transport,
    },
};

/// A handle on a session. Dropping the last handle closes the session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) target: Target,
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    next_key: AtomicU64,
    next_instance: AtomicU64,
    traffic: Mutex<Traffic>,
    /// Fuel that calls used, where it was counted.
    fuel: AtomicU64,
    /// Blobs that the agent holds for its next hops.
    blobs: Mutex<HashMap<Digest, Arc<OnceCell<bool>>>>,
}

enum Command {
    Call {
        call: Box<(CallRequest, Pending)>,
        /// The number of its streams, and the sender that delivers them to the caller.
        streams: Option<(usize, oneshot::Sender<Vec<TaskStream>>)>,
    },
    Answer {
        ask: AskId,
        outcome: Result<Bytes, CallErrorKind<TaskFailure>>,
    },
    Run {
        call: Box<(CallRequest, Pending)>,
        command: ProgramCommand,
        started: oneshot::Sender<(StreamReader, StreamWriter, StreamReader)>,
    },
    Cancel {
        key: u64,
    },
    OutputTaken {
        cost: u64,
    },
    DropInstance {
        instance: InstanceId,
    },
    Provide {
        module: Digest,
        from: Source,
    },
    Start {
        command: ProcessCommand,
        terminal: bool,
        started: oneshot::Sender<Process>,
    },
    Open {
        service: Service,
        opened: oneshot::Sender<(StreamReader, StreamWriter, StreamHandle)>,
    },
    Stream(StreamCommand),
    AskBlob {
        digest: Digest,
        answer: oneshot::Sender<bool>,
    },
    SendBlob {
        digest: Digest,
        blob: Bytes,
        answer: oneshot::Sender<bool>,
    },
    Describe {
        answer: oneshot::Sender<Description>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// The end that sends an artifact to the agent.
enum Source {
    Here(Bytes),
    /// The agent of the hop before it, which holds this many bytes of the artifact.
    Hop(u64),
}

/// Commands of a stream's reader and writer to the driver.
pub(crate) enum StreamCommand {
    Data { id: StreamId, bytes: Bytes },
    Splice { id: StreamId, splice: Splice },
    Finish { id: StreamId },
    Taken { id: StreamId, bytes: u64 },
    Signal { id: StreamId, signal: i32 },
    Resize { id: StreamId, size: WindowSize },
    Close { id: StreamId },
}

/// Sends [`StreamCommand`]s to the driver, without keeping the session open.
#[derive(Clone)]
pub(crate) struct StreamCommands(mpsc::WeakUnboundedSender<Command>);

impl StreamCommands {
    pub(crate) fn send(&self, command: StreamCommand) {
        if let Some(commands) = self.0.upgrade() {
            // A driver that is gone has closed all streams.
            let _ = commands.send(Command::Stream(command));
        }
    }
}

/// A process on the host, as far as its streams go. Dropping its handle ends the process.
pub(crate) struct Process {
    pub(crate) reader: StreamReader,
    pub(crate) writer: StreamWriter,
    pub(crate) stderr: StreamReader,
    pub(crate) terminal: Option<(StreamReader, StreamWriter)>,
    pub(crate) handle: ProcessHandle,
}

/// Ends a process when it is dropped, and reports how the process ended.
pub(crate) struct ProcessHandle {
    streams: ProcessStreams,
    commands: StreamCommands,
    ended: Option<oneshot::Receiver<Result<StreamEnd, Loss>>>,
    /// The end of its stderr, which the agent reports before the end of the process.
    stderr_ended: oneshot::Receiver<Result<StreamEnd, Loss>>,
}

impl ProcessHandle {
    /// Returns true if the rest of its output was not read, because other processes hold it open.
    /// Known once the process has ended.
    pub(crate) fn is_output_held(&mut self) -> bool {
        matches!(self.stderr_ended.try_recv(), Ok(Ok(StreamEnd::Held)))
    }

    /// Waits until the process ends, and returns how.
    pub(crate) async fn ended(&mut self) -> Result<StreamEnd, Loss> {
        match self.ended.take() {
            Some(ended) => ended.await.unwrap_or_else(|_| Err(Loss::after_the_end())),
            None => Err(Loss::after_the_end()),
        }
    }

    pub(crate) fn signals(&self) -> Signals {
        Signals {
            id: self.streams.stdio,
            commands: self.commands.clone(),
        }
    }
}

/// Sends signals and terminal sizes to a process, without keeping the process running.
#[derive(Clone)]
pub(crate) struct Signals {
    id: StreamId,
    commands: StreamCommands,
}

impl Signals {
    pub(crate) fn signal(&self, signal: i32) {
        self.commands.send(StreamCommand::Signal {
            id: self.id,
            signal,
        });
    }

    pub(crate) fn resize(&self, size: WindowSize) {
        self.commands
            .send(StreamCommand::Resize { id: self.id, size });
    }
}

impl Drop for ProcessHandle {
    fn drop(&mut self) {
        let ProcessStreams {
            stdio,
            stderr,
            terminal,
        } = self.streams;
        for id in [Some(stdio), Some(stderr), terminal].into_iter().flatten() {
            self.commands.send(StreamCommand::Close { id });
        }
    }
}

/// Closes a stream when it is dropped, unless the stream has ended.
pub(crate) struct StreamHandle {
    id: StreamId,
    commands: StreamCommands,
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.commands.send(StreamCommand::Close { id: self.id });
    }
}

/// A program's arguments and environment.
pub(crate) struct ProgramCommand {
    pub(crate) arguments: Vec<ByteBuf>,
    pub(crate) environment: Vec<(ByteBuf, ByteBuf)>,
}

/// A program under way. Dropping its `call` ends it.
pub(crate) struct RunningProgram {
    pub(crate) call: CallHandle,
    pub(crate) reader: StreamReader,
    pub(crate) writer: StreamWriter,
    pub(crate) stderr: StreamReader,
}

/// A call that a guest asks for on another host, and the way back for its outcome.
pub(crate) struct Asked {
    ask: AskId,
    pub(crate) question: Ask,
    commands: mpsc::WeakUnboundedSender<Command>,
}

impl Asked {
    pub(crate) fn answer(self, outcome: Result<Bytes, CallErrorKind<TaskFailure>>) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.send(Command::Answer {
                ask: self.ask,
                outcome,
            });
        }
    }
}

/// Sends a guest's asks to the part that makes the calls.
pub(crate) type Asks = mpsc::UnboundedSender<Asked>;

/// The outcome of a call.
pub(crate) type Reply = Result<(Result<Bytes, Fault>, Usage), Loss>;

/// The reply, and a receiver that resolves once the listener has heard all that the call printed.
type Returned = (Reply, Option<oneshot::Receiver<()>>);

/// The session ended while calls were open.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    pub(crate) reason: String,
    pub(crate) stderr_tail: String,
}

impl Loss {
    /// The loss to report for a question that came after the session's end.
    pub(crate) fn after_the_end() -> Self {
        Self {
            reason: SessionEnded.to_string(),
            stderr_tail: String::new(),
        }
    }
}

/// An open call. Dropping it cancels the call.
pub(crate) struct CallHandle {
    reply: oneshot::Receiver<Returned>,
    cancel: Option<(u64, mpsc::UnboundedSender<Command>)>,
}

impl Session {
    /// Greets the agent behind `transport`, which has already sent `received`, and starts the
    /// driver.
    pub(crate) async fn start(
        mut transport: Transport,
        received: &[u8],
    ) -> Result<Self, Unreachable> {
        let mut connection = ControllerConnection::new();
        let target = match greet(&mut transport, &mut connection, received).await {
            Ok(target) => target,
            Err(failure) => {
                let failure = failure.stderr(transport.stderr.settled().await);
                transport.end().await;
                return Err(failure);
            }
        };
        let (sender, commands) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let driver = Driver::new(connection, transport, shared.clone(), sender.downgrade());
        runtime::spawn(driver.run(commands));
        Ok(Self {
            target,
            commands: sender,
            shared,
        })
    }

    /// Returns true while the session goes on.
    pub(crate) fn is_alive(&self) -> bool {
        !self.commands.is_closed()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        *lock(&self.shared.traffic)
    }

    /// Returns the fuel that calls used, where it was counted.
    pub(crate) fn fuel(&self) -> u64 {
        self.shared.fuel.load(Ordering::Relaxed)
    }

    /// Makes a call. `asks` receives what its guest asks.
    pub(crate) fn call(
        &self,
        artifact: &Artifact,
        call: CallRequest,
        output: Lines,
        asks: Option<Asks>,
    ) -> CallHandle {
        let (call, handle) = self.pending(artifact, call, output, asks);
        let streams = None;
        // If the driver is gone, the message is dropped with the sender of the reply: the call
        // counts as lost.
        let _ = self.commands.send(Command::Call { call, streams });
        handle
    }

    /// Makes a call that has streams.
    pub(crate) async fn call_with_streams(
        &self,
        artifact: &Artifact,
        call: CallRequest,
        output: Lines,
        asks: Option<Asks>,
        count: usize,
    ) -> Result<(CallHandle, Vec<TaskStream>), SessionEnded> {
        let (call, handle) = self.pending(artifact, call, output, asks);
        let (opened, streams) = oneshot::channel();
        let _ = self.commands.send(Command::Call {
            call,
            streams: Some((count, opened)),
        });
        Ok((handle, streams.await.map_err(|_| SessionEnded)?))
    }

    /// Returns a call for the driver, and the caller's handle on it.
    fn pending(
        &self,
        artifact: &Artifact,
        request: CallRequest,
        output: Lines,
        asks: Option<Asks>,
    ) -> (Box<(CallRequest, Pending)>, CallHandle) {
        let key = self.shared.next_key.fetch_add(1, Ordering::Relaxed);
        let (reply, receiver) = oneshot::channel();
        let pending = Pending {
            key,
            module: request.module,
            artifact: artifact.bytes.clone(),
            lines: Some(output),
            asks,
            reply,
        };
        let handle = CallHandle {
            reply: receiver,
            cancel: Some((key, self.commands.clone())),
        };
        (Box::new((request, pending)), handle)
    }

    /// Runs a program on the terms of `call`.
    pub(crate) async fn run(
        &self,
        artifact: &Artifact,
        call: CallRequest,
        command: ProgramCommand,
        output: Lines,
    ) -> Result<RunningProgram, SessionEnded> {
        let (call, handle) = self.pending(artifact, call, output, None);
        let (started, streams) = oneshot::channel();
        let _ = self.commands.send(Command::Run {
            call,
            command,
            started,
        });
        let (reader, writer, stderr) = streams.await.map_err(|_| SessionEnded)?;
        Ok(RunningProgram {
            call: handle,
            reader,
            writer,
            stderr,
        })
    }

    /// Returns a new number for an instance that stays on the host.
    pub(crate) fn next_instance(&self) -> InstanceId {
        InstanceId(self.shared.next_instance.fetch_add(1, Ordering::Relaxed))
    }

    /// Ends an instance. If the session has ended, its instances have ended too.
    pub(crate) fn drop_instance(&self, instance: InstanceId) {
        let _ = self.commands.send(Command::DropInstance { instance });
    }

    /// Starts a process on the host.
    pub(crate) async fn start_process(
        &self,
        command: ProcessCommand,
        terminal: bool,
    ) -> Result<Process, SessionEnded> {
        let (started, process) = oneshot::channel();
        let _ = self.commands.send(Command::Start {
            command,
            terminal,
            started,
        });
        process.await.map_err(|_| SessionEnded)
    }

    /// Opens a stream to a service of the agent.
    pub(crate) async fn open(
        &self,
        service: Service,
    ) -> Result<(StreamReader, StreamWriter, StreamHandle), SessionEnded> {
        let (opened, stream) = oneshot::channel();
        let _ = self.commands.send(Command::Open { service, opened });
        stream.await.map_err(|_| SessionEnded)
    }

    /// Returns true if the agent can put this blob into streams: it holds the blob, or the blob is
    /// the agent's own image.
    pub(crate) async fn holds(&self, digest: Digest) -> bool {
        self.blob(digest, |answer| Command::AskBlob { digest, answer })
            .await
    }

    /// Makes the agent hold a blob, unless it holds it already. Returns true if it holds the blob
    /// then.
    pub(crate) async fn hold(&self, digest: Digest, blob: Bytes) -> bool {
        self.blob(digest, |answer| Command::SendBlob {
            digest,
            blob,
            answer,
        })
        .await
    }

    /// Asks for or sends a blob once, however many hops want it.
    async fn blob(
        &self,
        digest: Digest,
        command: impl FnOnce(oneshot::Sender<bool>) -> Command,
    ) -> bool {
        let known = {
            let mut blobs = lock(&self.shared.blobs);
            blobs.entry(digest).or_default().clone()
        };
        let held = known.get_or_try_init(|| async {
            let (answer, answered) = oneshot::channel();
            let _ = self.commands.send(command(answer));
            answered.await
        });
        held.await.is_ok_and(|held| *held)
    }

    /// Asks the agent to describe its host.
    pub(crate) async fn describe(&self) -> Result<Description, SessionEnded> {
        let (answer, description) = oneshot::channel();
        let _ = self.commands.send(Command::Describe { answer });
        description.await.map_err(|_| SessionEnded)
    }

    /// Lets open calls return and says goodbye, for two seconds at most; then waits until the
    /// transport has ended.
    pub(crate) async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close { done }).is_ok() {
            let _ = closed.await;
        }
    }
}

/// The session ended before it could answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the session had ended")]
pub(crate) struct SessionEnded;

impl CallHandle {
    /// Waits until the call has ended and the listener has heard all that it printed. The call must
    /// end `within` this time; the listener may take longer.
    pub(crate) async fn returned(mut self, within: Option<Duration>) -> Result<Reply, Elapsed> {
        let reply = match within {
            None => (&mut self.reply).await,
            Some(within) => tokio::time::timeout(within, &mut self.reply).await?,
        };
        self.cancel = None;
        let (reply, printed) = reply.unwrap_or_else(|_| (Err(Loss::after_the_end()), None));
        if let Some(printed) = printed {
            let _ = printed.await;
        }
        Ok(reply)
    }
}

impl Drop for CallHandle {
    fn drop(&mut self) {
        if let Some((key, commands)) = self.cancel.take() {
            let _ = commands.send(Command::Cancel { key });
        }
    }
}

/// Exchanges greetings. The agent speaks first: this end sends nothing before it knows that the
/// agent is up.
async fn greet(
    transport: &mut Transport,
    connection: &mut ControllerConnection,
    received: &[u8],
) -> Result<Target, Unreachable> {
    let broken = |reason: String| Unreachable::new(Phase::Protocol, reason);
    connection
        .handle_input(received)
        .map_err(|error| broken(error.to_string()))?;
    let mut part = [0; 4096];
    loop {
        match connection.poll_event() {
            Some(ControllerEvent::Ready { target }) if target.platform.has_agent() => {
                return Ok(target);
            }
            // Does not repeat the name: the host chose it, of any length.
            Some(ControllerEvent::Ready { .. }) => {
                return Err(broken(
                    "the agent says it runs on an unknown architecture".into(),
                ));
            }
            Some(_) => return Err(broken("the agent did not greet first".into())),
            None => {}
        }
        match transport.reader.read(&mut part).await {
            Ok(0) => {
                return Err(Unreachable::new(Phase::Exec, "the agent ended before it said a word").hint(
                    "something there may forbid programs it does not know, or leave them too little memory or address \
                     space",
                ));
            }
            Ok(length) => connection
                .handle_input(&part[..length])
                .map_err(|error| broken(error.to_string()))?,
            Err(error) => return Err(broken(error.to_string())),
        }
    }
}
