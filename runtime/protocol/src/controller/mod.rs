//! The controller's end of a conversation.

mod asks;
mod streams;

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;

use crate::{
    BUILD, CallId, Description, Digest, Entry, Fault, Grants, InstanceId, Limits, LogLevel, LogRecord, OutputStream,
    ProtocolError, Target, Usage,
    ask::{Ask, AskId},
    frame::{self, CHUNK_BYTES, Splitter},
    message::{Outcome, ToAgent, ToController},
    outbox::{Outbox, Part, Piece},
    output::{OutputFlow, output_cost},
    stream::{Splice, StreamEnd, StreamId, Streams},
};

/// Until a call of an artifact returns, an agent may ask for that once for each call of it that is open, since a store
/// may have dropped it just before the call, and so often beyond that: what a hop puts in may be damaged.
const SPARE_ASKS: usize = 2;

/// Protocol state of the controller's end.
///
/// - Commands queue bytes: [`call`](Self::call), [`cancel`](Self::cancel), [`provide`](Self::provide),
///   [`refuse`](Self::refuse), [`answer`](Self::answer), [`ping`](Self::ping), [`close`](Self::close); for streams [`start`](Self::start),
///   [`open`](Self::open),
///   [`send`](Self::send), [`finish_stream`](Self::finish_stream), [`close_stream`](Self::close_stream) and more.
/// - [`handle_input`](Self::handle_input) takes what arrived; then [`poll_event`](Self::poll_event) until it is empty.
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
    /// Tasks that guests called on other hosts, and which calls are theirs.
    host_asks: HashMap<AskId, CallId>,
    next_host_ask: u64,
    /// Artifacts the agent has ever asked for.
    asked: HashSet<Digest>,
    streams: Streams,
    output: OutputFlow,
    /// Blobs asked about or sent, and not yet answered for.
    blobs: HashSet<Digest>,
    describing: u32,
    traffic: Traffic,
    /// Something was sent since the agent last spoke.
    awaiting: bool,
}

#[derive(Debug, PartialEq)]
enum Upload {
    Input(CallId),
    Module { digest: Digest, length: u64 },
    Blob { digest: Digest, length: u64 },
    Stream(StreamId),
}

/// Stands for the bytes of a part that somebody else fills in.
static ABSENT: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

#[derive(Debug)]
struct OpenCall {
    module: Digest,
    output_bytes: u64,
    stdio_bytes: u64,
    result: Vec<u8>,
    grants: Grants,
    /// By [`Received`].
    received: [u64; 3],
    cancelled: bool,
}

/// One call to make.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// Digest of the artifact.
    pub module: Digest,
    /// Where it begins. The streams of a program come from [`ControllerConnection::open_streams`].
    pub entry: Entry,
    /// What the call may use.
    pub limits: Limits,
    /// What the call may touch.
    pub grants: Grants,
    /// Makes the call deterministic: random numbers follow from this, which are no secrets then, and clocks begin at a
    /// fixed date and go on whenever they are read.
    pub seed: Option<u64>,
    /// For what a task sends and receives, from [`ControllerConnection::open_call_streams`]. They end with the call.
    pub streams: Vec<StreamId>,
    /// The arguments: a CBOR array, or a map by parameter name.
    pub input: Bytes,
}

impl CallRequest {
    /// A call of a task, on the usual terms.
    pub fn new(module: Digest, function: impl Into<String>, input: impl Into<Bytes>) -> Self {
        Self {
            module,
            entry: Entry::Function(function.into()),
            limits: Limits::default(),
            grants: Grants::none(),
            seed: None,
            streams: Vec::new(),
            input: input.into(),
        }
    }
}

