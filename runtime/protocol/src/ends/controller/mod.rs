//! The controller's end of a conversation.

mod asks;
mod streams;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
};

use bytes::Bytes;

use crate::{
    BUILD, CallId, Description, Digest, Fault, InstanceId, LogLevel, LogRecord, OutputStream,
    ProtocolError, Target, Terms, Usage,
    ends::output_flow::OutputFlow,
    ends::streams::Streams,
    ids::{AskId, StreamId},
    wire::ask::Ask,
    wire::bounds::CHUNK_BYTES,
    wire::call::CallRequest,
    wire::frame::{self, Splitter},
    wire::message::{Outcome, ToAgent, ToController},
    wire::outbox::{Outbox, Part, Piece},
    wire::output::output_cost,
    wire::stream::{Splice, StreamEnd},
};

/// Asks that an agent may spend on one artifact until a call of it returns, beyond one for each
/// open call of it. The store may drop the artifact just before each call; a copy that a hop puts
/// in may be damaged.
const SPARE_ASKS: usize = 2;

/// Protocol state of the controller's end.
///
/// - Commands queue bytes: [`call`](Self::call), [`cancel`](Self::cancel),
///   [`provide`](Self::provide), [`refuse`](Self::refuse), [`answer`](Self::answer),
///   [`ping`](Self::ping), [`close`](Self::close); for streams [`start`](Self::start),
///   [`open`](Self::open), [`send`](Self::send), [`finish_stream`](Self::finish_stream),
///   [`close_stream`](Self::close_stream) and more.
/// - [`handle_input`](Self::handle_input) takes what arrived; then [`poll_event`](Self::poll_event)
///   until it is empty.
/// - [`poll_transmit`](Self::poll_transmit) gives what to send; poll it last, until it is empty.
#[derive(Debug)]
pub struct ControllerConnection {
    splitter: Splitter,
    outbox: Outbox<Upload>,
    events: VecDeque<ControllerEvent>,
    greeted: bool,
    next_call: u64,
    calls: HashMap<CallId, OpenCall>,
    asks: HashMap<Digest, usize>,
    /// Asks that guests have open, with the calls that they belong to.
    host_asks: HashMap<AskId, CallId>,
    next_host_ask: u64,
    /// Artifacts that the agent has ever asked for.
    asked: HashSet<Digest>,
    streams: Streams,
    output: OutputFlow,
    /// Blobs that the controller asked about or sent, and that the agent has not answered for.
    blobs: HashSet<Digest>,
    describing: u32,
    traffic: Traffic,
    /// True if something was sent since the last bytes from the agent.
    awaiting: bool,
}

#[derive(Debug, PartialEq)]
enum Upload {
    Input(CallId),
    Module { digest: Digest, length: u64 },
    Blob { digest: Digest, length: u64 },
    Stream(StreamId),
}

/// Placeholder for the bytes of a part that the hop fills in.
static ABSENT: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

#[derive(Debug)]
struct OpenCall {
    module: Digest,
    terms: Terms,
    result: Vec<u8>,
    /// Bytes received, indexed by [`Received`].
    received: [u64; 3],
    cancelled: bool,
}

