//! Both ends of one conversation, joined by queues.

use std::collections::HashMap;

use bytes::Bytes;
use wxec_protocol::{
    AgentConnection, AgentEvent, CallId, CallRequest, Command, ControllerConnection,
    ControllerEvent, Digest, ProcessStreams, Splice, Target, Usage,
};

use crate::wire::{ToAgent, ToController, messages};

/// The bytes of an artifact; calls name its digest.
pub(crate) const ARTIFACT: &[u8] = b"an artifact";

/// Usage that finished calls report.
pub(crate) const USAGE: Usage = Usage {
    wall_us: 17,
    dropped_bytes: 4,
    fuel: Some(9),
};

/// A call of `function` of [`ARTIFACT`].
pub(crate) fn request(function: &str, input: impl Into<Bytes>) -> CallRequest {
    CallRequest::new(Digest::of(ARTIFACT), function, input)
}

/// A command of these words.
pub(crate) fn command(argv: &[&str]) -> Command {
    Command::new(argv.iter().copied())
}

/// Returns `length` bytes in which no two parts are alike.
pub(crate) fn long(length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(bytes.len().to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Returns the part of `blob` that its holder puts in.
pub(crate) fn part(blob: &Bytes, Splice { offset, length, .. }: Splice) -> Bytes {
    let [start, end] = [offset, offset + length].map(|at| usize::try_from(at).unwrap());
    blob.slice(start..end)
}

/// Both ends, greeted. The test drives them.
pub(crate) struct Pair {
    pub(crate) controller: ControllerConnection,
    pub(crate) agent: AgentConnection,
    /// Blobs that the hop before the agent holds, to put in on request.
    pub(crate) hop: HashMap<Digest, Bytes>,
    /// Transmissions arrive in parts of this size.
    part_bytes: usize,
    controller_said: Vec<u8>,
    agent_said: Vec<u8>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::carrying_parts_of(usize::MAX)
    }

    pub(crate) fn carrying_parts_of(part_bytes: usize) -> Self {
        let target = Target::here();
        let mut pair = Self {
            controller: ControllerConnection::new(),
            agent: AgentConnection::new(target.clone()),
            hop: HashMap::new(),
            part_bytes,
            controller_said: Vec::new(),
            agent_said: Vec::new(),
        };
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Ready { target }]
        );
        pair.controller_said();
        pair.agent_said();
        pair
    }

    /// Carries one transmission from the controller to the agent, then one back. Returns true if
    /// there was any.
    pub(crate) fn step(&mut self) -> bool {
        let mut asked = Vec::new();
        if let Some(splice) = self.controller.poll_transmit(&mut asked) {
            asked.extend_from_slice(&part(&self.hop[&splice.blob], splice));
        }
        for part in asked.chunks(self.part_bytes) {
            self.agent.handle_input(part).unwrap();
        }
        self.controller_said.extend_from_slice(&asked);

        let mut answered = Vec::new();
        self.agent.poll_transmit(&mut answered);
        for part in answered.chunks(self.part_bytes) {
            self.controller.handle_input(part).unwrap();
        }
        self.agent_said.extend_from_slice(&answered);

        !asked.is_empty() || !answered.is_empty()
    }

    /// Carries transmissions until neither end has anything to send.
    pub(crate) fn settle(&mut self) {
        // The longest conversation of these tests takes far fewer steps.
        assert!((0..1000).any(|_| !self.step()), "both ends go on and on");
    }

    /// Settles, and returns all events of the controller.
    pub(crate) fn controller_events(&mut self) -> Vec<ControllerEvent> {
        self.settle();
        std::iter::from_fn(|| self.controller.poll_event()).collect()
    }

    /// Settles, and returns all events of the agent.
    pub(crate) fn agent_events(&mut self) -> Vec<AgentEvent> {
        self.settle();
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    /// Makes a call which the agent now runs.
    pub(crate) fn running(&mut self, request: CallRequest) -> CallId {
        let id = self.controller.call(request);
        let [AgentEvent::Call { .. }] = *self.agent_events() else {
            panic!("one call")
        };
        id
    }

    /// Starts a process, and checks the agent's event.
    pub(crate) fn started(&mut self) -> ProcessStreams {
        let streams = self.controller.start(command(&["cat"]), false);
        assert_eq!(
            self.agent_events(),
            [AgentEvent::Start {
                streams,
                command: command(&["cat"])
            }]
        );
        streams
    }

    /// Makes a short call while a long payload is under way, and expects the answer within the next
    /// two steps.
    pub(crate) fn answers_a_short_call(&mut self) {
        let id = self.controller.call(request("short", "1"));
        self.step();
        let arrived = std::iter::from_fn(|| self.agent.poll_event()).any(|event| match event {
            AgentEvent::Call { id: arrived, .. } => arrived == id,
            _ => false,
        });
        assert!(arrived, "the short call");
        self.agent.finish(id, Ok("2".into()), USAGE);
        self.step();
        let answer = ControllerEvent::Returned {
            id,
            outcome: Ok("2".into()),
            usage: USAGE,
        };
        assert!(std::iter::from_fn(|| self.controller.poll_event()).any(|event| event == answer));
    }

    /// Returns the messages that the controller sent since the last call of this function.
    pub(crate) fn controller_said(&mut self) -> Vec<ToAgent> {
        messages(&std::mem::take(&mut self.controller_said))
    }

    /// Returns the messages that the agent sent since the last call of this function.
    pub(crate) fn agent_said(&mut self) -> Vec<ToController> {
        messages(&std::mem::take(&mut self.agent_said))
    }
}
