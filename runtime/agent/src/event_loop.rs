//! The one task that owns the conversation: it reads, runs calls, and writes, in turn.

use std::{io, mem, pin::pin, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    runtime::Handle,
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use wxec_engine::{Command as GuestCommand, Duplex, Entry as GuestEntry, Request, Sandbox};
use wxec_protocol::{
    AgentConnection, AgentEvent, CallId, CallRequest, Entry, Fault, InstanceId, LogRecord,
    ProtocolError, Service, Splice, StreamEnd, StreamId, TRANSMIT_BYTES, Usage,
};

use crate::{
    calls::{Calls, event::CallEvent, output::OutputQueue},
    memory::give_back_code,
    processes::Processes,
    services::{blobs::Blobs, description::describe, files::Files, host_services::Asks},
    streams::{StreamEvent, Streams, guests::GuestStreams},
};

/// A controller that is silent for this long is gone, even if the pipe is still open. It pings
/// every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

/// After a rest of this length the agent is idle, and gives memory back. Calls in a row are not that
/// far apart, and the first one afterwards takes some tens of microseconds more.
const REST: Duration = Duration::from_secs(2);

/// Time between two looks at calls that go on without their controller.
const LINGER_CHECK: Duration = Duration::from_millis(50);

/// Reason why a conversation broke off.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The pipe failed.
    Pipe(io::Error),
    /// The controller broke the protocol.
    Protocol(ProtocolError),
    /// The controller was silent for too long.
    Silence,
}

/// Runs one conversation over a byte pipe, until the controller says goodbye or is gone. Calls
/// still open then are dropped with their guests, unless they may
/// [linger](wxec_protocol::Limits::linger_ms); processes still running are ended.
///
/// Guests that compute for long, or wait, go on in `workers`. Everything else stays in the runtime
/// that polls this future; if that has a thread of its own, a short call wakes no other thread.
pub async fn serve(
    sandbox: Sandbox,
    workers: Handle,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) -> Result<(), ServeError> {
    let ending = sandbox.clone();
    let (call_sender, mut call_events) = mpsc::unbounded_channel();
    let (stream_sender, mut stream_events) = mpsc::unbounded_channel();
    let output = OutputQueue::default();
    let output_sender = output.sender(call_sender.clone());
    let mut agent = Agent {
        connection: AgentConnection::new(sandbox.target().clone())
            .with_inputs_limit(sandbox.memory_budget() / 2),
        notes: sandbox.notes().to_vec(),
        asks: Asks::new(call_sender.clone()),
        calls: Calls::new(sandbox, workers, call_sender, output_sender),
        output,
        streams: Streams::new(stream_sender),
        guests: GuestStreams::default(),
        processes: Processes::default(),
        files: Files::default(),
        blobs: Blobs::default(),
        closing: false,
    };
    let served = agent
        .run(reader, writer, &mut call_events, &mut stream_events)
        .await;
    let lingering = agent.calls.lose();
    if lingering.is_zero() {
        // The program exits without waiting for open calls, which ends them. Their processes must be
        // ended here.
        ending.end_processes();
    }
    agent.asks.lose();
    agent.files.lose();
    agent.end_others().await;
    if !lingering.is_zero() {
        let until = Instant::now() + lingering;
        agent
            .linger(until, &mut call_events, &mut stream_events)
            .await;
        ending.end_processes();
    }
    served
}

struct Agent {
    connection: AgentConnection,
    calls: Calls,
    asks: Asks,
    output: OutputQueue,
    streams: Streams,
    guests: GuestStreams,
    processes: Processes,
    files: Files,
    blobs: Blobs,
    /// Features that the sandbox had to do without.
    notes: Vec<String>,
    /// True if the controller asks for nothing more.
    closing: bool,
}

impl Agent {
    async fn run(
        &mut self,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
        call_events: &mut mpsc::UnboundedReceiver<CallEvent>,
        stream_events: &mut mpsc::UnboundedReceiver<StreamEvent>,
    ) -> Result<(), ServeError> {
        let mut input = vec![0; TRANSMIT_BYTES];
        let mut output = Vec::new();
        let mut written = 0;
        let mut heard = Instant::now();
        let mut alarm = pin!(sleep_until(heard + REST));
        let mut is_idle = false;
        loop {
            self.handle_pending(call_events, stream_events);
            if written == output.len() {
                output.clear();
                written = 0;
                self.connection.poll_transmit(&mut output);
            }
            if self.closing && output.is_empty() && self.connection.is_idle() {
                return Ok(self.close(writer, output).await?);
            }
            tokio::select! {
                read = reader.read(&mut input) => match read? {
                    // The controller is gone, so no reader is left for any result.
                    0 => return Ok(()),
                    length => {
                        heard = Instant::now();
                        if mem::take(&mut is_idle) {
                            alarm.as_mut().reset(heard + REST);
                        }
                        self.connection.handle_input(&input[..length])?;
                    }
                },
                wrote = writer.write(&output[written..]), if written < output.len() => match wrote? {
                    0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    length => written += length,
                },
                Some(event) = call_events.recv() => self.push_call_event(event),
                Some(event) = stream_events.recv() => self.handle_stream_event(event),
                // Set anew only when it goes off: setting it takes a lock, and reads are many.
                () = &mut alarm => {
                    self.calls.end_lingering();
                    let silent_for = heard.elapsed();
                    if silent_for >= SILENCE {
                        return Err(ServeError::Silence);
                    }
                    is_idle = silent_for >= REST;
                    if is_idle {
                        give_back_code();
                    }
                    alarm.as_mut().reset(heard + if is_idle { SILENCE } else { REST });
                }
            }
        }
    }