/// Messages from the agent, for the controller to act on.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControllerEvent {
    /// The agent is up.
    Ready {
        /// The target it runs on.
        target: Target,
    },
    /// The agent lacks an artifact: answer with [`ControllerConnection::provide`] or `refuse`.
    Need {
        /// The artifact. An open call names it.
        module: Digest,
        /// True if the agent asked for it before: that copy was of no use, or the agent dropped it.
        again: bool,
    },
    /// The guest of an open call printed something. [`ControllerConnection::output_taken`] makes
    /// room for more.
    Output {
        /// The call.
        id: CallId,
        /// The stream it was written to.
        stream: OutputStream,
        /// The bytes, at most [`CHUNK_BYTES`].
        bytes: Bytes,
    },
    /// The guest of an open call logged something. [`ControllerConnection::output_taken`] makes
    /// room for more.
    Log {
        /// The call.
        id: CallId,
        /// Its severity.
        level: LogLevel,
        /// Its subject.
        target: String,
        /// Its text.
        message: String,
    },
    /// The guest of an open call calls a task on another host, which it was granted: answer with
    /// [`ControllerConnection::answer`], unless the call ends before.
    Ask {
        /// The guest's own call.
        call: CallId,
        /// The number to use in the answer.
        ask: AskId,
        /// The task to call.
        question: Ask,
    },
    /// A call ended. Cancelled calls produce no such event.
    Returned {
        /// The call.
        id: CallId,
        /// Its encoded value, or the reason why there is none.
        outcome: Result<Bytes, Fault>,
        /// Resources that it used.
        usage: Usage,
    },
    /// Bytes arrived on a stream.
    Data {
        /// The stream.
        id: StreamId,
        /// The bytes. [`ControllerConnection::taken`] makes room for more.
        bytes: Bytes,
    },
    /// Nothing more arrives on a stream; the agent may still take data.
    Finished {
        /// The stream.
        id: StreamId,
    },
    /// The agent takes `bytes` more of a stream.
    Credit {
        /// The stream.
        id: StreamId,
        /// The additional number of bytes.
        bytes: u64,
    },
    /// A stream is closed.
    StreamClosed {
        /// The stream.
        id: StreamId,
        /// The reason.
        end: StreamEnd,
    },
    /// The agent tells whether it holds a blob that it was asked about or sent.
    Blob {
        /// The blob's digest.
        digest: Digest,
        /// True if [`ControllerConnection::splice`] may name the blob.
        held: bool,
    },
    /// The agent describes the place it runs in.
    Description(Description),
    /// The agent gave a sign of life.
    Pong,
    /// The agent answered everything and exits.
    Closed,
}

/// Byte counts of the wire so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes handed out to be sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes of artifacts among those sent.
    pub module_bytes: u64,
    /// Bytes that the hop before this agent put in, from artifacts that it holds itself.
    pub hop_bytes: u64,
    /// Number of times that something was sent and an answer came back: each costs the network's
    /// latency.
    pub round_trips: u64,
}

impl Default for ControllerConnection {
    fn default() -> Self {
        Self::new()
    }
}

impl ControllerConnection {
    /// Starts a conversation with a greeting.
    pub fn new() -> Self {
        let mut outbox = Outbox::default();
        outbox.say(&ToAgent::Hello { build: BUILD });
        Self {
            splitter: Splitter::default(),
            outbox,
            events: VecDeque::new(),
            greeted: false,
            next_call: 0,
            calls: HashMap::new(),
            asks: HashMap::new(),
            host_asks: HashMap::new(),
            next_host_ask: 0,
            asked: HashSet::new(),
            streams: Streams::default(),
            output: OutputFlow::default(),
            blobs: HashSet::new(),
            describing: 0,
            traffic: Traffic::default(),
            awaiting: false,
        }
    }

