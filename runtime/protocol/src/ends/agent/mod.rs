//! The agent's end of a conversation.

mod streams;

use std::collections::{HashMap, HashSet, VecDeque, hash_map};

use bytes::Bytes;

use crate::{
    BUILD, CallId, Digest, Fault, InstanceId, LimitKind, LogRecord, OutputStream, ProtocolError,
    Target, Usage,
    digest::Hasher,
    ends::output_flow::OutputFlow,
    ends::streams::Streams,
    ids::{AskId, StreamId},
    wire::ask::Ask,
    wire::bounds::{CHUNK_BYTES, MAX_ASKS, MAX_CALL_STREAMS, MAX_STREAMS},
    wire::call::{CallRequest, Entry},
    wire::frame::{self, Splitter},
    wire::message::{Answered, MAX_MODULE_BYTES, Outcome, ToAgent, ToController},
    wire::outbox::{Outbox, Part},
    wire::stream::{Command, ProcessStreams, Service, Splice, StreamEnd, WindowSize},
};

/// Largest number of calls open at once in one session, waiting ones included: an agent's share of
/// a pid or memory limit is finite.
pub const MAX_CALLS: usize = 10_000;

/// Protocol state of the agent's end.
///
/// - Commands queue bytes: [`need`](Self::need), [`output`](Self::output), [`log`](Self::log),
///   [`ask`](Self::ask), [`finish`](Self::finish), [`close`](Self::close); for streams
///   [`send`](Self::send), [`taken`](Self::taken), [`finish_stream`](Self::finish_stream),
///   [`end_stream`](Self::end_stream).
/// - [`handle_input`](Self::handle_input) takes what arrived; then [`poll_event`](Self::poll_event)
///   until it is empty.
/// - [`poll_transmit`](Self::poll_transmit) gives what to send; poll it last, until it is empty.
#[derive(Debug)]
pub struct AgentConnection {
    splitter: Splitter,
    outbox: Outbox<Download>,
    events: VecDeque<AgentEvent>,
    greeted: bool,
    /// Calls not yet finished.
    open: HashMap<CallId, OpenCall>,
    /// Limit on the input bytes of all open calls together, and their current sum.
    inputs_limit: u64,
    inputs: u64,
    /// Calls whose input is still arriving.
    arriving: HashMap<CallId, ArrivingCall>,
    /// Asks not yet answered, and the calls whose guests wait for them.
    asks: HashMap<AskId, CallId>,
    next_ask: u64,
    /// Artifacts that the agent asked for and that have not arrived.
    modules: HashMap<Digest, ArrivingBlob>,
    /// Artifacts that have arrived, but whose event was not polled yet.
    arrived: HashSet<Digest>,
    /// Artifacts that arrived damaged. One damaged copy may come from a hop with bad memory; a
    /// second one is the controller's own fault.
    damaged: HashSet<Digest>,
    /// Blobs that the controller is sending.
    blobs: HashMap<Digest, ArrivingBlob>,
    streams: Streams,
    output: OutputFlow,
    /// `Bye` must follow the last result.
    closing: bool,
}

#[derive(Debug, PartialEq)]
enum Download {
    Result { id: CallId, usage: Usage },
    Stream(StreamId),
}

#[derive(Debug)]
struct OpenCall {
    /// Its streams, and the end that each gets if it is still open when the call finishes.
    streams: Vec<(StreamId, StreamEnd)>,
    input_length: u64,
}

#[derive(Debug)]
struct ArrivingCall {
    /// The call, without its input.
    request: CallRequest,
    input_length: u64,
    /// Grows with the bytes that arrive: the announced length may be a lie.
    input: Vec<u8>,
    /// Events of its streams that arrived before the call was complete, bounded by their windows.
    early: Vec<AgentEvent>,
}

#[derive(Debug, Default)]
struct ArrivingBlob {
    hasher: Hasher,
    bytes: Vec<u8>,
}

