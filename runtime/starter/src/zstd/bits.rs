//! Bits of a stream that is read from its end, as entropy coders write them.

use super::Damaged;

/// A stream, with up to 64 bits of it at hand.
pub(super) struct Bits<'a> {
    stream: &'a [u8],
    /// Position in the stream of the lowest byte at hand.
    start: usize,
    at_hand: u64,
    /// Number of bits at hand, from the highest on, that were taken. More than 64 means that there
    /// were too few.
    taken: u32,
}

impl<'a> Bits<'a> {
    /// Opens a stream. The highest bit that is set in its last byte marks its end.
    pub(super) fn new(stream: &'a [u8]) -> Result<Self, Damaged> {
        let last = *stream.last().filter(|last| **last != 0).ok_or(Damaged)?;
        let mut bits = Self {
            stream,
            start: stream.len().saturating_sub(8),
            at_hand: 0,
            taken: last.leading_zeros() + 1,
        };
        match stream.last_chunk() {
            Some(bytes) => bits.at_hand = u64::from_le_bytes(*bytes),
            None => {
                for (index, byte) in stream.iter().enumerate() {
                    bits.at_hand |= u64::from(*byte) << (8 * index);
                }
                bits.taken += 64 - 8 * stream.len() as u32;
            }
        }
        Ok(bits)
    }

    /// Makes at least 56 bits be at hand, or all that are left.
    #[inline]
    pub(super) fn refill(&mut self) {
        let bytes = (self.taken as usize / 8).min(self.start);
        if bytes == 0 {
            return;
        }
        self.start -= bytes;
        self.taken -= 8 * bytes as u32;
        if let Some(bytes) = self.stream[self.start..].first_chunk() {
            self.at_hand = u64::from_le_bytes(*bytes);
        }
    }

    /// Returns the next `count` bits at hand, 1 to 63, without taking them. Behind the stream's
    /// beginning there are zeros.
    #[inline]
    pub(super) fn peek(&self, count: u32) -> usize {
        ((self.at_hand << (self.taken & 63)) >> (64 - count)) as usize
    }

    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.taken += count;
    }

    /// Takes `count` bits, up to 63 of those at hand.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> usize {
        // In two steps, because `count` may be 0.
        let bits = ((self.at_hand << (self.taken & 63)) >> 1) >> (63 - count);
        self.taken += count;
        bits as usize
    }

    /// Returns true if more was taken than there was.
    pub(super) fn is_over(&self) -> bool {
        self.start == 0 && self.taken > 64
    }

    /// Returns true if all was taken, and not more.
    pub(super) fn is_empty(&self) -> bool {
        self.start == 0 && self.taken == 64
    }
}
