//! Credit for the output of guests, as one end counts it.

use crate::{
    ProtocolError,
    wire::{
        bounds::ANNOUNCED_SHARE,
        output::{OUTPUT_WINDOW_BYTES, output_cost},
    },
};

/// The controller announces credit when it has taken this much.
const ANNOUNCE_BYTES: u64 = OUTPUT_WINDOW_BYTES / ANNOUNCED_SHARE;

/// The cost of guests' output that is under way, as one end counts it.
#[derive(Debug, Default)]
pub(crate) struct OutputFlow {
    under_way: u64,
    /// Cost taken here and not yet announced.
    taken: u64,
}

impl OutputFlow {
    /// Returns true if more may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way < OUTPUT_WINDOW_BYTES
    }

    /// Records that a message with `bytes` of output is sent.
    pub(crate) fn send(&mut self, bytes: u64) {
        self.under_way += output_cost(bytes);
    }

    /// Records that a message with `bytes` of output arrives.
    pub(crate) fn receive(&mut self, bytes: u64) -> Result<(), ProtocolError> {
        if !self.has_room() {
            return Err(ProtocolError::TooLong {
                what: "guests' output under way",
                limit: OUTPUT_WINDOW_BYTES,
            });
        }
        self.send(bytes);
        Ok(())
    }

    /// Records that output of this cost was taken here. Returns the credit to announce, if enough
    /// has accumulated.
    pub(crate) fn take(&mut self, cost: u64) -> Option<u64> {
        self.taken += cost;
        (self.taken >= ANNOUNCE_BYTES).then(|| {
            let credit = std::mem::take(&mut self.taken);
            self.under_way = self.under_way.saturating_sub(credit);
            credit
        })
    }

    /// Records that output of this cost was taken at the other end.
    pub(crate) fn receive_credit(&mut self, cost: u64) -> Result<(), ProtocolError> {
        self.under_way = self
            .under_way
            .checked_sub(cost)
            .ok_or(ProtocolError::TooLong {
                what: "credit for output",
                limit: OUTPUT_WINDOW_BYTES,
            })?;
        Ok(())
    }
}
