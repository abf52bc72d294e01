//! Calls, from their start to their return.

use std::mem;

use bytes::Bytes;

use super::{ControllerConnection, event::ControllerEvent, open_call::OpenCall, upload::Upload};
use crate::{
    CallId, InstanceId, ProtocolError, Usage,
    wire::bounds::CHUNK_BYTES,
    wire::call::CallRequest,
    wire::message::{Outcome, ToAgent},
};

impl ControllerConnection {
    /// Makes a call. Exactly one [`ControllerEvent::Returned`] answers, unless the call is
    /// cancelled.
    pub fn call(&mut self, request: CallRequest) -> CallId {
        self.say_call(request, false)
    }

    /// Makes a call, and sends the artifact with it if the agent never had that: the agent would
    /// ask for it, which takes a round trip.
    pub fn call_with_artifact(&mut self, request: CallRequest, artifact: &Bytes) -> CallId {
        let module = request.module;
        // A long input arrives after the artifact, which the agent would load without knowing for
        // what call.
        let brings_module = request.input.len() <= CHUNK_BYTES && self.asked.insert(module);
        let id = self.say_call(request, brings_module);
        if brings_module {
            self.provide(module, artifact.clone());
        }
        id
    }

    fn say_call(&mut self, mut request: CallRequest, brings_module: bool) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let mut input = mem::take(&mut request.input);
        let first = input.split_to(input.len().min(CHUNK_BYTES));
        let call = OpenCall::new(request.module, request.terms.clone());
        self.calls.insert(id, call);
        self.outbox.say(&ToAgent::Call {
            id,
            request,
            brings_module,
            input_length: (first.len() + input.len()) as u64,
            input: &first,
        });
        if !input.is_empty() {
            self.outbox.send(Upload::Input(id), input);
        }
        id
    }

    /// Cancels a call. No more events about it follow, and the agent ends it. Does nothing if the
    /// call has returned.
    pub fn cancel(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && !call.cancelled
        {
            call.cancelled = true;
            call.result = Vec::new();
            self.host_asks.retain(|_, call| *call != id);
            self.drop_input(id);
            self.outbox.say(&ToAgent::Cancel { id });
        }
    }

    /// Ends a resident instance. No call to it may follow.
    pub fn drop_instance(&mut self, instance: InstanceId) {
        self.outbox.say(&ToAgent::DropInstance { instance });
    }

    /// Drops the part of a call's input that has not left.
    fn drop_input(&mut self, id: CallId) {
        self.outbox
            .drop_payloads(|upload| matches!(upload, Upload::Input(input) if *input == id));
    }

    pub(super) fn open_call(&mut self, id: CallId) -> Result<&mut OpenCall, ProtocolError> {
        self.calls
            .get_mut(&id)
            .ok_or(ProtocolError::UnknownCall(id))
    }

    pub(super) fn handle_return(
        &mut self,
        id: CallId,
        outcome: Outcome<'_>,
        usage: Usage,
    ) -> Result<(), ProtocolError> {
        let mut call = self
            .calls
            .remove(&id)
            .ok_or(ProtocolError::UnknownCall(id))?;
        self.asks.remove(&call.module);
        if !self.host_asks.is_empty() {
            self.host_asks.retain(|_, call| *call != id);
        }
        self.drop_input(id);
        let outcome = match outcome {
            Outcome::Done(last) => {
                call.receive(last)?;
                Ok(call.result.into())
            }
            Outcome::Failed(fault) => Err(fault),
        };
        if !call.cancelled {
            self.events
                .push_back(ControllerEvent::Returned { id, outcome, usage });
        }
        Ok(())
    }
}
