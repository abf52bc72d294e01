//! The agent's end of streams and processes.

use bytes::Bytes;

use super::{AgentConnection, download::Download, event::AgentEvent};
use crate::{
    ProtocolError,
    ids::StreamId,
    wire::bounds::{CHUNK_BYTES, MAX_STREAMS},
    wire::message::ToController,
    wire::outbox::Piece,
    wire::stream::{Command, ProcessStreams, Service, Splice, StreamEnd, WindowSize},
};

impl AgentConnection {
    /// Sends on a stream. The caller keeps within the credit: one window, plus each
    /// [`AgentEvent::Credit`]. Does nothing if the stream is closed.
    pub fn send(&mut self, id: StreamId, bytes: Bytes) {
        if self.streams.is_open(id) && !bytes.is_empty() {
            self.streams.spend(id, bytes.len() as u64);
            self.outbox
                .append(Download::Stream(id), Piece::Bytes(bytes));
        }
    }

    /// Tells the controller that nothing more follows on a stream.
    pub fn finish_stream(&mut self, id: StreamId) {
        if self.streams.is_open(id) {
            self.outbox.append(Download::Stream(id), Piece::Finish);
        }
    }

    /// Reports that `bytes` of a stream's data were taken, and announces credit when enough has
    /// accumulated.
    pub fn taken(&mut self, id: StreamId, bytes: u64) {
        if let Some(bytes) = self.streams.take(id, bytes) {
            self.outbox.say(&ToController::Credit { id, bytes });
        }
    }

    /// Ends a stream once everything sent on it has left. Does nothing if the stream is closed.
    pub fn end_stream(&mut self, id: StreamId, end: StreamEnd) {
        if self.streams.close(id) {
            self.outbox.append(Download::Stream(id), Piece::End(end));
        }
    }

    pub(super) fn handle_start(
        &mut self,
        streams: ProcessStreams,
        command: Command,
    ) -> Result<(), ProtocolError> {
        for id in [Some(streams.stdio), Some(streams.stderr), streams.terminal]
            .into_iter()
            .flatten()
        {
            self.streams.open(id)?;
        }
        if self.streams.len() > MAX_STREAMS {
            let reason = format!("more than {MAX_STREAMS} streams are open");
            for id in streams.ids() {
                self.end_stream(id, StreamEnd::Failed(reason.clone()));
            }
            return Ok(());
        }
        self.events
            .push_back(AgentEvent::Start { streams, command });
        Ok(())
    }

    pub(super) fn handle_open(
        &mut self,
        id: StreamId,
        service: Service,
    ) -> Result<(), ProtocolError> {
        self.streams.open(id)?;
        if self.streams.len() > MAX_STREAMS {
            self.end_stream(
                id,
                StreamEnd::Failed(format!("more than {MAX_STREAMS} streams are open")),
            );
        } else {
            self.events.push_back(AgentEvent::Open { id, service });
        }
        Ok(())
    }

    pub(super) fn handle_signal(&mut self, id: StreamId, signal: i32) -> Result<(), ProtocolError> {
        if self.streams.is_known(id)? {
            self.events.push_back(AgentEvent::Signal { id, signal });
        }
        Ok(())
    }

    pub(super) fn handle_resize(
        &mut self,
        id: StreamId,
        size: WindowSize,
    ) -> Result<(), ProtocolError> {
        if self.streams.is_known(id)? {
            self.events.push_back(AgentEvent::Resize { id, size });
        }
        Ok(())
    }

    pub(super) fn handle_data(&mut self, id: StreamId, bytes: &[u8]) -> Result<(), ProtocolError> {
        if self.streams.receive(id, bytes.len() as u64)? {
            let bytes = Bytes::copy_from_slice(bytes);
            self.tell_of_stream(id, AgentEvent::Data { id, bytes });
        }
        Ok(())
    }

    pub(super) fn handle_splice(
        &mut self,
        id: StreamId,
        splice: Splice,
    ) -> Result<(), ProtocolError> {
        if splice.length > CHUNK_BYTES as u64 {
            return Err(ProtocolError::TooLong {
                what: "a splice",
                limit: CHUNK_BYTES as u64,
            });
        }
        if self.streams.receive(id, splice.length)? {
            self.tell_of_stream(id, AgentEvent::Splice { id, splice });
        }
        Ok(())
    }

    pub(super) fn handle_credit(&mut self, id: StreamId, bytes: u64) -> Result<(), ProtocolError> {
        if self.streams.receive_credit(id, bytes)? {
            self.tell_of_stream(id, AgentEvent::Credit { id, bytes });
        }
        Ok(())
    }

    pub(super) fn handle_finish(&mut self, id: StreamId) -> Result<(), ProtocolError> {
        if self.streams.receive_finish(id)? {
            self.tell_of_stream(id, AgentEvent::Finished { id });
        }
        Ok(())
    }

    pub(super) fn handle_close(&mut self, id: StreamId) -> Result<(), ProtocolError> {
        if self.streams.receive_close(id)? {
            self.outbox
                .drop_payloads(|download| *download == Download::Stream(id));
            self.tell_of_stream(id, AgentEvent::StreamClosed { id });
        }
        Ok(())
    }

    /// Queues an event of a stream. While the input of the stream's call is still arriving, the
    /// caller does not know the stream yet, so the event waits until after the call's own.
    fn tell_of_stream(&mut self, id: StreamId, event: AgentEvent) {
        match self.arriving.values_mut().find(|call| call.has(id)) {
            Some(call) => call.early.push(event),
            None => self.events.push_back(event),
        }
    }
}
