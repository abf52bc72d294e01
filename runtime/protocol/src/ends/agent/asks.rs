//! Calls that guests make on other hosts.

use bytes::Bytes;

use super::{AgentConnection, event::AgentEvent};
use crate::{
    CallId, ProtocolError,
    ids::AskId,
    wire::ask::Ask,
    wire::bounds::MAX_ASKS,
    wire::message::{Answered, ToController},
};

impl AgentConnection {
    /// Asks the controller to call a task on another host, for the guest of an open call.
    /// [`AgentEvent::Answer`] brings the answer, unless the call ends before. Returns `None` if the
    /// call has ended or has too many asks open, or if the question is too long.
    pub fn ask(&mut self, call: CallId, question: &Ask) -> Option<AskId> {
        let others = self.asks.values().filter(|asking| **asking == call).count();
        if !self.open.contains_key(&call) || others >= MAX_ASKS || !question.fits() {
            return None;
        }
        let ask = AskId(self.next_ask);
        self.next_ask += 1;
        self.asks.insert(ask, call);
        let Ask {
            address,
            function,
            input,
            deadline_ms,
        } = question;
        self.outbox.say(&ToController::Ask {
            call,
            ask,
            address,
            function,
            deadline_ms: *deadline_ms,
            input,
        });
        Some(ask)
    }

    pub(super) fn handle_answer(
        &mut self,
        ask: AskId,
        outcome: Answered<'_>,
    ) -> Result<(), ProtocolError> {
        if self.asks.remove(&ask).is_some() {
            let outcome = match outcome {
                Answered::Done(value) => Ok(Bytes::copy_from_slice(value)),
                Answered::Failed(error) => Err(Bytes::copy_from_slice(error)),
            };
            self.events.push_back(AgentEvent::Answer { ask, outcome });
        } else if ask.0 >= self.next_ask {
            return Err(ProtocolError::UnknownAsk(ask));
        }
        // Otherwise the asking call ended while the answer was on its way.
        Ok(())
    }
}