/// Messages from the controller, for the agent to act on.
#[derive(Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "most are calls; where pointers are short it is none"
)]
#[non_exhaustive]
pub enum AgentEvent {
    /// A call to run. It stays open until [`AgentConnection::finish`].
    Call {
        /// Its number.
        id: CallId,
        /// The call, with its complete input. The streams of a program stay open until
        /// [`AgentConnection::end_stream`]; those of a task until then, or until the call is
        /// finished.
        request: CallRequest,
    },
    /// An artifact that the agent asked for. Its bytes match its digest.
    Module {
        /// The artifact's digest.
        digest: Digest,
        /// The whole artifact.
        bytes: Bytes,
    },
    /// An artifact that the agent asked for arrived damaged: a hop may hold a bad copy. If it is
    /// still wanted, ask again to get the controller's own copy.
    DamagedModule {
        /// The artifact's digest.
        digest: Digest,
    },
    /// The controller cannot supply an artifact that the agent asked for.
    NoModule {
        /// The artifact's digest.
        digest: Digest,
        /// The reason.
        reason: String,
    },
    /// The controller no longer wants an open call: end the call, then finish it as cancelled.
    Cancel {
        /// The call.
        id: CallId,
    },
    /// The controller no longer wants a resident instance: end it.
    DropInstance {
        /// The instance.
        instance: InstanceId,
    },
    /// The answer to an ask whose call is still open.
    Answer {
        /// The ask.
        ask: AskId,
        /// The encoded value of the task that was called, or the encoded
        /// [`CallErrorKind`](crate::CallErrorKind) if there is none.
        outcome: Result<Bytes, Bytes>,
    },
    /// A service to run at this end of a new stream.
    Open {
        /// The stream.
        id: StreamId,
        /// The service.
        service: Service,
    },
    /// A process to start. Its streams stay open until [`AgentConnection::end_stream`].
    Start {
        /// Its streams.
        streams: ProcessStreams,
        /// The program and its surroundings.
        command: Command,
    },
    /// A process and its process group must get a signal.
    Signal {
        /// The stream of its stdin and stdout.
        id: StreamId,
        /// The signal's number, unchecked.
        signal: i32,
    },
    /// A process' terminal has a new size.
    Resize {
        /// The stream that is the terminal's other side.
        id: StreamId,
        /// Its new size.
        size: WindowSize,
    },
    /// Bytes arrived on a stream.
    Data {
        /// The stream.
        id: StreamId,
        /// The bytes. [`AgentConnection::taken`] makes room for more.
        bytes: Bytes,
    },
    /// Treat a part of a blob held here as if it had arrived on the stream.
    Splice {
        /// The stream.
        id: StreamId,
        /// The part.
        splice: Splice,
    },
    /// The controller takes `bytes` more of a stream.
    Credit {
        /// The stream.
        id: StreamId,
        /// The additional number of bytes.
        bytes: u64,
    },
    /// Nothing more arrives on a stream.
    Finished {
        /// The stream.
        id: StreamId,
    },
    /// The controller closed a stream: the process or service behind it is no longer wanted.
    StreamClosed {
        /// The stream.
        id: StreamId,
    },
    /// The controller asks whether this agent holds a blob, or is itself that blob. Answer with
    /// [`AgentConnection::answer_blob`].
    AskBlob {
        /// The blob's digest.
        digest: Digest,
    },
    /// A blob to hold; its bytes match its digest. Tell with [`AgentConnection::answer_blob`]
    /// whether it is held.
    Blob {
        /// The blob's digest.
        digest: Digest,
        /// The whole blob.
        bytes: Bytes,
    },
    /// The controller asks what place the agent runs in. Answer with
    /// [`AgentConnection::description`].
    Describe,
    /// The controller asks for nothing more: let open calls return, then call
    /// [`AgentConnection::close`].
    Closing,
}

impl AgentConnection {
    /// Starts a conversation with a greeting from an agent on `target`.
    pub fn new(target: Target) -> Self {
        let mut outbox = Outbox::default();
        outbox.say(&ToController::Hello {
            build: BUILD,
            target,
        });
        Self {
            splitter: Splitter::default(),
            outbox,
            events: VecDeque::new(),
            greeted: false,
            open: HashMap::new(),
            inputs_limit: u64::MAX,
            inputs: 0,
            arriving: HashMap::new(),
            asks: HashMap::new(),
            next_ask: 0,
            modules: HashMap::new(),
            arrived: HashSet::new(),
            damaged: HashSet::new(),
            blobs: HashMap::new(),
            streams: Streams::default(),
            output: OutputFlow::default(),
            closing: false,
        }
    }

