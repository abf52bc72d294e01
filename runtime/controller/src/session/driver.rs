//! The task that owns the state and the transport of a session.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior},
};
use wxec_protocol::{
    CallErrorKind, CallId, CallRequest, ControllerConnection, ControllerEvent, Description, Digest,
    Entry, ProcessStreams, ProtocolError, Splice, StreamEnd, StreamId, TRANSMIT_BYTES,
};

use super::{
    Shared,
    call::{Asked, Pending, Reply},
    command::{Command, Source, StreamCommand, StreamCommands},
    loss::Loss,
    printer::{Printed, Printer},
    process::{Process, ProcessHandle, ProgramCommand},
};
use crate::{
    base::{runtime, sync::lock},
    session::{
        stream::{Inbox, StreamHandle, StreamReader, StreamWriter, Window},
        task_stream::TaskStream,
        transport::{Transport, Writer},
    },
};

/// Interval of pings on an idle link.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A link that is silent for this long is dead: four pings went unanswered.
const SILENCE: Duration = Duration::from_secs(60);
/// Time that open calls have to return once the session is being closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Driver {
    connection: ControllerConnection,
    transport: Transport,
    shared: Arc<Shared>,
    /// For parts that answer later, such as streams. Weak, so that it does not keep the session
    /// open.
    commands: mpsc::WeakUnboundedSender<Command>,
    calls: HashMap<CallId, Pending>,
    keys: HashMap<u64, CallId>,
    printer: Printer,
    streams: HashMap<StreamId, OpenStream>,
    blob_answers: HashMap<Digest, oneshot::Sender<bool>>,
    /// Requests that wait for a description, in the order in which they were made.
    describing: VecDeque<oneshot::Sender<Description>>,
}

/// The driver's ends of a stream.
struct OpenStream {
    inbox: Arc<Inbox>,
    window: Arc<Window>,
    ended: Option<oneshot::Sender<Result<StreamEnd, Loss>>>,
}

/// Wakes the reader and the writer of the stream: without the driver, nothing would serve them.
impl Drop for OpenStream {
    fn drop(&mut self) {
        self.window.close();
        self.inbox.lose();
    }
}

