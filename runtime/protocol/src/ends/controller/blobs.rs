//! Artifacts that come before their calls or that the agent asks for, and blobs that it is given to
//! hold.

use bytes::Bytes;

use super::{ControllerConnection, event::ControllerEvent, upload::Upload};
use crate::{
    Digest, ProtocolError, wire::bounds::CHUNK_BYTES, wire::message::ToAgent, wire::outbox::Piece,
    wire::stream::Splice,
};

/// Asks that an agent may spend on one artifact until a call of it returns, beyond one for each
/// open call of it. The store may drop the artifact just before each call; a copy that a hop puts
/// in may be damaged.
const SPARE_ASKS: usize = 2;

impl ControllerConnection {
    /// Sends an artifact that the agent never had, before any call of it. The agent may drop it: it
    /// asks for it then, like for any other.
    pub fn bring(&mut self, module: Digest, artifact: Bytes) {
        if self.asked.insert(module) {
            self.outbox.say(&ToAgent::Bring { digest: module });
            self.provide(module, artifact);
        }
    }

    /// Answers [`ControllerEvent::Need`] with the artifact.
    pub fn provide(&mut self, module: Digest, artifact: Bytes) {
        let length = artifact.len() as u64;
        let digest = module;
        self.outbox
            .send(Upload::Module { digest, length }, artifact);
    }

    /// Answers [`ControllerEvent::Need`] with an artifact of `length` bytes that the hop before
    /// this agent holds. The bytes of each part are left out;
    /// [`poll_transmit`](Self::poll_transmit) returns where they belong.
    pub fn provide_from_hop(&mut self, module: Digest, length: u64) {
        if length == 0 {
            return self.provide(module, Bytes::new());
        }
        let part = CHUNK_BYTES as u64;
        for offset in (0..length).step_by(CHUNK_BYTES) {
            let splice = Splice {
                blob: module,
                offset,
                length: part.min(length - offset),
            };
            let digest = module;
            let upload = Upload::Module { digest, length };
            self.outbox.append(upload, Piece::Splice(splice));
        }
    }

    /// Answers [`ControllerEvent::Need`] if the artifact cannot be supplied.
    pub fn refuse(&mut self, module: Digest, reason: &str) {
        self.outbox.say(&ToAgent::NoModule {
            digest: module,
            reason,
        });
    }

    /// Asks whether the agent holds a blob, or is itself that blob; [`ControllerEvent::Blob`]
    /// answers.
    pub fn ask_blob(&mut self, digest: Digest) {
        if self.blobs.insert(digest) {
            self.outbox.say(&ToAgent::AskBlob { digest });
        }
    }

    /// Sends a blob for the agent to hold; [`ControllerEvent::Blob`] answers.
    pub fn send_blob(&mut self, digest: Digest, blob: Bytes) {
        if self.blobs.insert(digest) {
            let length = blob.len() as u64;
            self.outbox.send(Upload::Blob { digest, length }, blob);
        }
    }

    /// A host may ask only for artifacts that an open call names; otherwise it could read the whole
    /// cache.
    pub(super) fn handle_need(&mut self, module: Digest) -> Result<(), ProtocolError> {
        let being_sent = self.outbox.is_sending(
            |upload| matches!(upload, Upload::Module { digest, .. } if *digest == module),
        );
        let calls = self.calls.values();
        let open = calls.filter(|call| call.module == module).count();
        if being_sent || open == 0 {
            return Err(ProtocolError::UnexpectedModule(module));
        }
        let asks = self.asks.entry(module).or_default();
        *asks += 1;
        if *asks > open + SPARE_ASKS {
            return Err(ProtocolError::ModuleAskedTooOften(module));
        }
        let again = !self.asked.insert(module);
        self.events
            .push_back(ControllerEvent::Need { module, again });
        Ok(())
    }

    pub(super) fn handle_blob(&mut self, digest: Digest, held: bool) -> Result<(), ProtocolError> {
        if !self.blobs.remove(&digest) {
            return Err(ProtocolError::UnexpectedBlob(digest));
        }
        self.events
            .push_back(ControllerEvent::Blob { digest, held });
        Ok(())
    }
}
