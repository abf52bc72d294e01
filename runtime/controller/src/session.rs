//! The live conversation with one agent: one task owns its state and its pipe, everybody else sends that task messages.

use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior},
};
use wxec_protocol::{
    CallId, CallRequest, ControllerConnection, ControllerEvent, Digest, Fault, Platform, ProtocolError, TRANSMIT_BYTES,
    Target, Traffic, Usage,
};

use crate::{
    error::{Phase, Unreachable},
    module::Artifact,
    output::Lines,
    runtime,
    transport::Transport,
};

/// An idle link is tried this often.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A link silent for this long is dead: four pings unanswered.
const SILENCE: Duration = Duration::from_secs(60);
/// Open calls may take this long to return once the session is being closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// A handle on a conversation. The conversation is closed when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) target: Target,
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    next_key: AtomicU64,
    traffic: Mutex<Traffic>,
}

enum Command {
    Call(Box<NewCall>),
    Cancel { key: u64 },
    Close { done: oneshot::Sender<()> },
}

struct NewCall {
    key: u64,
    request: CallRequest,
    artifact: Bytes,
    output: Lines,
    reply: oneshot::Sender<Reply>,
}

/// How a call ended.
pub(crate) type Reply = Result<(Result<Bytes, Fault>, Usage), Loss>;

/// The conversation ended while calls were open.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    pub(crate) reason: String,
    pub(crate) stderr_tail: String,
}

/// An open call. Dropping it cancels the call.
pub(crate) struct OpenCall {
    reply: oneshot::Receiver<Reply>,
    cancel: Option<(u64, mpsc::UnboundedSender<Command>)>,
}

impl Session {
    /// Greets the agent behind `transport`, which has already said `received`, and starts driving the conversation.
    pub(crate) async fn start(mut transport: Transport, received: &[u8]) -> Result<Self, Unreachable> {
        let mut connection = ControllerConnection::new();
        let greeting = greet(&mut transport, &mut connection, received).await;
        let target =
            greeting.map_err(|reason| Unreachable::new(Phase::Protocol, reason).stderr(transport.stderr.text()))?;
        let (sender, commands) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let driver =
            Driver { connection, transport, shared: shared.clone(), calls: HashMap::new(), keys: HashMap::new() };
        runtime::spawn(driver.run(commands));
        Ok(Self { target, commands: sender, shared })
    }

    /// Whether the conversation is still going on.
    pub(crate) fn is_alive(&self) -> bool {
        !self.commands.is_closed()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        *self.shared.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn call(&self, artifact: &Artifact, call: CallRequest, output: Lines) -> OpenCall {
        let key = self.shared.next_key.fetch_add(1, Ordering::Relaxed);
        let (reply, receiver) = oneshot::channel();
        let call = NewCall { key, request: call, artifact: artifact.bytes.clone(), output, reply };
        // A driver that is gone drops the message, and with it the sender of the reply: the call is lost.
        let _ = self.commands.send(Command::Call(Box::new(call)));
        OpenCall { reply: receiver, cancel: Some((key, self.commands.clone())) }
    }

    /// Lets open calls return, says goodbye, and waits until the agent is gone; all within [`CLOSE_WITHIN`].
    pub(crate) async fn close(self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close { done }).is_ok() {
            let _ = closed.await;
        }
    }
}

impl OpenCall {
    pub(crate) async fn returned(mut self) -> Reply {
        let reply = (&mut self.reply).await;
        self.cancel = None;
        reply.unwrap_or_else(|_| Err(Loss { reason: "the session had ended".into(), stderr_tail: String::new() }))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if let Some((key, commands)) = self.cancel.take() {
            let _ = commands.send(Command::Cancel { key });
        }
    }
}

