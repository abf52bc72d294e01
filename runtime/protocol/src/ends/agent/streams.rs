//! The agent's end of streams and blobs, and of `Describe`.

use bytes::Bytes;

use super::{AgentConnection, AgentEvent, ArrivingBlob, Download};
use crate::{
    Description, Digest, ProtocolError,
    ids::StreamId,
    wire::bounds::MAX_STREAMS,
    wire::message::ToController,
    wire::outbox::Piece,
    wire::stream::{Command, ProcessStreams, Service, StreamEnd},
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

    /// Tells the controller whether the agent holds a blob.
    pub fn answer_blob(&mut self, digest: Digest, held: bool) {
        self.outbox.say(&ToController::Blob { digest, held });
    }

    /// Sends the description of the place the agent runs in.
    pub fn description(&mut self, description: Description) {
        self.outbox.say(&ToController::Description(description));
    }

    pub(super) fn handle_blob_part(
        &mut self,
        digest: Digest,
        length: u64,
        part: &[u8],
    ) -> Result<(), ProtocolError> {
        if !self
            .blobs
            .entry(digest)
            .or_default()
            .receive("a blob", length, part)?
        {
            return Ok(());
        }
        let ArrivingBlob { hasher, bytes } = self.blobs.remove(&digest).unwrap_or_default();
        if hasher.finish() != digest {
            return Err(ProtocolError::WrongDigest(digest));
        }
        self.events.push_back(AgentEvent::Blob {
            digest,
            bytes: bytes.into(),
        });
        Ok(())
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
}