    /// Refuses calls whose input would bring the inputs of all open calls above `bytes`.
    #[must_use]
    pub fn with_inputs_limit(self, bytes: u64) -> Self {
        Self {
            inputs_limit: bytes,
            ..self
        }
    }

    /// Asks the controller for an artifact, unless it is on its way or its event was not polled
    /// yet.
    pub fn need(&mut self, module: Digest) {
        if self.arrived.contains(&module) {
            return;
        }
        if let hash_map::Entry::Vacant(entry) = self.modules.entry(module) {
            entry.insert(ArrivingBlob::default());
            self.outbox.say(&ToController::Need { module });
        }
    }

    /// True if the controller takes more of what guests print and log. Otherwise neither may be
    /// sent.
    pub fn has_output_room(&self) -> bool {
        self.output.has_room()
    }

    /// Sends the output of an open call's guest: at most [`CHUNK_BYTES`] more than there is room
    /// for.
    pub fn output(&mut self, id: CallId, stream: OutputStream, bytes: &[u8]) {
        if self.open.contains_key(&id) {
            for bytes in bytes.chunks(CHUNK_BYTES) {
                self.output.send(bytes.len() as u64);
                self.outbox.say(&ToController::Output { id, stream, bytes });
            }
        }
    }

    /// Sends a log record of an open call's guest.
    pub fn log(&mut self, id: CallId, record: LogRecord<'_>) {
        if self.open.contains_key(&id) {
            self.output.send(record.cost());
            let LogRecord {
                level,
                target,
                message,
            } = record;
            self.outbox.say(&ToController::Log {
                id,
                level,
                target,
                message,
            });
        }
    }

    /// Asks the controller to call a task on another host, for the guest of an open call.
    /// [`AgentEvent::Answer`] brings the answer, unless the call ends before. Returns `None` if the
    /// call has ended or has too many asks open, or if the question is too long.
    pub fn ask(&mut self, call: CallId, question: &Ask) -> Option<AskId> {
        let others = self.asks.values().filter(|asking| **asking == call).count();
        if !self.open.contains_key(&call) || others >= MAX_ASKS || !question.fits() {
            return None;
        }
        let ask = AskId(self.next_ask);
        self.next_ask += 1;
        self.asks.insert(ask, call);
        let Ask {
            address,
            function,
            input,
            deadline_ms,
        } = question;
        self.outbox.say(&ToController::Ask {
            call,
            ask,
            address,
            function,
            deadline_ms: *deadline_ms,
            input,
        });
        Some(ask)
    }

    /// Ends an open call, and closes its streams once everything sent on them has left. Does
    /// nothing if the call has ended.
    pub fn finish(&mut self, id: CallId, outcome: Result<Bytes, Fault>, usage: Usage) {
        let Some(call) = self.open.remove(&id) else {
            return;
        };
        self.inputs -= call.input_length;
        if !self.asks.is_empty() {
            self.asks.retain(|_, call| *call != id);
        }
        for (id, end) in call.streams {
            self.end_stream(id, end);
        }
        match outcome {
            Ok(value) if value.len() > CHUNK_BYTES => {
                self.outbox.send(Download::Result { id, usage }, value)
            }
            Ok(value) => {
                let outcome = Outcome::Done(&value);
                self.outbox
                    .say(&ToController::Return { id, outcome, usage });
            }
            Err(fault) => self.outbox.say(&ToController::Return {
                id,
                outcome: Outcome::Failed(fault),
                usage,
            }),
        }
    }

    /// Sends `Bye` once every result has left.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// True if every call has been finished.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes received bytes, split anywhere.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut splitter = std::mem::take(&mut self.splitter);
        let result = splitter.split(bytes, |frame| self.handle_message(frame::read(frame)?));
        self.splitter = splitter;
        result
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<AgentEvent> {
        let event = self.events.pop_front()?;
        if let AgentEvent::Module { digest, .. } = &event {
            self.arrived.remove(digest);
        }
        Some(event)
    }

    /// Appends to `wire` the next bytes to send, about [`TRANSMIT_BYTES`](crate::TRANSMIT_BYTES) at
    /// most.
    pub fn poll_transmit(&mut self, wire: &mut Vec<u8>) {
        let Self {
            outbox, streams, ..
        } = self;
        outbox.fill(wire, |download, part, wire| {
            if let (Download::Stream(id), length @ 1..) = (&*download, part.len()) {
                streams.leave(*id, length);
            }
            write_part(download, part, wire);
            None
        });
        if self.closing && !self.outbox.is_sending(|_| true) {
            self.closing = false;
            frame::write(&ToController::Bye, wire);
        }
    }