    /// Makes a call. Exactly one [`ControllerEvent::Returned`] answers, unless the call is
    /// cancelled.
    pub fn call(&mut self, mut request: CallRequest) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let mut input = mem::take(&mut request.input);
        let first = input.split_to(input.len().min(CHUNK_BYTES));
        self.calls.insert(
            id,
            OpenCall {
                module: request.module,
                terms: request.terms.clone(),
                result: Vec::new(),
                received: [0; 3],
                cancelled: false,
            },
        );
        self.outbox.say(&ToAgent::Call {
            id,
            request,
            input_length: (first.len() + input.len()) as u64,
            input: &first,
        });
        if !input.is_empty() {
            self.outbox.send(Upload::Input(id), input);
        }
        id
    }

    /// Cancels a call. No more events about it follow, and the agent ends it. Does nothing if the
    /// call has returned.
    pub fn cancel(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && !call.cancelled
        {
            call.cancelled = true;
            call.result = Vec::new();
            self.host_asks.retain(|_, call| *call != id);
            self.outbox
                .drop_payloads(|upload| matches!(upload, Upload::Input(input) if *input == id));
            self.outbox.say(&ToAgent::Cancel { id });
        }
    }

    /// Ends a resident instance. No call to it may follow.
    pub fn drop_instance(&mut self, instance: InstanceId) {
        self.outbox.say(&ToAgent::DropInstance { instance });
    }

    /// Reports that output and log records of this total [cost](output_cost) were taken, so that
    /// the agent may send more.
    pub fn output_taken(&mut self, cost: u64) {
        if let Some(bytes) = self.output.take(cost) {
            self.outbox.say(&ToAgent::OutputCredit { bytes });
        }
    }

    /// Answers [`ControllerEvent::Need`] with the artifact.
    pub fn provide(&mut self, module: Digest, artifact: Bytes) {
        let length = artifact.len() as u64;
        self.outbox.send(
            Upload::Module {
                digest: module,
                length,
            },
            artifact,
        );
    }

    /// Answers [`ControllerEvent::Need`] with an artifact of `length` bytes that the hop before
    /// this agent holds. The bytes of each part are left out;
    /// [`poll_transmit`](Self::poll_transmit) returns where they belong.
    pub fn provide_from_hop(&mut self, module: Digest, length: u64) {
        if length == 0 {
            return self.provide(module, Bytes::new());
        }
        let part = CHUNK_BYTES as u64;
        for offset in (0..length).step_by(CHUNK_BYTES) {
            let splice = Splice {
                blob: module,
                offset,
                length: part.min(length - offset),
            };
            self.outbox.append(
                Upload::Module {
                    digest: module,
                    length,
                },
                Piece::Splice(splice),
            );
        }
    }

    /// Answers [`ControllerEvent::Need`] if the artifact cannot be supplied.
    pub fn refuse(&mut self, module: Digest, reason: &str) {
        self.outbox.say(&ToAgent::NoModule {
            digest: module,
            reason,
        });
    }

    /// Asks for a sign of life.
    pub fn ping(&mut self) {
        self.outbox.say(&ToAgent::Ping);
    }

    /// Ends the conversation once open calls have returned; [`ControllerEvent::Closed`] confirms
    /// it.
    pub fn close(&mut self) {
        self.outbox.say(&ToAgent::Bye);
    }

    /// Returns the byte counts so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Takes received bytes, split anywhere.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.traffic.bytes_received += bytes.len() as u64;
        if mem::take(&mut self.awaiting) {
            self.traffic.round_trips += 1;
        }
        let mut splitter = mem::take(&mut self.splitter);
        let result = splitter.split(bytes, |frame| self.handle_message(frame::read(frame)?));
        self.splitter = splitter;
        result
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<ControllerEvent> {
        self.events.pop_front()
    }

    /// Appends to `wire` the next bytes to send, about [`TRANSMIT_BYTES`](crate::TRANSMIT_BYTES) at
    /// most. If a splice is returned, the hop before the agent must put it in right after these
    /// bytes, before anything else is sent.
    #[must_use = "a splice is a part of what must be sent"]
    pub fn poll_transmit(&mut self, wire: &mut Vec<u8>) -> Option<Splice> {
        let start = wire.len();
        let Self {
            outbox,
            traffic,
            streams,
            ..
        } = self;
        let splice = outbox.fill(wire, |upload, part, wire| {
            if let (Upload::Stream(id), length @ 1..) = (&*upload, part.len()) {
                streams.leave(*id, length);
            }
            write_part(upload, part, wire, traffic)
        });
        if wire.len() > start {
            self.traffic.bytes_sent += (wire.len() - start) as u64;
            self.awaiting = true;
        }
        splice
    }

    fn handle_message(&mut self, message: ToController<'_>) -> Result<(), ProtocolError> {
        if self.greeted == matches!(message, ToController::Hello { .. }) {
            return Err(ProtocolError::Greeting);
        }
        match message {
            ToController::Hello { build, .. } if build != BUILD => {
                return Err(ProtocolError::OtherBuild {
                    ours: BUILD,
                    theirs: build.into(),
                });
            }
            ToController::Hello { target, .. } => {
                self.greeted = true;
                self.events.push_back(ControllerEvent::Ready { target });
            }
            ToController::Need { module } => self.handle_need(module)?,
            ToController::Output { id, stream, bytes } => self.handle_output(id, stream, bytes)?,
            ToController::Log {
                id,
                level,
                target,
                message,
            } => {
                self.handle_log(
                    id,
                    LogRecord {
                        level,
                        target,
                        message,
                    },
                )?;
            }
            ToController::Ask {
                call,
                ask,
                address,
                function,
                deadline_ms,
                input,
            } => {
                let input = Bytes::copy_from_slice(input);
                let question = Ask {
                    address: address.into(),
                    function: function.into(),
                    input,
                    deadline_ms,
                };
                self.handle_ask(call, ask, question)?;
            }
            ToController::Result { id, bytes } => self.open_call(id)?.receive(bytes)?,
            ToController::Return { id, outcome, usage } => {
                self.handle_return(id, outcome, usage)?
            }
            ToController::Data { id, bytes } => {
                if self.streams.receive(id, bytes.len() as u64)? {
                    self.events.push_back(ControllerEvent::Data {
                        id,
                        bytes: Bytes::copy_from_slice(bytes),
                    });
                }
            }
            ToController::Credit { id, bytes } => {
                if self.streams.receive_credit(id, bytes)? {
                    self.events.push_back(ControllerEvent::Credit { id, bytes });
                }
            }
            ToController::Finish { id } => {
                if self.streams.receive_finish(id)? {
                    self.events.push_back(ControllerEvent::Finished { id });
                }
            }
            ToController::Close { id, end } => {
                if self.streams.receive_close(id)? {
                    self.outbox
                        .drop_payloads(|upload| *upload == Upload::Stream(id));
                    self.events
                        .push_back(ControllerEvent::StreamClosed { id, end });
                }
            }
            ToController::Blob { digest, held } => {
                if !self.blobs.remove(&digest) {
                    return Err(ProtocolError::UnexpectedBlob(digest));
                }
                self.events
                    .push_back(ControllerEvent::Blob { digest, held });
            }
            ToController::Description(description) => {
                self.describing = self
                    .describing
                    .checked_sub(1)
                    .ok_or(ProtocolError::Malformed)?;
                self.events
                    .push_back(ControllerEvent::Description(description));
            }
            ToController::Pong => self.events.push_back(ControllerEvent::Pong),
            ToController::Bye => self.events.push_back(ControllerEvent::Closed),
        }
        Ok(())
    }

    fn open_call(&mut self, id: CallId) -> Result<&mut OpenCall, ProtocolError> {
        self.calls
            .get_mut(&id)
            .ok_or(ProtocolError::UnknownCall(id))
    }

    /// A host may ask only for artifacts that an open call names; otherwise it could read the whole
    /// cache.
    fn handle_need(&mut self, module: Digest) -> Result<(), ProtocolError> {
        let being_sent = self.outbox.is_sending(
            |upload| matches!(upload, Upload::Module { digest, .. } if *digest == module),
        );
        let open = self
            .calls
            .values()
            .filter(|call| call.module == module)
            .count();
        if being_sent || open == 0 {
            return Err(ProtocolError::UnexpectedModule(module));
        }
        let asks = self.asks.entry(module).or_default();
        *asks += 1;
        if *asks > open + SPARE_ASKS {
            return Err(ProtocolError::ModuleAskedTooOften(module));
        }
        let again = !self.asked.insert(module);
        self.events
            .push_back(ControllerEvent::Need { module, again });
        Ok(())
    }

    fn handle_output(
        &mut self,
        id: CallId,
        stream: OutputStream,
        bytes: &[u8],
    ) -> Result<(), ProtocolError> {
        let call = self.open_call(id)?;
        let received = match stream {
            OutputStream::Stdout => Received::Stdout,
            OutputStream::Stderr => Received::Stderr,
        };
        call.count(received, bytes.len() as u64)?;
        let wanted = !call.cancelled;
        self.output.receive(bytes.len() as u64)?;
        if wanted {
            let bytes = Bytes::copy_from_slice(bytes);
            self.events
                .push_back(ControllerEvent::Output { id, stream, bytes });
        } else {
            self.output_taken(output_cost(bytes.len() as u64));
        }
        Ok(())
    }

    fn handle_log(&mut self, id: CallId, record: LogRecord<'_>) -> Result<(), ProtocolError> {
        let call = self.open_call(id)?;
        call.count(Received::Log, record.cost())?;
        let wanted = !call.cancelled;
        self.output.receive(record.cost())?;
        if !wanted {
            self.output_taken(output_cost(record.cost()));
        } else {
            let LogRecord {
                level,
                target,
                message,
            } = record;
            let (target, message) = (target.into(), message.into());
            self.events.push_back(ControllerEvent::Log {
                id,
                level,
                target,
                message,
            });
        }
        Ok(())
    }

    fn handle_return(
        &mut self,
        id: CallId,
        outcome: Outcome<'_>,
        usage: Usage,
    ) -> Result<(), ProtocolError> {
        let mut call = self
            .calls
            .remove(&id)
            .ok_or(ProtocolError::UnknownCall(id))?;
        self.asks.remove(&call.module);
        if !self.host_asks.is_empty() {
            self.host_asks.retain(|_, call| *call != id);
        }
        self.outbox
            .drop_payloads(|upload| matches!(upload, Upload::Input(input) if *input == id));
        let outcome = match outcome {
            Outcome::Done(last) => {
                call.receive(last)?;
                Ok(call.result.into())
            }
            Outcome::Failed(fault) => Err(fault),
        };
        if !call.cancelled {
            self.events
                .push_back(ControllerEvent::Returned { id, outcome, usage });
        }
        Ok(())
    }
}

