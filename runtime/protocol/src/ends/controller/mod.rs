//! The controller's end of a conversation.

/// Events of the controller's end.
mod event;

/// Byte counts of the wire.
mod traffic;

/// Payloads that leave in parts.
mod upload;

/// A call that has not returned.
mod open_call;

/// Calls, from their start to their return.
mod calls;

/// Output and log records of guests.
mod output;

/// Calls that guests make on other hosts.
mod asks;

/// Artifacts and blobs.
mod blobs;

/// Streams and processes.
mod streams;

/// Messages that arrive.
mod messages;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
};

use self::{open_call::OpenCall, upload::Upload};
use crate::{
    BUILD, CallId, Digest, ProtocolError,
    ends::output_flow::OutputFlow,
    ends::streams::Streams,
    ids::AskId,
    wire::frame::{self, Splitter},
    wire::message::ToAgent,
    wire::outbox::Outbox,
    wire::stream::Splice,
};

pub use self::{event::ControllerEvent, traffic::Traffic};

/// Protocol state of the controller's end.
///
/// - Commands queue bytes: [`call`](Self::call),
///   [`call_with_artifact`](Self::call_with_artifact), [`cancel`](Self::cancel),
///   [`bring`](Self::bring), [`provide`](Self::provide), [`refuse`](Self::refuse),
///   [`answer`](Self::answer), [`ping`](Self::ping), [`close`](Self::close); for streams
///   [`start`](Self::start), [`open`](Self::open), [`send`](Self::send),
///   [`finish_stream`](Self::finish_stream), [`close_stream`](Self::close_stream) and more.
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
    /// Artifacts that the agent has ever asked for or been brought.
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

    /// Asks what place the agent runs in; [`ControllerEvent::Description`] answers.
    pub fn describe(&mut self) {
        self.describing += 1;
        self.outbox.say(&ToAgent::Describe);
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
        // The greeting answers nothing.
        if mem::take(&mut self.awaiting) && self.greeted {
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
            upload.write(part, wire, traffic)
        });
        if wire.len() > start {
            self.traffic.bytes_sent += (wire.len() - start) as u64;
            self.awaiting = true;
        }
        splice
    }
}

impl Default for ControllerConnection {
    fn default() -> Self {
        Self::new()
    }
}
