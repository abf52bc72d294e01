//! Output that guests printed while the controller takes no more, and the ends of their calls,
//! which must come after it. Held output still counts in the guests' backlog, so that they stop
//! soon. Calls that print nothing are not held.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use wxec_protocol::CallId;

use super::event::CallEvent;

#[derive(Default)]
pub(crate) struct Held {
    events: VecDeque<CallEvent>,
    /// Number of held events of each call.
    by_call: HashMap<CallId, usize>,
}

impl Held {
    /// Keeps `event` if it must wait, because `room` for output is missing or another event of its
    /// call waits; otherwise gives it back.
    pub(crate) fn hold(&mut self, event: CallEvent, room: bool) -> Option<CallEvent> {
        let call = event.call();
        let waits = match &event {
            CallEvent::Output { .. } | CallEvent::Log { .. } => !room || !self.events.is_empty(),
            CallEvent::Done { .. } => self.by_call.contains_key(&call),
            // An ask prints nothing.
            CallEvent::Ask { .. } => false,
        };
        if !waits {
            return Some(event);
        }
        *self.by_call.entry(call).or_default() += 1;
        self.events.push_back(event);
        None
    }

    /// Returns the first held event, now that it may go.
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

    /// Removes and returns all held events of a cancelled call.
    pub(crate) fn forget(&mut self, call: CallId) -> Vec<CallEvent> {
        if self.by_call.remove(&call).is_none() {
            return Vec::new();
        }
        let (its, others) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|event| event.call() == call);
        self.events = others;
        Vec::from(its)
    }
}
