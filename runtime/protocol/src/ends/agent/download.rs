//! Payloads that leave the agent in parts.

use crate::{
    CallId, Usage,
    ids::StreamId,
    wire::frame,
    wire::message::{Outcome, ToController},
    wire::outbox::Part,
};

/// A payload on its way to the controller.
#[derive(Debug, PartialEq)]
pub(super) enum Download {
    Result { id: CallId, usage: Usage },
    Stream(StreamId),
}

impl Download {
    /// Frames one part of the payload.
    pub(super) fn write(&self, part: Part, wire: &mut Vec<u8>) {
        match (self, part) {
            (&Self::Result { id, usage }, Part::Bytes { bytes, last: true }) => {
                let outcome = Outcome::Done(&bytes);
                frame::write(&ToController::Return { id, outcome, usage }, wire);
            }
            (&Self::Result { id, .. }, Part::Bytes { bytes, .. }) => {
                frame::write(&ToController::Result { id, bytes: &bytes }, wire);
            }
            (&Self::Stream(id), Part::Bytes { bytes, .. }) => {
                frame::write(&ToController::Data { id, bytes: &bytes }, wire);
            }
            (&Self::Stream(id), Part::Finish) => frame::write(&ToController::Finish { id }, wire),
            (&Self::Stream(id), Part::End(end)) => {
                frame::write(&ToController::Close { id, end }, wire)
            }
            (Self::Result { .. }, _) | (_, Part::Splice(_)) => {
                debug_assert!(false, "{self:?} consists of bytes")
            }
        }
    }
}
