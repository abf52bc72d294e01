//! A session: its driver owns its state and its transport; all other code sends commands to that.
//! A task drives it, or a thread that waits for a call.

/// The last lines of the other end's stderr.
pub(crate) mod stderr;

/// Output of guests, as lines.
pub(crate) mod output;

/// Errors for callers whose session has ended.
mod loss;

/// Streams, as pipes.
pub(crate) mod stream;

/// Streams of calls, as items.
pub(crate) mod task_stream;

/// Calls under way: the caller's part, and the driver's.
mod call;

/// Processes and programs on the host.
mod process;

/// Commands to the driver.
mod command;

/// Output of guests on its way from the driver to the listener, which may take its time.
mod printer;

/// A pipe to a program.
pub(crate) mod pipe;

/// The pipe to an agent, and the process at this end of it.
pub(crate) mod transport;

/// The greeting at the start of a session.
mod greeting;

/// The owner of the state and the transport of a session.
mod driver;

/// Turns at driving.
mod turns;

/// A driver, and those who drive it.
mod conversation;

/// Streams for threads that may block.
mod blocking;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{OnceCell, mpsc, oneshot};
use wxec_protocol::{
    CallRequest, Command as ProcessCommand, ControllerConnection, Description, Digest, InstanceId,
    Service, Target, Traffic,
};

use self::{
    call::{NewCall, Pending},
    command::Command,
    conversation::Conversation,
    driver::Driver,
    greeting::greet,
    output::Lines,
    stream::{StreamReader, StreamWriter},
    task_stream::TaskStream,
    transport::Transport,
};
use crate::{
    base::{runtime, sync::lock},
    error::Unreachable,
    module::artifact::Artifact,
};

pub(crate) use self::{
    blocking::{BlockingReader, BlockingWriter, Leading},
    call::{Asked, Asks, CallHandle, Reply},
    loss::{Loss, SessionEnded},
    process::{Process, ProcessHandle, ProgramCommand, RunningProgram, Signals},
    stream::StreamHandle,
};

/// A handle on a session. Dropping the last handle closes the session.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) target: Arc<Target>,
    commands: mpsc::UnboundedSender<Command>,
    conversation: Arc<Conversation>,
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

impl Session {
    /// Greets the agent behind `transport`, which has already sent `received`, and starts the
    /// driver. `connection` may have begun to speak.
    pub(crate) async fn start(
        mut transport: Transport,
        mut connection: ControllerConnection,
        received: &[u8],
    ) -> Result<Self, Unreachable> {
        let target = match greet(&mut transport, &mut connection, received).await {
            Ok(target) => target,
            Err(failure) => {
                let failure = failure.stderr(transport.stderr.settled().await);
                transport.end(false).await;
                return Err(failure);
            }
        };
        let (commands, queue) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let queue = (commands.downgrade(), queue);
        let driver = Driver::new(connection, transport, shared.clone(), queue);
        let conversation = Conversation::new(driver);
        runtime::spawn(conversation.clone().run());
        Ok(Self {
            target: target.into(),
            commands,
            conversation,
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
        self.conversation.offer();
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
    ) -> (NewCall, CallHandle) {
        let key = self.shared.next_key.fetch_add(1, Ordering::Relaxed);
        let (reply, receiver) = oneshot::channel();
        let pending = Pending {
            key,
            module: request.module,
            artifact: artifact.bytes.clone(),
            lines: Some(output),
            asks,
            lingers: request.terms.limits.linger_ms.is_some(),
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

    /// Opens a stream to a service of the agent, for threads that may block.
    pub(crate) async fn open_blocking(
        &self,
        service: Service,
        leading: Leading,
    ) -> Result<(BlockingReader, BlockingWriter, StreamHandle), SessionEnded> {
        let (reader, writer, stream) = self.open(service).await?;
        let (reader, writer) = blocking::blocking(reader, writer, &self.conversation, leading);
        Ok((reader, writer, stream))
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
