//! Calls: their arrival, and their end.

use bytes::Bytes;

use super::{
    AgentConnection, OpenCall, arriving::ArrivingCall, download::Download, event::AgentEvent,
};
use crate::{
    CallId, Fault, LimitKind, ProtocolError, Usage,
    wire::bounds::{CHUNK_BYTES, MAX_STREAMS},
    wire::call::CallRequest,
    wire::message::{Outcome, ToController},
};

/// Largest number of calls open at once in one session, waiting ones included: an agent's share of
/// a pid or memory limit is finite.
pub const MAX_CALLS: usize = 10_000;

impl AgentConnection {
    /// Ends an open call, and closes its streams once everything sent on them has left. Does
    /// nothing if the call has ended.
    pub fn finish(&mut self, id: CallId, outcome: Result<Bytes, Fault>, usage: Usage) {
        let Some(call) = self.open.remove(&id) else {
            return;
        };
        self.inputs -= call.input_length;
        if !self.asks.is_empty() {
            self.asks.retain(|_, call| *call != id);
        }
        for (id, end) in call.streams {
            self.end_stream(id, end);
        }
        match outcome {
            Ok(value) if value.len() > CHUNK_BYTES => {
                self.outbox.send(Download::Result { id, usage }, value)
            }
            Ok(value) => self.say_return(id, Outcome::Done(&value), usage),
            Err(fault) => self.say_return(id, Outcome::Failed(fault), usage),
        }
    }

    fn say_return(&mut self, id: CallId, outcome: Outcome<'_>, usage: Usage) {
        self.outbox
            .say(&ToController::Return { id, outcome, usage });
    }

    pub(super) fn handle_call(
        &mut self,
        id: CallId,
        request: CallRequest,
        input_length: u64,
        first: &[u8],
    ) -> Result<(), ProtocolError> {
        let call = ArrivingCall::new(request, input_length);
        let streams = call.streams()?;
        if self.open.contains_key(&id) {
            return Err(ProtocolError::DuplicateCall(id));
        }
        for stream in call.streams_as_opened() {
            self.streams.open(stream)?;
        }
        let inputs = self.inputs.saturating_add(input_length);
        // A refused call counts as open until it is finished, and its input is not kept.
        let input_length = if inputs <= self.inputs_limit {
            input_length
        } else {
            0
        };
        self.inputs += input_length;
        let open = OpenCall {
            streams,
            input_length,
        };
        self.open.insert(id, open);
        if let Some(refusal) = self.refusal(&call, inputs) {
            self.finish(id, Err(refusal), Usage::default());
            return Ok(());
        }
        self.arriving.insert(id, call);
        self.handle_input_part(id, first)
    }

    /// Returns the limit that a call exceeds, if it does. The call is open; with it, the inputs of
    /// all open calls have `inputs` bytes.
    fn refusal(&self, call: &ArrivingCall, inputs: u64) -> Option<Fault> {
        let (calls, streams) = (self.open.len(), self.streams.len());
        let input_limit = call.request.terms.limits.input_bytes;
        let (which, limit, asked) = if calls > MAX_CALLS {
            (LimitKind::ConcurrentCalls, MAX_CALLS as u64, calls as u64)
        } else if call.has_streams() && streams > MAX_STREAMS {
            (LimitKind::Streams, MAX_STREAMS as u64, streams as u64)
        } else if call.input_length > input_limit {
            (LimitKind::Input, input_limit, call.input_length)
        } else if inputs > self.inputs_limit {
            (LimitKind::TotalMemory, self.inputs_limit, inputs)
        } else {
            return None;
        };
        Some(Fault::Limit {
            which,
            limit,
            asked,
        })
    }

    pub(super) fn handle_input_part(
        &mut self,
        id: CallId,
        part: &[u8],
    ) -> Result<(), ProtocolError> {
        // Parts of a refused or cancelled call may still be on their way.
        let Some(call) = self.arriving.get_mut(&id) else {
            return Ok(());
        };
        if call.receive(part)?
            && let Some(call) = self.arriving.remove(&id)
        {
            let mut request = call.request;
            request.input = call.input.into();
            self.events.push_back(AgentEvent::Call { id, request });
            self.events.extend(call.early);
        }
        Ok(())
    }

    pub(super) fn handle_cancel(&mut self, id: CallId) {
        if self.arriving.remove(&id).is_some() {
            self.finish(id, Err(Fault::Cancelled), Usage::default());
        } else if self.open.contains_key(&id) {
            self.events.push_back(AgentEvent::Cancel { id });
        } else {
            self.stop_returning(id);
        }
    }

    /// Cancels a call that has finished. If its result has not left completely, drops the rest and
    /// returns `Cancelled`.
    fn stop_returning(&mut self, id: CallId) {
        if self.outbox.drop_payloads(
            |download| matches!(download, Download::Result { id: result, .. } if *result == id),
        ) {
            self.say_return(id, Outcome::Failed(Fault::Cancelled), Usage::default());
        }
    }
}
