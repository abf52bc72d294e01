//! The queue of what is to be sent: short messages first, then long payloads in parts, which take
//! turns.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    wire::bounds::CHUNK_BYTES,
    wire::stream::{Splice, StreamEnd},
};

/// Approximate size of one transmission: enough to keep a pipe busy, small enough that a short
/// message queued meanwhile leaves soon.
pub const TRANSMIT_BYTES: usize = 256 << 10;

/// Messages and payloads that wait to be sent. `T` tells what a payload is.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    /// Complete frames.
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
    /// Nothing more follows.
    Finish,
    /// The end of the stream: nothing more follows, in either direction.
    End(StreamEnd),
}

/// The unit that leaves at once: a piece, or the first part of a long one, so that others get their
/// turn.
#[derive(Debug)]
pub(crate) enum Part {
    Bytes { bytes: Bytes, last: bool },
    Splice(Splice),
    Finish,
    End(StreamEnd),
}

impl Part {
    /// Returns the number of stream bytes that it stands for.
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
        Self {
            messages: Vec::new(),
            payloads: VecDeque::new(),
        }
    }
}

impl<T> Outbox<T> {
    /// Queues a message.
    pub(crate) fn say<M: serde::Serialize>(&mut self, message: &M) {
        crate::wire::frame::write(message, &mut self.messages);
    }

    /// Queues a payload that will leave in parts.
    pub(crate) fn send(&mut self, tag: T, bytes: Bytes) {
        self.payloads.push_back(Payload {
            tag,
            pieces: [Piece::Bytes(bytes)].into(),
        });
    }

    /// Drops the rest of the payloads that `unwanted` selects. Returns true if there were any.
    pub(crate) fn drop_payloads(&mut self, mut unwanted: impl FnMut(&T) -> bool) -> bool {
        let before = self.payloads.len();
        self.payloads.retain(|payload| !unwanted(&payload.tag));
        self.payloads.len() < before
    }

    /// Returns true if a payload that `is_it` selects is still waiting.
    pub(crate) fn is_sending(&self, mut is_it: impl FnMut(&T) -> bool) -> bool {
        self.payloads.iter().any(|payload| is_it(&payload.tag))
    }

    /// Moves the next bytes to send to the end of `wire`; `write_part` frames one part of a
    /// payload. Stops early and returns a splice, if `write_part` returns one, because that belongs
    /// right after these bytes.
    pub(crate) fn fill(
        &mut self,
        wire: &mut Vec<u8>,
        mut write_part: impl FnMut(&mut T, Part, &mut Vec<u8>) -> Option<Splice>,
    ) -> Option<Splice> {
        // Long messages are not copied. Otherwise the room for a transmission stays with `wire`.
        if wire.is_empty() && wire.capacity() < self.messages.len() {
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
    /// Queues a piece behind others of the same tag.
    pub(crate) fn append(&mut self, tag: T, piece: Piece) {
        match self.payloads.iter_mut().find(|payload| payload.tag == tag) {
            Some(payload) => payload.pieces.push_back(piece),
            None => self.payloads.push_back(Payload {
                tag,
                pieces: [piece].into(),
            }),
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
                Some(Part::Bytes {
                    bytes: part,
                    last: self.pieces.is_empty(),
                })
            }
        }
    }
}
