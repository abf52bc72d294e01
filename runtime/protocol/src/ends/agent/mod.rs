//! The agent's end of a conversation.

/// Events of the agent's end.
mod event;

/// Calls and blobs that have arrived in part.
mod arriving;

/// Payloads that leave in parts.
mod download;

/// Output and log records of guests.
mod output;

/// Calls that guests make on other hosts.
mod asks;

/// Calls: their arrival, and their end.
mod calls;

/// Artifacts and blobs.
mod blobs;

/// Streams and processes.
mod streams;

/// Messages that arrive.
mod messages;

use std::collections::{HashMap, HashSet, VecDeque};

use self::{
    arriving::{ArrivingBlob, ArrivingCall},
    download::Download,
};
use crate::{
    BUILD, CallId, Description, Digest, ProtocolError, Target,
    ends::output_flow::OutputFlow,
    ends::streams::Streams,
    ids::{AskId, StreamId},
    wire::frame::{self, Splitter},
    wire::message::ToController,
    wire::outbox::Outbox,
    wire::stream::StreamEnd,
};

pub use self::{calls::MAX_CALLS, event::AgentEvent};

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

#[derive(Debug)]
struct OpenCall {
    /// Its streams, and the end that each gets if it is still open when the call finishes.
    streams: Vec<(StreamId, StreamEnd)>,
    input_length: u64,
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

    /// Sends the description of the place the agent runs in.
    pub fn description(&mut self, description: Description) {
        self.outbox.say(&ToController::Description(description));
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
            download.write(part, wire);
            None
        });
        if self.closing && !self.outbox.is_sending(|_| true) {
            self.closing = false;
            frame::write(&ToController::Bye, wire);
        }
    }
}