/// Exchanges greetings. The agent speaks first, so nothing is sent before it is known to be up.
async fn greet(
    transport: &mut Transport,
    connection: &mut ControllerConnection,
    received: &[u8],
) -> Result<Target, String> {
    connection.handle_input(received).map_err(|error| error.to_string())?;
    let mut part = [0; 4096];
    loop {
        match connection.poll_event() {
            Some(ControllerEvent::Ready { target }) if is_known(&target.platform) => return Ok(target),
            // Not repeated: it is the host's own word, and of any length.
            Some(ControllerEvent::Ready { .. }) => {
                return Err("the agent says it runs on an unknown architecture".into());
            }
            Some(_) => return Err("the agent did not greet first".into()),
            None => {}
        }
        match transport.reader.read(&mut part).await {
            Ok(0) => return Err("the agent ended before it said a word".into()),
            Ok(length) => connection.handle_input(&part[..length]).map_err(|error| error.to_string())?,
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// What a host says of itself names files here and arguments of the compiler, so only known words will do.
pub(crate) fn is_known(platform: &Platform) -> bool {
    ["x86_64", "aarch64"].contains(&&*platform.arch) && platform.os == "linux"
}

struct Driver {
    connection: ControllerConnection,
    transport: Transport,
    shared: Arc<Shared>,
    calls: HashMap<CallId, PendingCall>,
    keys: HashMap<u64, CallId>,
}

struct PendingCall {
    key: u64,
    module: Digest,
    artifact: Bytes,
    output: Lines,
    reply: oneshot::Sender<Reply>,
}

/// Why the driver stops.
enum End {
    Closed,
    Lost(String),
}

impl From<ProtocolError> for End {
    fn from(error: ProtocolError) -> Self {
        Self::Lost(format!("it broke the protocol: {error}"))
    }
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut waiting_for_close = Vec::new();
        let end = self.drive(&mut commands, &mut waiting_for_close).await;
        // From here on the session counts as dead, before anyone learns of it.
        commands.close();
        if let End::Lost(reason) = end {
            // The host's last words may be a moment behind the end of its stdout.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let loss = Loss { reason, stderr_tail: self.transport.stderr.text() };
            for (_, call) in self.calls.drain() {
                let _ = call.reply.send(Err(loss.clone()));
            }
            while let Ok(command) = commands.try_recv() {
                if let Command::Call(call) = command {
                    let _ = call.reply.send(Err(loss.clone()));
                }
            }
        }
        // Dropping an ssh session talks to its master, which takes a moment and blocks.
        let Self { transport, .. } = self;
        runtime::blocking(move || drop(transport)).await;
        drop(waiting_for_close);
    }

    async fn drive(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        waiting: &mut Vec<oneshot::Sender<()>>,
    ) -> End {
        let mut input = vec![0; TRANSMIT_BYTES];
        let mut output = Vec::new();
        let mut written = 0;
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_heard = Instant::now();
        let mut close_by = None;
        loop {
            match self.handle_events() {
                Ok(false) => {}
                Ok(true) => return End::Closed,
                Err(error) => return error.into(),
            }
            if written == output.len() {
                output.clear();
                written = 0;
                self.connection.poll_transmit(&mut output);
                self.publish_traffic();
            }
            tokio::select! {
                read = self.transport.reader.read(&mut input) => match read {
                    Ok(0) if close_by.is_some() && self.calls.is_empty() => return End::Closed,
                    Ok(0) => return End::Lost("the agent is gone".into()),
                    Ok(length) => {
                        last_heard = Instant::now();
                        if let Err(error) = self.connection.handle_input(&input[..length]) {
                            return error.into();
                        }
                        // Before the calls that returned learn of it: they may ask.
                        self.publish_traffic();
                    }
                    Err(error) => return End::Lost(error.to_string()),
                },
                wrote = self.transport.writer.write(&output[written..]), if written < output.len() => match wrote {
                    Ok(length @ 1..) => written += length,
                    Ok(0) => return End::Lost("the agent no longer listens".into()),
                    Err(error) => return End::Lost(error.to_string()),
                },
                command = commands.recv(), if close_by.is_none() => {
                    // Commands come in bursts; taking all of them makes one transmission.
                    let mut next = Some(command);
                    while let Some(command) = next {
                        if self.handle_command(command, waiting).is_break() {
                            close_by = Some(Instant::now() + CLOSE_WITHIN);
                            break;
                        }
                        next = commands.try_recv().ok().map(Some);
                    }
                }
                _ = ping.tick() => {
                    if last_heard.elapsed() > SILENCE {
                        return End::Lost(format!("it was silent for {SILENCE:?}"));
                    }
                    self.connection.ping();
                }
                () = sleep_until(close_by) => return End::Lost(format!("it did not end within {CLOSE_WITHIN:?}")),
            }
        }
    }

    fn publish_traffic(&self) {
        *self.shared.traffic.lock().unwrap_or_else(PoisonError::into_inner) = self.connection.traffic();
    }

    /// Breaks when nothing more will be asked: every handle is gone, or one said to close.
    fn handle_command(&mut self, command: Option<Command>, waiting: &mut Vec<oneshot::Sender<()>>) -> ControlFlow<()> {
        match command {
            Some(Command::Call(call)) => {
                let NewCall { key, request, artifact, output, reply } = *call;
                let module = request.module;
                let id = self.connection.call(request);
                self.keys.insert(key, id);
                self.calls.insert(id, PendingCall { key, module, artifact, output, reply });
                ControlFlow::Continue(())
            }
            Some(Command::Cancel { key }) => {
                if let Some(id) = self.keys.remove(&key) {
                    self.connection.cancel(id);
                    self.calls.remove(&id);
                }
                ControlFlow::Continue(())
            }
            Some(Command::Close { done }) => {
                waiting.push(done);
                self.connection.close();
                ControlFlow::Break(())
            }
            None => {
                self.connection.close();
                ControlFlow::Break(())
            }
        }
    }

    /// Whether the agent has said goodbye.
    fn handle_events(&mut self) -> Result<bool, ProtocolError> {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ControllerEvent::Need { module } => match self.calls.values().find(|call| call.module == module) {
                    Some(call) => self.connection.provide(module, call.artifact.clone()),
                    // The only call that needs it was cancelled a moment ago.
                    None => self.connection.refuse(module, "no longer needed"),
                },
                ControllerEvent::Output { id, stream, bytes } => {
                    if let Some(call) = self.calls.get_mut(&id) {
                        call.output.write(stream, &bytes);
                    }
                }
                ControllerEvent::Returned { id, outcome, usage } => {
                    if let Some(PendingCall { key, reply, mut output, .. }) = self.calls.remove(&id) {
                        self.keys.remove(&key);
                        output.note_dropped(usage.dropped_bytes);
                        // What the guest printed last comes before its result.
                        drop(output);
                        let _ = reply.send(Ok((outcome, usage)));
                    }
                }
                ControllerEvent::Closed => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }
}

/// Never, if there is no instant to wait for.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