/// Frames one part of a payload. For a part that the hop puts in, frames only the head and returns
/// the splice.
fn write_part(
    upload: &Upload,
    part: Part,
    wire: &mut Vec<u8>,
    traffic: &mut Traffic,
) -> Option<Splice> {
    match (upload, part) {
        (Upload::Input(id), Part::Bytes { bytes, .. }) => {
            frame::write(
                &ToAgent::Input {
                    id: *id,
                    bytes: &bytes,
                },
                wire,
            );
        }
        (Upload::Module { digest, length }, Part::Bytes { bytes, .. }) => {
            traffic.module_bytes += bytes.len() as u64;
            frame::write(
                &ToAgent::Module {
                    digest: *digest,
                    length: *length,
                    bytes: &bytes,
                },
                wire,
            );
        }
        (Upload::Module { digest, length }, Part::Splice(splice)) => {
            let absent = &ABSENT[..usize::try_from(splice.length)
                .unwrap_or(CHUNK_BYTES)
                .min(CHUNK_BYTES)];
            frame::write(
                &ToAgent::Module {
                    digest: *digest,
                    length: *length,
                    bytes: absent,
                },
                wire,
            );
            wire.truncate(wire.len() - absent.len());
            traffic.hop_bytes += splice.length;
            return Some(splice);
        }
        (Upload::Blob { digest, length }, Part::Bytes { bytes, .. }) => {
            frame::write(
                &ToAgent::Blob {
                    digest: *digest,
                    length: *length,
                    bytes: &bytes,
                },
                wire,
            );
        }
        (Upload::Stream(id), Part::Bytes { bytes, .. }) => {
            frame::write(
                &ToAgent::Data {
                    id: *id,
                    bytes: &bytes,
                },
                wire,
            );
        }
        (
            Upload::Stream(id),
            Part::Splice(Splice {
                blob,
                offset,
                length,
            }),
        ) => {
            frame::write(
                &ToAgent::Splice {
                    id: *id,
                    blob,
                    offset,
                    length,
                },
                wire,
            );
        }
        (Upload::Stream(id), Part::Finish) => frame::write(&ToAgent::Finish { id: *id }, wire),
        (Upload::Input(_) | Upload::Blob { .. }, Part::Splice(_))
        | (_, Part::Finish | Part::End(_)) => {
            debug_assert!(false, "{upload:?} does not consist of that");
        }
    }
    None
}

/// Kinds of guest output, each with its own count.
#[derive(Debug, Clone, Copy)]
enum Received {
    Stdout,
    Stderr,
    Log,
}

impl OpenCall {
    /// Counts output. The agent drops the excess, so more than the limit is an error.
    fn count(&mut self, what: Received, bytes: u64) -> Result<(), ProtocolError> {
        let received = &mut self.received[what as usize];
        *received += bytes;
        let limit = self.terms.limits.stdio_bytes;
        if *received > limit {
            return Err(ProtocolError::TooLong {
                what: "a guest's output",
                limit,
            });
        }
        Ok(())
    }

    /// Adds a part of the result. The result of a cancelled call is checked but not kept.
    fn receive(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        let limit = self.terms.limits.output_bytes;
        if (self.result.len() + part.len()) as u64 > limit {
            return Err(ProtocolError::TooLong {
                what: "a result",
                limit,
            });
        }
        if !self.cancelled {
            self.result.extend_from_slice(part);
        }
        Ok(())
    }
}
