//! A guest's access to facts about this host, and to tasks on other hosts: through the event loop
//! to the controller, and back.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_engine::{Asking, Surroundings};
use wxec_protocol::{AgentConnection, Ask, AskError, AskId, CallId, Facts, Grants};

use crate::calls::CallEvent;

/// Delivers the outcome of an ask to the guest that waits for it.
pub(crate) type Answer = oneshot::Sender<Result<Bytes, AskError>>;

/// The surroundings of a call, if it was granted any.
pub(crate) fn of_call(
    id: CallId,
    grants: &Grants,
    events: &mpsc::UnboundedSender<CallEvent>,
) -> Option<Arc<dyn Surroundings>> {
    let events = events.clone();
    (grants.facts || !grants.host.is_empty()).then(|| Arc::new(OfCall { id, events }) as _)
}

struct OfCall {
    id: CallId,
    events: mpsc::UnboundedSender<CallEvent>,
}

impl Surroundings for OfCall {
    fn facts(&self) -> Facts {
        wxec_facts::here()
    }

    fn ask(&self, question: Ask) -> Asking {
        let (answer, answered) = oneshot::channel();
        let _ = self.events.send(CallEvent::Ask {
            id: self.id,
            question,
            answer,
        });
        Box::pin(async {
            answered
                .await
                .unwrap_or_else(|_| Err(AskError::Lost("nobody answered".into())))
        })
    }
}

/// Guests that wait for an answer, by ask.
#[derive(Default)]
pub(crate) struct Asks(HashMap<AskId, Answer>);

impl Asks {
    /// Asks the controller. If the call has ended or has too many asks open, `answer` is dropped,
    /// and the guest gets [`AskError::Lost`].
    pub(crate) fn ask(
        &mut self,
        connection: &mut AgentConnection,
        call: CallId,
        question: &Ask,
        answer: Answer,
    ) {
        // Drops the asks of calls that have ended.
        self.0.retain(|_, answer| !answer.is_closed());
        if let Some(ask) = connection.ask(call, question) {
            self.0.insert(ask, answer);
        }
    }

    pub(crate) fn answer(&mut self, ask: AskId, outcome: Result<Bytes, AskError>) {
        if let Some(answer) = self.0.remove(&ask) {
            let _ = answer.send(outcome);
        }
    }
}
