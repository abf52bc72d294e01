//! Both ends of one conversation, joined by queues.

use bytes::Bytes;
use wxec_protocol::{
    AgentConnection, AgentEvent, CallId, CallRequest, ControllerConnection, ControllerEvent, Digest, Limits, Target,
    Usage,
};

use crate::wire::{ToAgent, ToController, messages};

/// An artifact, by its bytes; its digest is what calls name.
pub(crate) const ARTIFACT: &[u8] = b"an artifact";

/// What finished calls are said to have used.
pub(crate) const USAGE: Usage = Usage { wall_us: 17, dropped_bytes: 4 };

/// A call of `function` of [`ARTIFACT`].
pub(crate) fn request(function: &str, input: impl Into<Bytes>) -> CallRequest {
    CallRequest {
        module: Digest::of(ARTIFACT),
        function: function.into(),
        limits: Limits::default(),
        input: input.into(),
    }
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

/// Both ends, greeted. The test plays whoever drives them.
pub(crate) struct Pair {
    pub(crate) controller: ControllerConnection,
    pub(crate) agent: AgentConnection,
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
        self.controller.poll_transmit(&mut asked);
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

    /// What the controller said since this was last asked.
    pub(crate) fn controller_said(&mut self) -> Vec<ToAgent> {
        messages(&std::mem::take(&mut self.controller_said))
    }

    /// What the agent said since this was last asked.
    pub(crate) fn agent_said(&mut self) -> Vec<ToController> {
        messages(&std::mem::take(&mut self.agent_said))
    }
}
