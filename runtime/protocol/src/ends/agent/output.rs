//! Output and log records of guests.

use super::AgentConnection;
use crate::{
    CallId, LogRecord, OutputStream, wire::bounds::CHUNK_BYTES, wire::message::ToController,
};

impl AgentConnection {
    /// True if the controller takes more of what guests print and log. Otherwise neither may be
    /// sent.
    pub fn has_output_room(&self) -> bool {
        self.output.has_room()
    }

    /// Sends the output of an open call's guest: at most [`CHUNK_BYTES`] more than there is room
    /// for.
    pub fn output(&mut self, id: CallId, stream: OutputStream, bytes: &[u8]) {
        if self.open.contains_key(&id) {
            for bytes in bytes.chunks(CHUNK_BYTES) {
                self.output.send(bytes.len() as u64);
                self.outbox.say(&ToController::Output { id, stream, bytes });
            }
        }
    }

    /// Sends a log record of an open call's guest.
    pub fn log(&mut self, id: CallId, record: LogRecord<'_>) {
        if self.open.contains_key(&id) {
            self.output.send(record.cost());
            let LogRecord {
                level,
                target,
                message,
            } = record;
            self.outbox.say(&ToController::Log {
                id,
                level,
                target,
                message,
            });
        }
    }
}
