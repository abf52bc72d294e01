//! Output and log records of guests.

use bytes::Bytes;

use super::{ControllerConnection, event::ControllerEvent, open_call::Received};
use crate::{
    CallId, LogRecord, OutputStream, ProtocolError, wire::message::ToAgent,
    wire::output::output_cost,
};

impl ControllerConnection {
    /// Reports that output and log records of this total [cost](output_cost) were taken, so that
    /// the agent may send more.
    pub fn output_taken(&mut self, cost: u64) {
        if let Some(bytes) = self.output.take(cost) {
            self.outbox.say(&ToAgent::OutputCredit { bytes });
        }
    }

    pub(super) fn handle_output(
        &mut self,
        id: CallId,
        stream: OutputStream,
        bytes: &[u8],
    ) -> Result<(), ProtocolError> {
        let call = self.open_call(id)?;
        let received = match stream {
            OutputStream::Stdout => Received::Stdout,
            OutputStream::Stderr => Received::Stderr,
        };
        call.count(received, bytes.len() as u64)?;
        let wanted = !call.cancelled;
        self.output.receive(bytes.len() as u64)?;
        if wanted {
            let bytes = Bytes::copy_from_slice(bytes);
            self.events
                .push_back(ControllerEvent::Output { id, stream, bytes });
        } else {
            self.output_taken(output_cost(bytes.len() as u64));
        }
        Ok(())
    }

    pub(super) fn handle_log(
        &mut self,
        id: CallId,
        record: LogRecord<'_>,
    ) -> Result<(), ProtocolError> {
        let call = self.open_call(id)?;
        call.count(Received::Log, record.cost())?;
        let wanted = !call.cancelled;
        self.output.receive(record.cost())?;
        if wanted {
            let LogRecord {
                level,
                target,
                message,
            } = record;
            let (target, message) = (target.into(), message.into());
            self.events.push_back(ControllerEvent::Log {
                id,
                level,
                target,
                message,
            });
        } else {
            self.output_taken(output_cost(record.cost()));
        }
        Ok(())
    }
}
