//! What waits to be sent: short messages first, long payloads in parts, taking turns.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::frame::CHUNK_BYTES;

/// A transmission holds about this much: enough to keep a pipe busy, little enough that a short message said
/// meanwhile leaves soon.
pub const TRANSMIT_BYTES: usize = 256 << 10;

/// Messages and payloads on their way out. `T` says what a payload is.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    /// Whole frames.
    messages: Vec<u8>,
    payloads: VecDeque<Payload<T>>,
}

#[derive(Debug)]
struct Payload<T> {
    tag: T,
    rest: Bytes,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { messages: Vec::new(), payloads: VecDeque::new() }
    }
}

impl<T> Outbox<T> {
    /// Queues a message.
    pub(crate) fn say<M: serde::Serialize>(&mut self, message: &M) {
        crate::frame::write(message, &mut self.messages);
    }

    /// Queues a payload that will leave in parts.
    pub(crate) fn send(&mut self, tag: T, bytes: Bytes) {
        self.payloads.push_back(Payload { tag, rest: bytes });
    }

    /// Forgets what is left of the payloads that `unwanted` names. Says whether there were any.
    pub(crate) fn drop_payloads(&mut self, mut unwanted: impl FnMut(&T) -> bool) -> bool {
        let before = self.payloads.len();
        self.payloads.retain(|payload| !unwanted(&payload.tag));
        self.payloads.len() < before
    }

    /// Whether a payload that `is_it` names is still on its way.
    pub(crate) fn is_sending(&self, mut is_it: impl FnMut(&T) -> bool) -> bool {
        self.payloads.iter().any(|payload| is_it(&payload.tag))
    }

    /// Moves what should leave next to the end of `wire`; `write_part` frames one part of a payload, and is told
    /// whether it is the last.
    pub(crate) fn fill(&mut self, wire: &mut Vec<u8>, mut write_part: impl FnMut(&T, &[u8], bool, &mut Vec<u8>)) {
        if wire.is_empty() {
            std::mem::swap(wire, &mut self.messages);
        } else {
            wire.append(&mut self.messages);
        }
        while wire.len() < TRANSMIT_BYTES {
            let Some(mut payload) = self.payloads.pop_front() else { return };
            let part = payload.rest.split_to(payload.rest.len().min(CHUNK_BYTES));
            let last = payload.rest.is_empty();
            write_part(&payload.tag, &part, last, wire);
            if !last {
                self.payloads.push_back(payload);
            }
        }
    }
}