    fn handle_message(&mut self, message: ToAgent<'_>) -> Result<(), ProtocolError> {
        if self.greeted == matches!(message, ToAgent::Hello { .. }) {
            return Err(ProtocolError::Greeting);
        }
        match message {
            ToAgent::Hello { build } if build != BUILD => {
                return Err(ProtocolError::OtherBuild {
                    ours: BUILD,
                    theirs: build.into(),
                });
            }
            ToAgent::Hello { .. } => self.greeted = true,
            ToAgent::Call {
                id,
                request,
                input_length,
                input,
            } => {
                let call = ArrivingCall {
                    request,
                    input_length,
                    input: Vec::new(),
                    early: Vec::new(),
                };
                self.handle_call(id, call, input)?;
            }
            ToAgent::Input { id, bytes } => self.handle_input_part(id, bytes)?,
            ToAgent::Module {
                digest,
                length,
                bytes,
            } => self.handle_module_part(digest, length, bytes)?,
            ToAgent::NoModule { digest, reason } => {
                self.modules
                    .remove(&digest)
                    .ok_or(ProtocolError::UnexpectedModule(digest))?;
                self.events.push_back(AgentEvent::NoModule {
                    digest,
                    reason: reason.into(),
                });
            }
            ToAgent::Cancel { id } if self.arriving.remove(&id).is_some() => {
                self.finish(id, Err(Fault::Cancelled), Usage::default());
            }
            ToAgent::Cancel { id } if self.open.contains_key(&id) => {
                self.events.push_back(AgentEvent::Cancel { id })
            }
            ToAgent::Cancel { id } => self.stop_returning(id),
            ToAgent::DropInstance { instance } => {
                self.events.push_back(AgentEvent::DropInstance { instance })
            }
            ToAgent::Answer { ask, outcome } => self.handle_answer(ask, outcome)?,
            ToAgent::OutputCredit { bytes } => self.output.receive_credit(bytes)?,
            ToAgent::Start { streams, command } => self.handle_start(streams, command)?,
            ToAgent::Open { id, service } => self.handle_open(id, service)?,
            ToAgent::Signal { id, signal } => {
                if self.streams.is_known(id)? {
                    self.events.push_back(AgentEvent::Signal { id, signal });
                }
            }
            ToAgent::Resize { id, size } => {
                if self.streams.is_known(id)? {
                    self.events.push_back(AgentEvent::Resize { id, size });
                }
            }
            ToAgent::Data { id, bytes } => {
                if self.streams.receive(id, bytes.len() as u64)? {
                    self.tell_of_stream(
                        id,
                        AgentEvent::Data {
                            id,
                            bytes: Bytes::copy_from_slice(bytes),
                        },
                    );
                }
            }
            ToAgent::Splice {
                id,
                blob,
                offset,
                length,
            } => {
                if length > CHUNK_BYTES as u64 {
                    return Err(ProtocolError::TooLong {
                        what: "a splice",
                        limit: CHUNK_BYTES as u64,
                    });
                }
                if self.streams.receive(id, length)? {
                    let splice = Splice {
                        blob,
                        offset,
                        length,
                    };
                    self.tell_of_stream(id, AgentEvent::Splice { id, splice });
                }
            }
            ToAgent::Credit { id, bytes } => {
                if self.streams.receive_credit(id, bytes)? {
                    self.tell_of_stream(id, AgentEvent::Credit { id, bytes });
                }
            }
            ToAgent::Finish { id } => {
                if self.streams.receive_finish(id)? {
                    self.tell_of_stream(id, AgentEvent::Finished { id });
                }
            }
            ToAgent::Close { id } => {
                if self.streams.receive_close(id)? {
                    self.outbox
                        .drop_payloads(|download| *download == Download::Stream(id));
                    self.tell_of_stream(id, AgentEvent::StreamClosed { id });
                }
            }
            ToAgent::AskBlob { digest } => self.events.push_back(AgentEvent::AskBlob { digest }),
            ToAgent::Blob {
                digest,
                length,
                bytes,
            } => self.handle_blob_part(digest, length, bytes)?,
            ToAgent::Describe => self.events.push_back(AgentEvent::Describe),
            ToAgent::Ping => self.outbox.say(&ToController::Pong),
            ToAgent::Bye => self.events.push_back(AgentEvent::Closing),
        }
        Ok(())
    }

