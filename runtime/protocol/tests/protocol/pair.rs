//! Both ends of one conversation, joined by queues.

use std::collections::HashMap;

use bytes::Bytes;
use wxec_protocol::{
    AgentConnection, AgentEvent, CallId, CallRequest, Command, ControllerConnection, ControllerEvent, Digest,
    ProcessStreams, Splice, Target, Usage,
};

use crate::wire::{ToAgent, ToController, messages};

/// An artifact, by its bytes; its digest is what calls name.
pub(crate) const ARTIFACT: &[u8] = b"an artifact";

/// What finished calls are said to have used.
pub(crate) const USAGE: Usage = Usage { wall_us: 17, dropped_bytes: 4, fuel: Some(9) };

/// A call of `function` of [`ARTIFACT`].
pub(crate) fn request(function: &str, input: impl Into<Bytes>) -> CallRequest {
    CallRequest::new(Digest::of(ARTIFACT), function, input)
}

/// A command of these words.
pub(crate) fn command(argv: &[&str]) -> Command {
    Command::new(argv.iter().copied())
}

/// `length` bytes of which no two stretches are alike.
pub(crate) fn long(length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(bytes.len().to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// A part of `blob`, as who holds it puts it in.
pub(crate) fn part(blob: &Bytes, Splice { offset, length, .. }: Splice) -> Bytes {
    let [start, end] = [offset, offset + length].map(|at| usize::try_from(at).unwrap());
    blob.slice(start..end)
}

/// Both ends, greeted. The test plays whoever drives them.
pub(crate) struct Pair {
    pub(crate) controller: ControllerConnection,
    pub(crate) agent: AgentConnection,
    /// What the hop before the agent holds, and puts in where it is told to.
    pub(crate) hop: HashMap<Digest, Bytes>,
    /// What is carried arrives in parts of this size.
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
        assert_eq!(pair.controller_events(), [ControllerEvent::Ready { target }]);
        pair.controller_said();
        pair.agent_said();
        pair
    }

    /// Carries one transmission from the controller to the agent, then one back. Says whether there was any.
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

    /// Carries until both ends have nothing to say.
    pub(crate) fn settle(&mut self) {
        // The longest conversation of these tests takes far fewer steps.
        assert!((0..1000).any(|_| !self.step()), "both ends go on and on");
    }

    /// Settles; then all the controller has to tell.
    pub(crate) fn controller_events(&mut self) -> Vec<ControllerEvent> {
        self.settle();
        std::iter::from_fn(|| self.controller.poll_event()).collect()
    }

    /// Settles; then all the agent has to tell.
    pub(crate) fn agent_events(&mut self) -> Vec<AgentEvent> {
        self.settle();
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    /// Makes a call which the agent now runs.
    pub(crate) fn running(&mut self, request: CallRequest) -> CallId {
        let id = self.controller.call(request);
        let [AgentEvent::Call { .. }] = *self.agent_events() else { panic!("one call") };
        id
    }

    /// Starts a process, as the agent is then told.
    pub(crate) fn started(&mut self) -> ProcessStreams {
        let streams = self.controller.start(command(&["cat"]), false);
        assert_eq!(self.agent_events(), [AgentEvent::Start { streams, command: command(&["cat"]) }]);
        streams
    }

    /// Makes a short call while something long is under way, and expects it to be answered by the next two steps.
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
        let answer = ControllerEvent::Returned { id, outcome: Ok("2".into()), usage: USAGE };
        assert!(std::iter::from_fn(|| self.controller.poll_event()).any(|event| event == answer));
    }

    /// What the controller said since this was last asked.
    pub(crate) fn controller_said(&mut self) -> Vec<ToAgent> {
        messages(&std::mem::take(&mut self.controller_said))
    }

    /// What the agent said since this was last asked.
    pub(crate) fn agent_said(&mut self) -> Vec<ToController> {
        messages(&std::mem::take(&mut self.agent_said))
    }
}