/// The reason why the driver stops.
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
    pub(super) fn new(
        connection: ControllerConnection,
        transport: Transport,
        shared: Arc<Shared>,
        commands: mpsc::WeakUnboundedSender<Command>,
    ) -> Self {
        Self {
            connection,
            transport,
            shared,
            printer: Printer::new(commands.clone()),
            commands,
            calls: HashMap::new(),
            keys: HashMap::new(),
            streams: HashMap::new(),
            blob_answers: HashMap::new(),
            describing: VecDeque::new(),
        }
    }

    /// Drives the session to its end.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut waiting_for_close = Vec::new();
        let end = self.drive(&mut commands, &mut waiting_for_close).await;
        // Closes the queue first: the session must count as dead before any caller learns of its
        // end.
        commands.close();
        if let End::Lost(reason) = end {
            let loss = Loss {
                reason,
                stderr_tail: self.transport.stderr.settled().await,
            };
            for stream in self.streams.values_mut() {
                if let Some(ended) = stream.ended.take() {
                    let _ = ended.send(Err(loss.clone()));
                }
            }
            for (id, call) in std::mem::take(&mut self.calls) {
                self.end_call(id, call, 0, Err(loss.clone()));
            }
            while let Ok(command) = commands.try_recv() {
                if let Command::Call { call, .. } = command {
                    let (_, pending) = *call;
                    let _ = pending.reply.send((Err(loss.clone()), None));
                }
            }
        }
        // Drops the streams first: their readers must not wait for the end of the transport's
        // process.
        let Self {
            transport, streams, ..
        } = self;
        drop(streams);
        transport.end().await;
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
        let mut splice = None;
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
            if written == output.len() && splice.is_none() {
                output.clear();
                written = 0;
                splice = self.connection.poll_transmit(&mut output);
                self.publish_traffic();
            }
            let Transport { reader, writer, .. } = &mut self.transport;
            tokio::select! {
                read = reader.read(&mut input) => match read {
                    Ok(0) if close_by.is_some() && self.calls.is_empty() => return End::Closed,
                    Ok(0) => return End::Lost("the agent is gone".into()),
                    Ok(length) => {
                        last_heard = Instant::now();
                        if let Err(error) = self.connection.handle_input(&input[..length]) {
                            return error.into();
                        }
                        // Publishes before the events are handled: a caller whose call returned may
                        // ask for the traffic.
                        self.publish_traffic();
                    }
                    Err(error) => return End::Lost(error.to_string()),
                },
                wrote = write(writer, &output[written..], splice), if written < output.len() || splice.is_some() => {
                    match wrote {
                        Ok(Wrote::Bytes(length)) => written += length,
                        Ok(Wrote::Splice) => splice = None,
                        Err(error) => return End::Lost(error.to_string()),
                    }
                }
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
        *lock(&self.shared.traffic) = self.connection.traffic();
    }

    /// Breaks when no more commands will come: all handles are gone, or one of them closed the
    /// session.
    fn handle_command(
        &mut self,
        command: Option<Command>,
        waiting: &mut Vec<oneshot::Sender<()>>,
    ) -> ControlFlow<()> {
        match command {
            Some(Command::Call { call, streams }) => {
                let (mut request, pending) = *call;
                if let Some((count, opened)) = streams {
                    let _ = opened.send(self.open_task_streams(&mut request, count));
                }
                self.make_call(request, pending);
                ControlFlow::Continue(())
            }
            Some(Command::Run {
                call,
                command:
                    ProgramCommand {
                        arguments,
                        environment,
                    },
                started,
            }) => {
                let (mut request, pending) = *call;
                let streams = self.connection.open_streams();
                request.entry = Entry::Command {
                    arguments,
                    environment,
                    streams,
                };
                let (reader, writer) = self.open(streams.stdio, None);
                let (stderr, _) = self.open(streams.stderr, None);
                let _ = started.send((reader, writer, stderr));
                self.make_call(request, pending);
                ControlFlow::Continue(())
            }
            Some(Command::Answer { ask, outcome }) => {
                self.connection.answer(ask, outcome);
                ControlFlow::Continue(())
            }
            Some(Command::Cancel { key }) => {
                if let Some(id) = self.keys.remove(&key) {
                    self.connection.cancel(id);
                    if let Some(Pending { lines: None, .. }) = self.calls.remove(&id) {
                        self.printer.print(Printed::Forgotten { id });
                    }
                }
                ControlFlow::Continue(())
            }
            Some(Command::OutputTaken { cost }) => {
                self.connection.output_taken(cost);
                ControlFlow::Continue(())
            }
            Some(Command::DropInstance { instance }) => {
                self.connection.drop_instance(instance);
                ControlFlow::Continue(())
            }
            Some(Command::Provide { module, from }) => {
                // The call may have been cancelled meanwhile; the agent's question is open all the
                // same.
                match from {
                    Source::Here(artifact) => self.connection.provide(module, artifact),
                    Source::Hop(length) => self.connection.provide_from_hop(module, length),
                }
                ControlFlow::Continue(())
            }
            Some(Command::Start {
                command,
                terminal,
                started,
            }) => {
                let streams = self.connection.start(command, terminal);
                let _ = started.send(self.process(streams));
                ControlFlow::Continue(())
            }
            Some(Command::Open { service, opened }) => {
                let id = self.connection.open(service);
                let (reader, writer) = self.open(id, None);
                let handle = StreamHandle {
                    id,
                    commands: StreamCommands(self.commands.clone()),
                };
                // If the requester has gone, dropping the handle closes the stream.
                let _ = opened.send((reader, writer, handle));
                ControlFlow::Continue(())
            }
            Some(Command::Stream(command)) => {
                self.handle_stream_command(command);
                ControlFlow::Continue(())
            }
            Some(Command::AskBlob { digest, answer }) => {
                self.connection.ask_blob(digest);
                self.blob_answers.insert(digest, answer);
                ControlFlow::Continue(())
            }
            Some(Command::SendBlob {
                digest,
                blob,
                answer,
            }) => {
                self.connection.send_blob(digest, blob);
                self.blob_answers.insert(digest, answer);
                ControlFlow::Continue(())
            }
            Some(Command::Describe { answer }) => {
                self.connection.describe();
                self.describing.push_back(answer);
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

    fn make_call(&mut self, request: CallRequest, pending: Pending) {
        let id = self.connection.call(request);
        self.keys.insert(pending.key, id);
        self.calls.insert(id, pending);
    }

    /// Opens `count` streams for a task, and adds them to its call.
    fn open_task_streams(&mut self, request: &mut CallRequest, count: usize) -> Vec<TaskStream> {
        request.streams = self.connection.open_call_streams(count);
        let streams = request.streams.iter().map(|id| {
            let (ended, end) = oneshot::channel();
            let (reader, writer) = self.open(*id, Some(ended));
            TaskStream::new(reader, writer, end)
        });
        streams.collect()
    }

    /// Registers the call with the printer on its first output.
    fn begin_printing(&mut self, id: CallId) {
        if let Some(lines) = self.calls.get_mut(&id).and_then(|call| call.lines.take()) {
            self.printer.print(Printed::Begun { id, lines });
        }
    }

    /// Tells the caller how the call ended, and when the listener has heard all that it printed.
    fn end_call(&mut self, id: CallId, call: Pending, dropped_bytes: u64, outcome: Reply) {
        let Pending { reply, lines, .. } = call;
        match lines {
            Some(_nothing_printed) => _ = reply.send((outcome, None)),
            None => {
                let (done, printed) = oneshot::channel();
                let _ = reply.send((outcome, Some(printed)));
                self.printer.print(Printed::Returned {
                    id,
                    dropped_bytes,
                    printed: done,
                });
            }
        }
    }

    /// Returns true if the agent has said goodbye.
    fn handle_events(&mut self) -> Result<bool, ProtocolError> {
        while let Some(event) = self.connection.poll_event() {
            match event {
                ControllerEvent::Need { module, again } => {
                    match self
                        .calls
                        .values()
                        .find(|call| call.module == module)
                        .map(|call| call.artifact.clone())
                    {
                        Some(artifact) => self.provide(module, artifact, again),
                        // The only call that needs it was cancelled a moment ago.
                        None => self.connection.refuse(module, "no longer needed"),
                    }
                }
                ControllerEvent::Data { id, bytes } => {
                    if let Some(stream) = self.streams.get(&id) {
                        stream.inbox.push(&bytes);
                    }
                }
                ControllerEvent::Credit { id, bytes } => {
                    if let Some(stream) = self.streams.get(&id) {
                        stream.window.add(bytes);
                    }
                }
                ControllerEvent::Finished { id } => {
                    if let Some(stream) = self.streams.get(&id) {
                        stream.inbox.finish();
                    }
                }
                ControllerEvent::StreamClosed { id, end } => {
                    if let Some(mut stream) = self.streams.remove(&id) {
                        stream.inbox.finish();
                        if let Some(ended) = stream.ended.take() {
                            let _ = ended.send(Ok(end));
                        }
                    }
                }
                ControllerEvent::Blob { digest, held } => {
                    if let Some(answer) = self.blob_answers.remove(&digest) {
                        let _ = answer.send(held);
                    }
                }
                ControllerEvent::Description(description) => {
                    if let Some(answer) = self.describing.pop_front() {
                        let _ = answer.send(description);
                    }
                }
                ControllerEvent::Output { id, stream, bytes } => {
                    self.begin_printing(id);
                    self.printer.print(Printed::Output { id, stream, bytes });
                }
                ControllerEvent::Log {
                    id,
                    level,
                    target,
                    message,
                } => {
                    self.begin_printing(id);
                    self.printer.print(Printed::Log {
                        id,
                        level,
                        target,
                        message,
                    });
                }
                ControllerEvent::Ask {
                    call,
                    ask,
                    question,
                } => {
                    let asks = self.calls.get(&call).and_then(|call| call.asks.as_ref());
                    let asked = Asked {
                        ask,
                        question,
                        commands: self.commands.clone(),
                    };
                    if asks.is_none_or(|asks| asks.send(asked).is_err()) {
                        let nobody =
                            CallErrorKind::Agent("only tasks may call tasks on other hosts".into());
                        self.connection.answer(ask, Err(nobody));
                    }
                }
                ControllerEvent::Returned { id, outcome, usage } => {
                    if usage.dropped_bytes > 0 {
                        self.begin_printing(id);
                    }
                    if let Some(call) = self.calls.remove(&id) {
                        self.keys.remove(&call.key);
                        self.shared
                            .fuel
                            .fetch_add(usage.fuel.unwrap_or_default(), Ordering::Relaxed);
                        self.end_call(id, call, usage.dropped_bytes, Ok((outcome, usage)));
                    }
                }
                ControllerEvent::Closed => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }
}

impl Driver {
    /// Sends an artifact. If this agent is reached through a hop, the artifact goes to the hop's
    /// agent first, which passes it on: a slow link before the hop carries it once for all hosts
    /// behind. If that copy was of no use (`again`), this end sends the next one.
    fn provide(&mut self, module: Digest, artifact: Bytes, again: bool) {
        let (Some(hop), false) = (self.transport.hop.clone(), again) else {
            return self.connection.provide(module, artifact);
        };
        let commands = self.commands.clone();
        runtime::spawn(async move {
            let length = artifact.len() as u64;
            let from = if hop.hold(module, artifact.clone()).await {
                Source::Hop(length)
            } else {
                Source::Here(artifact)
            };
            if let Some(commands) = commands.upgrade() {
                let _ = commands.send(Command::Provide { module, from });
            }
        });
    }

    /// Opens the streams of a new process, for the part that started it.
    fn process(&mut self, streams: ProcessStreams) -> Process {
        let commands = StreamCommands(self.commands.clone());
        let (ended, end) = oneshot::channel();
        let (reader, writer) = self.open(streams.stdio, Some(ended));
        let (stderr_ended, end_of_stderr) = oneshot::channel();
        let (stderr, _) = self.open(streams.stderr, Some(stderr_ended));
        let terminal = streams.terminal.map(|id| self.open(id, None));
        let handle = ProcessHandle {
            streams,
            commands,
            ended: Some(end),
            stderr_ended: end_of_stderr,
        };
        Process {
            reader,
            writer,
            stderr,
            terminal,
            handle,
        }
    }

    fn open(
        &mut self,
        id: StreamId,
        ended: Option<oneshot::Sender<Result<StreamEnd, Loss>>>,
    ) -> (StreamReader, StreamWriter) {
        let (inbox, window) = (Arc::<Inbox>::default(), Arc::<Window>::default());
        window.add(id.window_bytes());
        self.streams.insert(
            id,
            OpenStream {
                inbox: inbox.clone(),
                window: window.clone(),
                ended,
            },
        );
        let commands = StreamCommands(self.commands.clone());
        (
            StreamReader::new(id, commands.clone(), inbox),
            StreamWriter::new(id, commands, window),
        )
    }

    fn handle_stream_command(&mut self, command: StreamCommand) {
        match command {
            StreamCommand::Data { id, bytes } => self.connection.send(id, bytes),
            StreamCommand::Splice { id, splice } => self.connection.splice(id, splice),
            StreamCommand::Finish { id } => self.connection.finish_stream(id),
            StreamCommand::Taken { id, bytes } => self.connection.taken(id, bytes),
            StreamCommand::Signal { id, signal } => self.connection.signal(id, signal),
            StreamCommand::Resize { id, size } => self.connection.resize(id, size),
            StreamCommand::Close { id } => {
                self.streams.remove(&id);
                self.connection.close_stream(id);
            }
        }
    }
}

enum Wrote {
    Bytes(usize),
    Splice,
}

/// Writes some of `bytes`. If none are left, writes the bytes that the hop is to splice in behind
/// them.
async fn write(
    writer: &mut Writer,
    bytes: &[u8],
    splice: Option<Splice>,
) -> std::io::Result<Wrote> {
    match splice {
        Some(splice) if bytes.is_empty() => writer.splice(splice).await.map(|()| Wrote::Splice),
        _ => match writer.write(bytes).await? {
            0 => Err(std::io::Error::other("the agent no longer listens")),
            length => Ok(Wrote::Bytes(length)),
        },
    }
}

/// Sleeps forever if `instant` is `None`.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
