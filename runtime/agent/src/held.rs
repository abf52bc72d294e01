//! What guests printed while the controller takes no more of that, and the ends of their calls, which come after it. What
//! it holds still counts as their backlog, so that they stop soon. Calls that print nothing pass it by.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use wxec_protocol::CallId;

use crate::calls::CallEvent;

#[derive(Default)]
pub(crate) struct Held {
    events: VecDeque<CallEvent>,
    /// How many there are of each call.
    by_call: HashMap<CallId, usize>,
}

impl Held {
    /// Takes `event` if it must wait, as it does behind another of its call; else gives it back. `room` says whether output
    /// may go.
    pub(crate) fn hold(&mut self, event: CallEvent, room: bool) -> Option<CallEvent> {
        let call = event.call();
        let waits = match &event {
            CallEvent::Output { .. } | CallEvent::Log { .. } => !room || !self.events.is_empty(),
            CallEvent::Done { .. } => self.by_call.contains_key(&call),
            // It shows nothing to anybody.
            CallEvent::Ask { .. } => false,
        };
        if !waits {
            return Some(event);
        }
        *self.by_call.entry(call).or_default() += 1;
        self.events.push_back(event);
        None
    }

    /// The first of them, now that it may go.
    pub(crate) fn release(&mut self) -> Option<CallEvent> {
        let event = self.events.pop_front()?;
        if let Entry::Occupied(mut left) = self.by_call.entry(event.call()) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
        Some(event)
    }

    /// All that is held of a call that nobody wants any more.
    pub(crate) fn forget(&mut self, call: CallId) -> Vec<CallEvent> {
        if self.by_call.remove(&call).is_none() {
            return Vec::new();
        }
        let (its, others) = std::mem::take(&mut self.events).into_iter().partition(|event| event.call() == call);
        self.events = others;
        Vec::from(its)
    }
}