    fn handle_answer(&mut self, ask: AskId, outcome: Answered<'_>) -> Result<(), ProtocolError> {
        if self.asks.remove(&ask).is_some() {
            let outcome = match outcome {
                Answered::Done(value) => Ok(Bytes::copy_from_slice(value)),
                Answered::Failed(error) => Err(Bytes::copy_from_slice(error)),
            };
            self.events.push_back(AgentEvent::Answer { ask, outcome });
        } else if ask.0 >= self.next_ask {
            return Err(ProtocolError::UnknownAsk(ask));
        }
        // Otherwise the asking call ended while the answer was on its way.
        Ok(())
    }

    /// Cancels a call that has finished. If its result has not left completely, drops the rest and
    /// returns `Cancelled`.
    fn stop_returning(&mut self, id: CallId) {
        if self.outbox.drop_payloads(
            |download| matches!(download, Download::Result { id: result, .. } if *result == id),
        ) {
            let outcome = Outcome::Failed(Fault::Cancelled);
            self.outbox.say(&ToController::Return {
                id,
                outcome,
                usage: Usage::default(),
            });
        }
    }

    fn handle_call(
        &mut self,
        id: CallId,
        call: ArrivingCall,
        first: &[u8],
    ) -> Result<(), ProtocolError> {
        let streams = call.streams()?;
        if self.open.contains_key(&id) {
            return Err(ProtocolError::DuplicateCall(id));
        }
        // A refused call counts as open until it is finished, and its input is not kept.
        let inputs = self.inputs.saturating_add(call.input_length);
        let kept = if inputs <= self.inputs_limit {
            call.input_length
        } else {
            0
        };
        self.inputs += kept;
        for stream in call.streams_as_opened() {
            self.streams.open(stream)?;
        }
        let has_streams = !streams.is_empty();
        self.open.insert(
            id,
            OpenCall {
                streams,
                input_length: kept,
            },
        );
        let refusal = if self.open.len() > MAX_CALLS {
            Some((
                LimitKind::ConcurrentCalls,
                MAX_CALLS as u64,
                self.open.len() as u64,
            ))
        } else if has_streams && self.streams.len() > MAX_STREAMS {
            Some((
                LimitKind::Streams,
                MAX_STREAMS as u64,
                self.streams.len() as u64,
            ))
        } else if call.input_length > call.request.terms.limits.input_bytes {
            let limit = call.request.terms.limits.input_bytes;
            Some((LimitKind::Input, limit, call.input_length))
        } else if inputs > self.inputs_limit {
            Some((LimitKind::TotalMemory, self.inputs_limit, inputs))
        } else {
            None
        };
        if let Some((which, limit, asked)) = refusal {
            self.finish(
                id,
                Err(Fault::Limit {
                    which,
                    limit,
                    asked,
                }),
                Usage::default(),
            );
            return Ok(());
        }
        self.arriving.insert(id, call);
        self.handle_input_part(id, first)
    }

    /// Queues an event of a stream. While the input of the stream's call is still arriving, the
    /// caller does not know the stream yet, so the event waits until after the call's own.
    fn tell_of_stream(&mut self, id: StreamId, event: AgentEvent) {
        match self.arriving.values_mut().find(|call| call.has(id)) {
            Some(call) => call.early.push(event),
            None => self.events.push_back(event),
        }
    }

    fn handle_input_part(&mut self, id: CallId, part: &[u8]) -> Result<(), ProtocolError> {
        // Parts of a refused or cancelled call may still be on their way.
        let Some(call) = self.arriving.get_mut(&id) else {
            return Ok(());
        };
        let received = (call.input.len() + part.len()) as u64;
        if received > call.input_length {
            return Err(ProtocolError::TooLong {
                what: "an input",
                limit: call.input_length,
            });
        }
        call.input.extend_from_slice(part);
        if received == call.input_length
            && let Some(call) = self.arriving.remove(&id)
        {
            let mut request = call.request;
            request.input = call.input.into();
            self.events.push_back(AgentEvent::Call { id, request });
            self.events.extend(call.early);
        }
        Ok(())
    }

