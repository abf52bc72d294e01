//! The one task that owns the conversation: it reads, runs calls, and writes, in turn.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::Instant,
};
use wxec_engine::{
    Command as GuestCommand,
    Entry::{Program, Task},
    Request, Sandbox,
};
use wxec_protocol::{
    AgentConnection, AgentEvent, Entry, Fault, LogRecord, ProtocolError, Service, StreamEnd,
    TRANSMIT_BYTES, Usage,
};

use crate::{
    calls::{Calls, event::CallEvent, held::Held},
    processes::Processes,
    services::{blobs::Blobs, description::describe, files::Files, host_services::Asks},
    streams::{
        StreamEvent, Streams,
        guests::{GuestPipes, Guests},
    },
};

/// A controller that is silent for this long is gone, even if the pipe is still open. It pings
/// every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

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
/// still open then are dropped with their guests; processes still running are ended.
pub async fn serve(
    sandbox: Sandbox,
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
) -> Result<(), ServeError> {
    let ending = sandbox.clone();
    let (call_sender, mut call_events) = mpsc::unbounded_channel();
    let (stream_sender, mut stream_events) = mpsc::unbounded_channel();
    let mut agent = Agent {
        connection: AgentConnection::new(sandbox.target().clone())
            .with_inputs_limit(sandbox.memory_budget() / 2),
        notes: sandbox.notes().to_vec(),
        asks: Asks::new(call_sender.clone()),
        calls: Calls::new(sandbox, call_sender),
        held: Held::default(),
        streams: Streams::new(stream_sender),
        guests: Guests::default(),
        processes: Processes::default(),
        files: Files::default(),
        blobs: Blobs::default(),
        closing: false,
    };
    let served = agent
        .run(reader, writer, &mut call_events, &mut stream_events)
        .await;
    // The program exits without waiting for open calls, which ends them. Their processes must be
    // ended here.
    ending.end_processes();
    agent.files.lose();
    agent.end_others().await;
    served
}

struct Agent {
    connection: AgentConnection,
    calls: Calls,
    asks: Asks,
    held: Held,
    streams: Streams,
    guests: Guests,
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
        let mut silent_until = Instant::now() + SILENCE;
        loop {
            while let Some(event) = self.connection.poll_event() {
                self.handle_event(event);
            }
            while let Ok(event) = call_events.try_recv() {
                self.take_call_event(event);
            }
            while self.connection.has_output_room()
                && let Some(event) = self.held.release()
            {
                self.handle_call_event(event);
            }
            while let Ok(event) = stream_events.try_recv() {
                self.handle_stream_event(event);
            }
            if written == output.len() {
                output.clear();
                written = 0;
                self.connection.poll_transmit(&mut output);
            }
            if self.closing && output.is_empty() && self.connection.is_idle() {
                self.end_others().await;
                self.connection.close();
                self.connection.poll_transmit(&mut output);
                writer.write_all(&output).await?;
                return Ok(writer.flush().await?);
            }
            tokio::select! {
                read = reader.read(&mut input) => match read? {
                    // The controller is gone, so no reader is left for any result.
                    0 => return Ok(()),
                    length => {
                        silent_until = Instant::now() + SILENCE;
                        self.connection.handle_input(&input[..length])?;
                    }
                },
                wrote = writer.write(&output[written..]), if written < output.len() => match wrote? {
                    0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    length => written += length,
                },
                Some(event) = call_events.recv() => self.take_call_event(event),
                Some(event) = stream_events.recv() => self.handle_stream_event(event),
                () = tokio::time::sleep_until(silent_until) => return Err(ServeError::Silence),
            }
        }
    }

    fn handle_event(&mut self, event: AgentEvent) {
        let Self {
            connection,
            calls,
            asks,
            streams,
            guests,
            processes,
            files,
            blobs,
            notes,
            ..
        } = self;
        match event {
            AgentEvent::Call {
                id,
                module,
                entry,
                limits,
                grants,
                seed,
                streams: task_streams,
                input,
            } => {
                let host_services = asks.services(id, &grants);
                let (task_streams, drains) = guests.join_task(id, task_streams, streams).unzip();
                let task_streams = task_streams.unwrap_or_default();
                if let Some(drains) = drains {
                    calls.will_drain(id, drains);
                }
                let request = |entry| Request {
                    entry,
                    limits,
                    grants,
                    seed,
                    input,
                    streams: task_streams,
                    host_services,
                };
                match entry {
                    Entry::Function(name) => {
                        calls.start(connection, id, module, request(Task(name)))
                    }
                    Entry::Resident { instance, function } => {
                        calls.start_resident(
                            connection,
                            id,
                            module,
                            instance,
                            request(Task(function)),
                        );
                    }
                    Entry::Command {
                        arguments,
                        environment,
                        streams: ids,
                    } => {
                        let GuestPipes {
                            stdin,
                            stdout,
                            stderr,
                            drains,
                        } = guests.join_program(id, ids, streams);
                        let command = GuestCommand {
                            arguments,
                            environment,
                            stdin,
                            stdout,
                            stderr,
                        };
                        calls.will_drain(id, drains);
                        calls.start(connection, id, module, request(Program(command)));
                    }
                    other => {
                        let reason = format!("an unknown way to begin a call: {other}");
                        connection.finish(id, Err(Fault::Agent(reason)), Usage::default());
                    }
                }
            }
            AgentEvent::Module { digest, bytes } => calls.load(connection, digest, bytes),
            AgentEvent::DamagedModule { digest } => calls.ask_again(connection, digest),
            AgentEvent::NoModule { digest, reason } => {
                calls.fail_parked(connection, digest, &Fault::BadModule(reason))
            }
            AgentEvent::Cancel { id } => {
                calls.cancel(connection, id);
                guests.gone(id, streams);
                // The connection drops the held output of this call; handling it frees the backlog.
                self.held
                    .forget(id)
                    .into_iter()
                    .for_each(|event| self.handle_call_event(event));
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
            AgentEvent::Splice { id, splice } => match blobs.part(splice) {
                Some(bytes) => streams.data(id, bytes),
                None => {
                    connection.end_stream(
                        id,
                        StreamEnd::Failed(format!("blob {} is not held here", splice.blob)),
                    );
                    streams.close(id);
                    processes.close(id);
                }
            },
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

    /// Ends processes that still run, beginning with their stdin, and file transfers.
    async fn end_others(&mut self) {
        self.streams.clear();
        tokio::join!(self.processes.shut_down(), self.files.shut_down());
    }

    fn take_call_event(&mut self, event: CallEvent) {
        let room = self.connection.has_output_room();
        if let Some(event) = self.held.hold(event, room) {
            self.handle_call_event(event);
        }
    }

    fn handle_call_event(&mut self, event: CallEvent) {
        match event {
            CallEvent::Output { id, stream, bytes } => {
                self.calls.taken(&bytes);
                self.connection.output(id, stream, &bytes);
            }
            CallEvent::Log {
                id,
                level,
                target,
                message,
            } => {
                self.calls.taken(message.as_bytes());
                self.connection
                    .log(id, LogRecord::new(level, &target, &message));
            }
            CallEvent::Ask {
                id,
                question,
                answer,
            } => self.asks.ask(&mut self.connection, id, &question, answer),
            CallEvent::Done { id, completion } => {
                self.calls.done(id);
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
                self.guests.gone(call, &mut self.streams);
                // Comes after the guest's output, which may have to wait.
                self.calls.tell_done(call, completion);
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