    /// Waits for the calls that may go on without their controller. What they print goes nowhere.
    async fn linger(
        &mut self,
        until: Instant,
        call_events: &mut mpsc::UnboundedReceiver<CallEvent>,
        stream_events: &mut mpsc::UnboundedReceiver<StreamEvent>,
    ) {
        while !self.calls.are_over() && Instant::now() < until {
            sleep(LINGER_CHECK).await;
            while let Ok(event) = call_events.try_recv() {
                self.output.push(event);
            }
            // Asks are dropped, too, and get no answer.
            while let Some(event) = self.output.pop_ready(true) {
                if let CallEvent::Done { id, .. } = event {
                    self.calls.remove(id);
                }
            }
            while let Ok(event) = stream_events.try_recv() {
                self.handle_stream_event(event);
            }
        }
    }

    /// Handles everything that has happened, without waiting.
    fn handle_pending(
        &mut self,
        call_events: &mut mpsc::UnboundedReceiver<CallEvent>,
        stream_events: &mut mpsc::UnboundedReceiver<StreamEvent>,
    ) {
        while let Some(event) = self.connection.poll_event() {
            self.handle_event(event);
        }
        while let Ok(event) = call_events.try_recv() {
            self.output.push(event);
        }
        let Self { calls, output, .. } = self;
        calls.take_finished().for_each(|event| output.push(event));
        // The controller may have given credit.
        self.handle_ready_call_events();
        while let Ok(event) = stream_events.try_recv() {
            self.handle_stream_event(event);
        }
    }

    /// Ends the conversation with its last message.
    async fn close(
        &mut self,
        mut writer: impl AsyncWrite + Unpin,
        mut output: Vec<u8>,
    ) -> io::Result<()> {
        self.end_others().await;
        self.connection.close();
        self.connection.poll_transmit(&mut output);
        writer.write_all(&output).await?;
        writer.flush().await
    }

    fn handle_event(&mut self, event: AgentEvent) {
        let Self {
            connection,
            calls,
            asks,
            output,
            streams,
            guests,
            processes,
            files,
            blobs,
            notes,
            ..
        } = self;
        match event {
            AgentEvent::Call { id, request } => self.start_call(id, request),
            AgentEvent::Module { digest, bytes } => calls.load(connection, digest, bytes),
            AgentEvent::DamagedModule { digest } => calls.ask_again(connection, digest),
            AgentEvent::NoModule { digest, reason } => {
                calls.fail_parked(connection, digest, &Fault::BadModule(reason))
            }
            AgentEvent::Cancel { id } => {
                calls.cancel(connection, id);
                guests.remove(id, streams);
                output.remove(id);
            }
            AgentEvent::DropInstance { instance } => calls.drop_instance(instance),
            AgentEvent::Answer { ask, outcome } => asks.answer(ask, outcome),
            AgentEvent::Start {
                streams: ids,
                command,
            } => processes.start(ids, &command, streams),
            AgentEvent::Open {
                id,
                service: Service::Files,
            } => files.open(id, streams),
            AgentEvent::Open { id, service } => {
                connection.end_stream(
                    id,
                    StreamEnd::Failed(format!("there is no service {service:?}")),
                );
            }
            AgentEvent::Signal { id, signal } => processes.signal(id, signal),
            AgentEvent::Resize { id, size } => processes.resize(id, size),
            AgentEvent::Data { id, bytes } => streams.data(id, bytes),
            AgentEvent::Splice { id, splice } => self.splice(id, splice),
            AgentEvent::Credit { id, bytes } => streams.credit(id, bytes),
            AgentEvent::Finished { id } => streams.finish(id),
            AgentEvent::StreamClosed { id } => {
                streams.close(id);
                processes.close(id);
                files.close(id);
            }
            AgentEvent::AskBlob { digest } => connection.answer_blob(digest, blobs.holds(digest)),
            AgentEvent::Blob { digest, bytes } => {
                connection.answer_blob(digest, blobs.insert(digest, bytes))
            }
            AgentEvent::Describe => connection.description(describe(notes)),
            AgentEvent::Closing => self.closing = true,
            _ => {}
        }
    }