    fn handle_module_part(
        &mut self,
        digest: Digest,
        length: u64,
        part: &[u8],
    ) -> Result<(), ProtocolError> {
        let module = self
            .modules
            .get_mut(&digest)
            .ok_or(ProtocolError::UnexpectedModule(digest))?;
        if !module.receive("an artifact", length, part)? {
            return Ok(());
        }
        let ArrivingBlob { hasher, bytes } = self.modules.remove(&digest).unwrap_or_default();
        if hasher.finish() == digest {
            self.damaged.remove(&digest);
            self.arrived.insert(digest);
            self.events.push_back(AgentEvent::Module {
                digest,
                bytes: bytes.into(),
            });
        } else if self.damaged.insert(digest) {
            self.events.push_back(AgentEvent::DamagedModule { digest });
        } else {
            return Err(ProtocolError::WrongDigest(digest));
        }
        Ok(())
    }
}

impl ArrivingCall {
    fn has(&self, id: StreamId) -> bool {
        self.streams_as_opened().any(|stream| stream == id)
    }

    /// Returns the call's streams in the order in which to end them, each with the end it gets if
    /// it is still open then.
    fn streams(&self) -> Result<Vec<(StreamId, StreamEnd)>, ProtocolError> {
        let CallRequest { entry, streams, .. } = &self.request;
        if streams.len() > MAX_CALL_STREAMS {
            return Err(ProtocolError::TooManyStreams(streams.len()));
        }
        let of_program = match *entry {
            Entry::Command { streams, .. } => Some(streams),
            Entry::Function(_) | Entry::Resident { .. } => None,
        };
        let of_program = of_program
            .iter()
            .flat_map(ProcessStreams::ids)
            .map(|id| (id, StreamEnd::Closed));
        Ok(of_program
            .chain(streams.iter().map(|id| (*id, StreamEnd::CallEnded)))
            .collect())
    }

    /// Returns the same streams in the order of their numbers.
    fn streams_as_opened(&self) -> impl Iterator<Item = StreamId> + use<'_> {
        let of_program = match self.request.entry {
            Entry::Command {
                streams: ProcessStreams { stdio, stderr, .. },
                ..
            } => Some([stdio, stderr]),
            Entry::Function(_) | Entry::Resident { .. } => None,
        };
        of_program
            .into_iter()
            .flatten()
            .chain(self.request.streams.iter().copied())
    }
}

impl ArrivingBlob {
    /// Adds a part. Returns true if it was the last one.
    fn receive(
        &mut self,
        what: &'static str,
        length: u64,
        part: &[u8],
    ) -> Result<bool, ProtocolError> {
        let received = (self.bytes.len() + part.len()) as u64;
        if length > MAX_MODULE_BYTES || received > length {
            return Err(ProtocolError::TooLong {
                what,
                limit: length.min(MAX_MODULE_BYTES),
            });
        }
        self.hasher.update(part);
        self.bytes.extend_from_slice(part);
        Ok(received == length)
    }
}

/// Frames one part of a payload.
fn write_part(download: &Download, part: Part, wire: &mut Vec<u8>) {
    match (download, part) {
        (&Download::Result { id, usage }, Part::Bytes { bytes, last: true }) => {
            frame::write(
                &ToController::Return {
                    id,
                    outcome: Outcome::Done(&bytes),
                    usage,
                },
                wire,
            );
        }
        (&Download::Result { id, .. }, Part::Bytes { bytes, .. }) => {
            frame::write(&ToController::Result { id, bytes: &bytes }, wire);
        }
        (&Download::Stream(id), Part::Bytes { bytes, .. }) => {
            frame::write(&ToController::Data { id, bytes: &bytes }, wire);
        }
        (&Download::Stream(id), Part::Finish) => frame::write(&ToController::Finish { id }, wire),
        (&Download::Stream(id), Part::End(end)) => {
            frame::write(&ToController::Close { id, end }, wire)
        }
        (Download::Result { .. }, _) | (_, Part::Splice(_)) => {
            debug_assert!(false, "{download:?} consists of bytes")
        }
    }
}
