//! A call that has not returned.

use crate::{Digest, ProtocolError, Terms};

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) module: Digest,
    pub(super) terms: Terms,
    pub(super) result: Vec<u8>,
    /// Bytes received, indexed by [`Received`].
    received: [u64; 3],
    pub(super) cancelled: bool,
}

/// Kinds of guest output, each with its own count.
#[derive(Debug, Clone, Copy)]
pub(super) enum Received {
    Stdout,
    Stderr,
    Log,
}

impl OpenCall {
    pub(super) fn new(module: Digest, terms: Terms) -> Self {
        Self {
            module,
            terms,
            result: Vec::new(),
            received: [0; 3],
            cancelled: false,
        }
    }

    /// Counts output. The agent drops the excess, so more than the limit is an error.
    pub(super) fn count(&mut self, what: Received, bytes: u64) -> Result<(), ProtocolError> {
        let received = &mut self.received[what as usize];
        *received += bytes;
        let limit = self.terms.limits.stdio_bytes;
        if *received > limit {
            return Err(ProtocolError::TooLong {
                what: "a guest's output",
                limit,
            });
        }
        Ok(())
    }

    /// Adds a part of the result. The result of a cancelled call is checked but not kept.
    pub(super) fn receive(&mut self, part: &[u8]) -> Result<(), ProtocolError> {
        let limit = self.terms.limits.output_bytes;
        if (self.result.len() + part.len()) as u64 > limit {
            return Err(ProtocolError::TooLong {
                what: "a result",
                limit,
            });
        }
        if !self.cancelled {
            self.result.extend_from_slice(part);
        }
        Ok(())
    }
}
