//! Artifacts that the agent asks for, that calls bring or that come before them, and blobs that it
//! is given to hold.

use std::collections::hash_map::Entry;

use super::{AgentConnection, MAX_CALLS, arriving::ArrivingBlob, event::AgentEvent};
use crate::{Digest, ProtocolError, wire::message::ToController};

impl AgentConnection {
    /// Asks the controller for an artifact, unless it is on its way or its event was not polled
    /// yet.
    pub fn need(&mut self, module: Digest) {
        if self.arrived.contains(&module) {
            return;
        }
        if let Entry::Vacant(entry) = self.modules.entry(module) {
            entry.insert(ArrivingBlob::default());
            self.outbox.say(&ToController::Need { module });
        }
    }

    /// Makes room for an artifact that comes before its call, or that a call brings, even if the call
    /// is refused.
    pub(super) fn expect_module(&mut self, module: Digest) -> Result<(), ProtocolError> {
        // Refused calls leave no trace to count.
        if self.modules.len() >= MAX_CALLS {
            return Err(ProtocolError::UnexpectedModule(module));
        }
        self.modules.entry(module).or_default();
        Ok(())
    }

    /// Tells the controller whether the agent holds a blob.
    pub fn answer_blob(&mut self, digest: Digest, held: bool) {
        self.outbox.say(&ToController::Blob { digest, held });
    }

    pub(super) fn handle_module_part(
        &mut self,
        digest: Digest,
        length: u64,
        part: &[u8],
    ) -> Result<(), ProtocolError> {
        let module = self
            .modules
            .get_mut(&digest)
            .ok_or(ProtocolError::UnexpectedModule(digest))?;
        if !module.receive("an artifact", length, part)? {
            return Ok(());
        }
        let ArrivingBlob { hasher, bytes } = self.modules.remove(&digest).unwrap_or_default();
        if hasher.finish() == digest {
            self.damaged.remove(&digest);
            self.arrived.insert(digest);
            self.events.push_back(AgentEvent::Module {
                digest,
                bytes: bytes.into(),
            });
        } else if self.damaged.insert(digest) {
            self.events.push_back(AgentEvent::DamagedModule { digest });
        } else {
            return Err(ProtocolError::WrongDigest(digest));
        }
        Ok(())
    }

    pub(super) fn handle_no_module(
        &mut self,
        digest: Digest,
        reason: &str,
    ) -> Result<(), ProtocolError> {
        self.modules
            .remove(&digest)
            .ok_or(ProtocolError::UnexpectedModule(digest))?;
        let reason = reason.into();
        self.events
            .push_back(AgentEvent::NoModule { digest, reason });
        Ok(())
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
}