/// What the agent said.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControllerEvent {
    /// The agent is up.
    Ready {
        /// What it runs on.
        target: Target,
    },
    /// The agent lacks an artifact: answer with [`ControllerConnection::provide`] or `refuse`.
    Need {
        /// Which artifact. An open call names it.
        module: Digest,
        /// Whether it was asked for before: what the agent got then was of no use, or did not stay.
        again: bool,
    },
    /// The guest of an open call wrote something. [`ControllerConnection::output_taken`] makes room for more.
    Output {
        /// The call.
        id: CallId,
        /// Where to.
        stream: OutputStream,
        /// What it wrote, at most [`CHUNK_BYTES`].
        bytes: Bytes,
    },
    /// The guest of an open call logged something. [`ControllerConnection::output_taken`] makes room for more.
    Log {
        /// The call.
        id: CallId,
        /// How much it matters.
        level: LogLevel,
        /// What it is about.
        target: String,
        /// What it says.
        message: String,
    },
    /// The guest of an open call, which was granted that host, calls a task there: answer with
    /// [`ControllerConnection::answer`], unless the call ends before.
    Ask {
        /// The guest's own call.
        call: CallId,
        /// The number to answer to.
        ask: AskId,
        /// What to call.
        question: Ask,
    },
    /// A call ended. Cancelled calls say nothing.
    Returned {
        /// The call.
        id: CallId,
        /// Its encoded value, or why there is none.
        outcome: Result<Bytes, Fault>,
        /// What it used.
        usage: Usage,
    },
    /// A stream brought something.
    Data {
        /// Which stream.
        id: StreamId,
        /// What it brought. [`ControllerConnection::taken`] makes room for more.
        bytes: Bytes,
    },
    /// A stream brings nothing more; it may still take.
    Finished {
        /// Which stream.
        id: StreamId,
    },
    /// A stream takes `bytes` more.
    Credit {
        /// Which stream.
        id: StreamId,
        /// How much more.
        bytes: u64,
    },
    /// A stream is over.
    StreamClosed {
        /// Which stream.
        id: StreamId,
        /// Why.
        end: StreamEnd,
    },
    /// Whether the agent holds a blob that it was asked about or sent.
    Blob {
        /// Which blob.
        digest: Digest,
        /// Whether [`ControllerConnection::splice`] may name it.
        held: bool,
    },
    /// The agent tells of its place.
    Description(Description),
    /// The agent gave a sign of life.
    Pong,
    /// The agent answered everything and exits.
    Closed,
}

/// What crossed the wire so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes handed out to be sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes of artifacts among those sent.
    pub module_bytes: u64,
    /// Bytes that the hop before this agent put in, of what it holds itself.
    pub hop_bytes: u64,
    /// How often something was sent and then heard back from: what latency multiplies.
    pub round_trips: u64,
}

impl Default for ControllerConnection {
    fn default() -> Self {
        Self::new()
    }
}

impl ControllerConnection {
    /// A conversation that begins with a greeting.
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