    /// Starts a call, connected to its streams and to the services that it was granted.
    fn start_call(&mut self, id: CallId, call: CallRequest) {
        let CallRequest {
            module,
            entry,
            terms,
            streams,
            input,
        } = call;
        let streams = self.task_streams(id, streams);
        match self.engine_entry(id, entry) {
            Ok((instance, entry)) => {
                let request = Request {
                    entry,
                    host_services: self.asks.host_services(id, &terms.grants),
                    terms,
                    input,
                    streams,
                    cancelled: None,
                };
                self.calls
                    .start(&mut self.connection, id, module, instance, request);
            }
            Err(fault) => self.connection.finish(id, Err(fault), Usage::default()),
        }
    }

    /// Returns the guest's entry for the engine, connected to its streams, and the instance that it
    /// is a call of.
    fn engine_entry(
        &mut self,
        id: CallId,
        entry: Entry,
    ) -> Result<(Option<InstanceId>, GuestEntry), Fault> {
        match entry {
            Entry::Function(name) => Ok((None, GuestEntry::Task(name))),
            Entry::Resident { instance, function } => {
                Ok((Some(instance), GuestEntry::Task(function)))
            }
            Entry::Command {
                arguments,
                environment,
                streams,
            } => {
                let pipes = self.guests.connect_program(id, streams, &mut self.streams);
                self.calls.attach_drains(id, pipes.drains);
                let command = GuestCommand {
                    arguments,
                    environment,
                    stdin: pipes.stdin,
                    stdout: pipes.stdout,
                    stderr: pipes.stderr,
                };
                Ok((None, GuestEntry::Program(command)))
            }
            other => Err(Fault::Agent(format!(
                "an unknown way to begin a call: {other}"
            ))),
        }
    }

    /// Connects a task to the streams of its call, and returns its ends.
    fn task_streams(&mut self, id: CallId, streams: Vec<StreamId>) -> Vec<Duplex> {
        match self.guests.connect_task(id, streams, &mut self.streams) {
            Some((ends, drains)) => {
                self.calls.attach_drains(id, drains);
                ends
            }
            None => Vec::new(),
        }
    }

    /// Passes on a part of a blob as data of a stream.
    fn splice(&mut self, id: StreamId, splice: Splice) {
        if let Some(bytes) = self.blobs.part(splice) {
            return self.streams.data(id, bytes);
        }
        let reason = format!("blob {} is not held here", splice.blob);
        self.connection.end_stream(id, StreamEnd::Failed(reason));
        self.streams.close(id);
        self.processes.close(id);
    }

    /// Ends processes that still run, beginning with their stdin, and file transfers.
    async fn end_others(&mut self) {
        self.streams.clear();
        tokio::join!(self.processes.shut_down(), self.files.shut_down());
    }

    fn push_call_event(&mut self, event: CallEvent) {
        self.output.push(event);
        self.handle_ready_call_events();
    }

    /// Handles the events of calls that may go now.
    fn handle_ready_call_events(&mut self) {
        while let Some(event) = self.output.pop_ready(self.connection.has_output_room()) {
            self.handle_call_event(event);
        }
    }

    fn handle_call_event(&mut self, event: CallEvent) {
        match event {
            CallEvent::Output { id, stream, bytes } => {
                self.connection.output(id, stream, &bytes);
            }
            CallEvent::Log {
                id,
                level,
                target,
                message,
            } => {
                self.connection
                    .log(id, LogRecord::new(level, &target, &message));
            }
            CallEvent::Ask {
                id,
                question,
                answer,
            } => self.asks.ask(&mut self.connection, id, &question, answer),
            CallEvent::Done { id, completion } => {
                self.calls.remove(id);
                self.connection
                    .finish(id, completion.outcome, completion.usage);
            }
        }
    }

    fn handle_stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Output { id, bytes } => self.connection.send(id, bytes),
            StreamEvent::Taken { id, bytes } => self.connection.taken(id, bytes),
            StreamEvent::Finished { id } => self.connection.finish_stream(id),
            StreamEvent::End { id, end } => {
                self.streams.ended(id);
                self.processes.ended(id);
                self.files.ended(id);
                self.connection.end_stream(id, end);
            }
            StreamEvent::Returned { call, completion } => {
                self.guests.remove(call, &mut self.streams);
                // Comes after the guest's output, which may have to wait.
                self.calls.queue_return(call, completion);
            }
        }
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

impl From<ProtocolError> for ServeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pipe(error) => write!(f, "the pipe to the controller failed: {error}"),
            Self::Protocol(error) => write!(f, "the controller broke the protocol: {error}"),
            Self::Silence => write!(f, "the controller was silent for {SILENCE:?}"),
        }
    }
}

impl std::error::Error for ServeError {}
