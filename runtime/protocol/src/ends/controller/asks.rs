//! Calls that guests make on other hosts.

use bytes::Bytes;

use super::{ControllerConnection, event::ControllerEvent};
use crate::{
    CallErrorKind, CallId, LimitKind, MAX_FRAME_BYTES, Need, ProtocolError,
    abi::TaskFailure,
    cbor,
    ids::AskId,
    wire::ask::{Ask, MAX_ASK_BYTES},
    wire::bounds::MAX_ASKS,
    wire::message::{Answered, ToAgent},
};

/// Room in an answer's frame for everything but the error in it.
const ANSWER_HEAD_BYTES: usize = 64;

impl ControllerConnection {
    /// Answers [`ControllerEvent::Ask`]. An outcome that does not fit into a frame is replaced by
    /// an error that says so. Does nothing if the call that asked has ended.
    pub fn answer(&mut self, ask: AskId, outcome: Result<Bytes, CallErrorKind<TaskFailure>>) {
        if self.host_asks.remove(&ask).is_none() {
            return;
        }
        let outcome = match outcome {
            Ok(value) if value.len() > MAX_ASK_BYTES => Err(encode(&too_long(value.len()))),
            Ok(value) => Ok(value),
            Err(error) => Err(bounded(&error)),
        };
        let outcome = match &outcome {
            Ok(value) => Answered::Done(value),
            Err(error) => Answered::Failed(error),
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
        let need = Need::Host(question.address.clone());
        // The agent checks the grant before it asks, but the controller does not trust it.
        if !asking.terms.grants.covers(&need) {
            return Err(ProtocolError::HostNotGranted(call));
        }
        if asking.cancelled {
            return Ok(());
        }
        let open = self.host_asks.values();
        if open.filter(|asking| **asking == call).count() >= MAX_ASKS {
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

/// Encodes an error, or one that says that it is too long: an error that just fitted into its
/// incoming frame may not fit into this one.
fn bounded(error: &CallErrorKind<TaskFailure>) -> Vec<u8> {
    let encoded = encode(error);
    if encoded.len() > MAX_FRAME_BYTES - ANSWER_HEAD_BYTES {
        encode(&too_long(encoded.len()))
    } else {
        encoded
    }
}

fn too_long(length: usize) -> CallErrorKind<TaskFailure> {
    CallErrorKind::Limit {
        which: LimitKind::Output,
        limit: MAX_ASK_BYTES as u64,
        asked: length as u64,
    }
}

fn encode(error: &CallErrorKind<TaskFailure>) -> Vec<u8> {
    cbor::encode(error).expect("texts and numbers always encode")
}