    /// Makes a call; exactly one [`ControllerEvent::Returned`] will answer, unless it is cancelled.
    pub fn call(&mut self, request: CallRequest) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let mut input = request.input;
        let first = input.split_to(input.len().min(CHUNK_BYTES));
        self.calls.insert(
            id,
            OpenCall {
                module: request.module,
                output_bytes: request.limits.output_bytes,
                stdio_bytes: request.limits.stdio_bytes,
                result: Vec::new(),
                grants: request.grants.clone(),
                received: [0; 3],
                cancelled: false,
            },
        );
        self.outbox.say(&ToAgent::Call {
            id,
            module: request.module,
            entry: request.entry,
            limits: request.limits,
            grants: request.grants,
            seed: request.seed,
            streams: request.streams,
            input_length: (first.len() + input.len()) as u64,
            input: &first,
        });
        if !input.is_empty() {
            self.outbox.send(Upload::Input(id), input);
        }
        id
    }

    /// Takes a call back. Nothing more is heard of it, and the agent ends it. Harmless if it has returned.
    pub fn cancel(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && !call.cancelled
        {
            call.cancelled = true;
            call.result = Vec::new();
            self.host_asks.retain(|_, call| *call != id);
            self.outbox.drop_payloads(|upload| matches!(upload, Upload::Input(input) if *input == id));
            self.outbox.say(&ToAgent::Cancel { id });
        }
    }

    /// Ends a resident instance. No call of it may follow.
    pub fn drop_instance(&mut self, instance: InstanceId) {
        self.outbox.say(&ToAgent::DropInstance { instance });
    }

    /// Output and log records were taken that [cost](output_cost) so much together: the agent may send more.
    pub fn output_taken(&mut self, cost: u64) {
        if let Some(bytes) = self.output.take(cost) {
            self.outbox.say(&ToAgent::OutputCredit { bytes });
        }
    }

    /// Answers [`ControllerEvent::Need`] with the artifact.
    pub fn provide(&mut self, module: Digest, artifact: Bytes) {
        let length = artifact.len() as u64;
        self.outbox.send(Upload::Module { digest: module, length }, artifact);
    }

    /// Answers [`ControllerEvent::Need`] with an artifact of `length` bytes that the hop before this agent holds: each
    /// part's bytes are left out, and [`poll_transmit`](Self::poll_transmit) says where they belong.
    pub fn provide_from_hop(&mut self, module: Digest, length: u64) {
        if length == 0 {
            return self.provide(module, Bytes::new());
        }
        let part = CHUNK_BYTES as u64;
        for offset in (0..length).step_by(CHUNK_BYTES) {
            let splice = Splice { blob: module, offset, length: part.min(length - offset) };
            self.outbox.append(Upload::Module { digest: module, length }, Piece::Splice(splice));
        }
    }

    /// Answers [`ControllerEvent::Need`] when there is no such artifact after all.
    pub fn refuse(&mut self, module: Digest, reason: &str) {
        self.outbox.say(&ToAgent::NoModule { digest: module, reason });
    }

    /// Asks for a sign of life.
    pub fn ping(&mut self) {
        self.outbox.say(&ToAgent::Ping);
    }

    /// Ends the conversation once open calls have returned; [`ControllerEvent::Closed`] answers.
    pub fn close(&mut self) {
        self.outbox.say(&ToAgent::Bye);
    }

    /// What crossed the wire so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Takes received bytes, cut anywhere.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.traffic.bytes_received += bytes.len() as u64;
        if std::mem::take(&mut self.awaiting) {
            self.traffic.round_trips += 1;
        }
        let mut splitter = std::mem::take(&mut self.splitter);
        let result = splitter.split(bytes, |frame| self.handle_message(frame::read(frame)?));
        self.splitter = splitter;
        result
    }

    /// The next thing the agent said.
    pub fn poll_event(&mut self) -> Option<ControllerEvent> {
        self.events.pop_front()
    }

    /// Appends to `wire` what should be sent next, about [`TRANSMIT_BYTES`](crate::TRANSMIT_BYTES) at most. If it returns
    /// a splice, the hop before the agent has to put that in right after these bytes, before anything else is sent.
    #[must_use = "a splice is a part of what must be sent"]
    pub fn poll_transmit(&mut self, wire: &mut Vec<u8>) -> Option<Splice> {
        let start = wire.len();
        let Self { outbox, traffic, streams, .. } = self;
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
                return Err(ProtocolError::OtherBuild { ours: BUILD, theirs: build.into() });
            }
            ToController::Hello { target, .. } => {
                self.greeted = true;
                self.events.push_back(ControllerEvent::Ready { target });
            }
            ToController::Need { module } => self.handle_need(module)?,
            ToController::Output { id, stream, bytes } => self.handle_output(id, stream, bytes)?,
            ToController::Log { id, level, target, message } => {
                self.handle_log(id, LogRecord { level, target, message })?;
            }
            ToController::Ask { call, ask, address, function, deadline_ms, input } => {
                let input = Bytes::copy_from_slice(input);
                let question = Ask { address: address.into(), function: function.into(), input, deadline_ms };
                self.handle_ask(call, ask, question)?;
            }
            ToController::Result { id, bytes } => self.open_call(id)?.receive(bytes)?,
            ToController::Return { id, outcome, usage } => self.handle_return(id, outcome, usage)?,
            ToController::Data { id, bytes } => {
                if self.streams.receive(id, bytes.len() as u64)? {
                    self.events.push_back(ControllerEvent::Data { id, bytes: Bytes::copy_from_slice(bytes) });
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
                    self.outbox.drop_payloads(|upload| *upload == Upload::Stream(id));
                    self.events.push_back(ControllerEvent::StreamClosed { id, end });
                }
            }
            ToController::Blob { digest, held } => {
                if !self.blobs.remove(&digest) {
                    return Err(ProtocolError::UnexpectedBlob(digest));
                }
                self.events.push_back(ControllerEvent::Blob { digest, held });
            }
            ToController::Description(description) => {
                self.describing = self.describing.checked_sub(1).ok_or(ProtocolError::Malformed)?;
                self.events.push_back(ControllerEvent::Description(description));
            }
            ToController::Pong => self.events.push_back(ControllerEvent::Pong),
            ToController::Bye => self.events.push_back(ControllerEvent::Closed),
        }
        Ok(())
    }

    fn open_call(&mut self, id: CallId) -> Result<&mut OpenCall, ProtocolError> {
        self.calls.get_mut(&id).ok_or(ProtocolError::UnknownCall(id))
    }

    /// A host may ask only for what an open call names, or it could read the whole cache.
    fn handle_need(&mut self, module: Digest) -> Result<(), ProtocolError> {
        let being_sent =
            self.outbox.is_sending(|upload| matches!(upload, Upload::Module { digest, .. } if *digest == module));
        let open = self.calls.values().filter(|call| call.module == module).count();
        if being_sent || open == 0 {
            return Err(ProtocolError::UnexpectedModule(module));
        }
        let asks = self.asks.entry(module).or_default();
        *asks += 1;
        if *asks > open + SPARE_ASKS {
            return Err(ProtocolError::ModuleAskedTooOften(module));
        }
        let again = !self.asked.insert(module);
        self.events.push_back(ControllerEvent::Need { module, again });
        Ok(())
    }

    fn handle_output(&mut self, id: CallId, stream: OutputStream, bytes: &[u8]) -> Result<(), ProtocolError> {
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
            self.events.push_back(ControllerEvent::Output { id, stream, bytes });
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
            let LogRecord { level, target, message } = record;
            let (target, message) = (target.into(), message.into());
            self.events.push_back(ControllerEvent::Log { id, level, target, message });
        }
        Ok(())
    }

    fn handle_return(&mut self, id: CallId, outcome: Outcome<'_>, usage: Usage) -> Result<(), ProtocolError> {
        let mut call = self.calls.remove(&id).ok_or(ProtocolError::UnknownCall(id))?;
        self.asks.remove(&call.module);
        if !self.host_asks.is_empty() {
            self.host_asks.retain(|_, call| *call != id);
        }
        self.outbox.drop_payloads(|upload| matches!(upload, Upload::Input(input) if *input == id));
        let outcome = match outcome {
            Outcome::Done(last) => {
                call.receive(last)?;
                Ok(call.result.into())
            }
            Outcome::Failed(fault) => Err(fault),
        };
        if !call.cancelled {
            self.events.push_back(ControllerEvent::Returned { id, outcome, usage });
        }
        Ok(())
    }
}

