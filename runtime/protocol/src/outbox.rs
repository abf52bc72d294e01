//! What waits to be sent: short messages first, long payloads in parts, taking turns.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    frame::CHUNK_BYTES,
    stream::{Splice, StreamEnd},
};

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
    pieces: VecDeque<Piece>,
}

/// A piece of a payload, in the order it was queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Bytes(Bytes),
    Splice(Splice),
    /// Nothing follows.
    Finish,
    /// Nothing follows, in either direction.
    End(StreamEnd),
}

/// What leaves at once: a piece, or as much of it as is good for the others.
#[derive(Debug)]
pub(crate) enum Part {
    Bytes { bytes: Bytes, last: bool },
    Splice(Splice),
    Finish,
    End(StreamEnd),
}

impl Part {
    /// How many bytes of a stream it stands for.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes { bytes, .. } => bytes.len() as u64,
            Self::Splice(splice) => splice.length,
            Self::Finish | Self::End(_) => 0,
        }
    }
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
        self.payloads.push_back(Payload { tag, pieces: [Piece::Bytes(bytes)].into() });
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

    /// Moves what should leave next to the end of `wire`; `write_part` frames one part of a payload. Stops early at a
    /// splice that belongs between this part and what follows, if `write_part` returns one.
    pub(crate) fn fill(
        &mut self,
        wire: &mut Vec<u8>,
        mut write_part: impl FnMut(&mut T, Part, &mut Vec<u8>) -> Option<Splice>,
    ) -> Option<Splice> {
        if wire.is_empty() {
            std::mem::swap(wire, &mut self.messages);
        } else {
            wire.append(&mut self.messages);
        }
        while wire.len() < TRANSMIT_BYTES {
            let mut payload = self.payloads.pop_front()?;
            let part = payload.next_part();
            let splice = part.and_then(|part| write_part(&mut payload.tag, part, wire));
            if !payload.pieces.is_empty() {
                self.payloads.push_back(payload);
            }
            if splice.is_some() {
                return splice;
            }
        }
        None
    }
}

impl<T: PartialEq> Outbox<T> {
    /// Queues a piece behind those of the same tag.
    pub(crate) fn append(&mut self, tag: T, piece: Piece) {
        match self.payloads.iter_mut().find(|payload| payload.tag == tag) {
            Some(payload) => payload.pieces.push_back(piece),
            None => self.payloads.push_back(Payload { tag, pieces: [piece].into() }),
        }
    }
}

impl<T> Payload<T> {
    fn next_part(&mut self) -> Option<Part> {
        match self.pieces.pop_front()? {
            Piece::Splice(splice) => Some(Part::Splice(splice)),
            Piece::Finish => Some(Part::Finish),
            Piece::End(end) => Some(Part::End(end)),
            Piece::Bytes(mut bytes) => {
                let part = bytes.split_to(bytes.len().min(CHUNK_BYTES));
                if !bytes.is_empty() {
                    self.pieces.push_front(Piece::Bytes(bytes));
                }
                Some(Part::Bytes { bytes: part, last: self.pieces.is_empty() })
            }
        }
    }
}
