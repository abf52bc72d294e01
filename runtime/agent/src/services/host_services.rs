//! A guest's access to facts about this host, and to tasks on other hosts: through the event loop
//! to the controller, and back.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_engine::{Asking, HostServices};
use wxec_protocol::{AgentConnection, Ask, AskId, CallId, Facts, Grants};

use crate::calls::event::{Answer, CallEvent};

/// Services of one call, which reach the controller through the event loop.
struct GrantedServices {
    id: CallId,
    events: mpsc::UnboundedSender<CallEvent>,
}

impl HostServices for GrantedServices {
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
        Box::pin(async { answered.await.ok() })
    }
}

/// Makes the services of calls, and keeps the asks that wait for an answer.
pub(crate) struct Asks {
    open: HashMap<AskId, Answer>,
    events: mpsc::UnboundedSender<CallEvent>,
}

impl Asks {
    pub(crate) fn new(events: mpsc::UnboundedSender<CallEvent>) -> Self {
        Self {
            open: HashMap::new(),
            events,
        }
    }

    /// Returns the services of a call, if it was granted any.
    pub(crate) fn host_services(
        &self,
        id: CallId,
        grants: &Grants,
    ) -> Option<Arc<dyn HostServices>> {
        let events = self.events.clone();
        (grants.facts || !grants.host.is_empty())
            .then(|| Arc::new(GrantedServices { id, events }) as _)
    }

    /// Asks the controller. If the call has ended or has too many asks open, `answer` is dropped,
    /// and the guest gets no answer.
    pub(crate) fn ask(
        &mut self,
        connection: &mut AgentConnection,
        call: CallId,
        question: &Ask,
        answer: Answer,
    ) {
        // Drops the asks of calls that have ended.
        self.open.retain(|_, answer| !answer.is_closed());
        if let Some(ask) = connection.ask(call, question) {
            self.open.insert(ask, answer);
        }
    }

    /// Leaves all open asks without an answer.
    pub(crate) fn lose(&mut self) {
        self.open.clear();
    }

    pub(crate) fn answer(&mut self, ask: AskId, outcome: Result<Bytes, Bytes>) {
        if let Some(answer) = self.open.remove(&ask) {
            let _ = answer.send(outcome);
        }
    }
}