/// Frames one part of a payload. A part that the hop puts in is framed without its bytes, and returned.
fn write_part(upload: &Upload, part: Part, wire: &mut Vec<u8>, traffic: &mut Traffic) -> Option<Splice> {
    match (upload, part) {
        (Upload::Input(id), Part::Bytes { bytes, .. }) => {
            frame::write(&ToAgent::Input { id: *id, bytes: &bytes }, wire);
        }
        (Upload::Module { digest, length }, Part::Bytes { bytes, .. }) => {
            traffic.module_bytes += bytes.len() as u64;
            frame::write(&ToAgent::Module { digest: *digest, length: *length, bytes: &bytes }, wire);
        }
        (Upload::Module { digest, length }, Part::Splice(splice)) => {
            let absent = &ABSENT[..usize::try_from(splice.length).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)];
            frame::write(&ToAgent::Module { digest: *digest, length: *length, bytes: absent }, wire);
            wire.truncate(wire.len() - absent.len());
            traffic.hop_bytes += splice.length;
            return Some(splice);
        }
        (Upload::Blob { digest, length }, Part::Bytes { bytes, .. }) => {
            frame::write(&ToAgent::Blob { digest: *digest, length: *length, bytes: &bytes }, wire);
        }
        (Upload::Stream(id), Part::Bytes { bytes, .. }) => {
            frame::write(&ToAgent::Data { id: *id, bytes: &bytes }, wire);
        }
        (Upload::Stream(id), Part::Splice(Splice { blob, offset, length })) => {
            frame::write(&ToAgent::Splice { id: *id, blob, offset, length }, wire);
        }
        (Upload::Stream(id), Part::Finish) => frame::write(&ToAgent::Finish { id: *id }, wire),
        (Upload::Input(_) | Upload::Blob { .. }, Part::Splice(_)) | (_, Part::Finish | Part::End(_)) => {
            debug_assert!(false, "{upload:?} does not consist of that");
        }
    }
    None
}

/// What a guest's output is counted as.
#[derive(Debug, Clone, Copy)]
enum Received {
    Stdout,
    Stderr,
    Log,
}

impl OpenCall {
    /// Counts output, of which the agent drops what is too much.
    fn count(&mut self, what: Received, bytes: u64) -> Result<(), ProtocolError> {
        let received = &mut self.received[what as usize];
        *received += bytes;
        if *received > self.stdio_bytes {
            return Err(ProtocolError::TooLong { what: "a guest's output", limit: self.stdio_bytes });
        }
        Ok(())
    }

    /// Adds a part of the result; of a cancelled call nothing is kept.
    fn receive(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        if (self.result.len() + part.len()) as u64 > self.output_bytes {
            return Err(ProtocolError::TooLong { what: "a result", limit: self.output_bytes });
        }
        if !self.cancelled {
            self.result.extend_from_slice(part);
        }
        Ok(())
    }
}
