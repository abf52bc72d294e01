//! The controller's end of calls that guests make on other hosts.

use bytes::Bytes;

use super::{ControllerConnection, ControllerEvent};
use crate::{
    CallId, Fault, LimitKind, MAX_FRAME_BYTES, Need, ProtocolError,
    ids::AskId,
    wire::ask::{Ask, AskError, MAX_ASK_BYTES},
    wire::bounds::MAX_ASKS,
    wire::message::{Answered, ToAgent},
};

/// Room in an answer's frame for everything but the error in it.
const ANSWER_HEAD_BYTES: usize = 64;

impl ControllerConnection {
    /// Answers [`ControllerEvent::Ask`]. An outcome that does not fit into a frame is replaced by
    /// an error that says so. Does nothing if the call that asked has ended.
    pub fn answer(&mut self, ask: AskId, outcome: Result<Bytes, AskError>) {
        if self.host_asks.remove(&ask).is_none() {
            return;
        }
        let outcome = match &outcome {
            Ok(value) if value.len() > MAX_ASK_BYTES => Answered::Failed(too_long(value.len())),
            Ok(value) => Answered::Done(value),
            Err(error) => Answered::Failed(bounded(error.clone())),
        };
        self.outbox.say(&ToAgent::Answer { ask, outcome });
    }

    pub(super) fn handle_ask(
        &mut self,
        call: CallId,
        ask: AskId,
        question: Ask,
    ) -> Result<(), ProtocolError> {
        if ask.0 != self.next_host_ask {
            return Err(ProtocolError::UnexpectedAsk(ask));
        }
        self.next_host_ask += 1;
        if !question.fits() {
            return Err(ProtocolError::TooLong {
                what: "an ask",
                limit: MAX_ASK_BYTES as u64,
            });
        }
        let asking = self.open_call(call)?;
        // The agent checks the grant before it asks, but the controller does not trust it.
        if !asking.grants.covers(&Need::Host(question.address.clone())) {
            return Err(ProtocolError::HostNotGranted(call));
        }
        if asking.cancelled {
            return Ok(());
        }
        if self
            .host_asks
            .values()
            .filter(|asking| **asking == call)
            .count()
            >= MAX_ASKS
        {
            return Err(ProtocolError::TooManyAsks(call));
        }
        self.host_asks.insert(ask, call);
        self.events.push_back(ControllerEvent::Ask {
            call,
            ask,
            question,
        });
        Ok(())
    }
}

/// Replaces an error that is too long: one that just fitted into its incoming frame may not fit
/// into this one.
fn bounded(error: AskError) -> AskError {
    let length = postcard::to_allocvec(&error).map_or(usize::MAX, |encoded| encoded.len());
    if length > MAX_FRAME_BYTES - ANSWER_HEAD_BYTES {
        too_long(length)
    } else {
        error
    }
}

fn too_long(length: usize) -> AskError {
    let (which, limit) = (LimitKind::Output, MAX_ASK_BYTES as u64);
    AskError::Fault(Fault::Limit {
        which,
        limit,
        asked: length as u64,
    })
}
