//! Artifacts: modules compiled to machine code, and proof that one is what its digest names.

use std::fmt;

use bytes::Bytes;
use wxec_protocol::Digest;

/// The bytes of an artifact, known to be those its digest names.
///
/// An artifact is machine code that will run in this process, and wasmtime does not detect damage: one flipped bit
/// loads without complaint. So [`Sandbox::load`](crate::Sandbox::load) takes nothing else, and the only way to make
/// one is to hash the bytes. The digest must come from whom this process trusts to run code here.
#[derive(Clone)]
pub struct VerifiedArtifact {
    bytes: Bytes,
    digest: Digest,
}

impl VerifiedArtifact {
    /// Hashes `bytes` and takes them if they are what `digest` names.
    pub fn verify(bytes: Bytes, digest: Digest) -> Result<Self, WrongDigest> {
        match Digest::of(&bytes) {
            actual if actual == digest => Ok(Self { bytes, digest }),
            actual => Err(WrongDigest { wanted: digest, actual }),
        }
    }

    /// What names this artifact.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for VerifiedArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedArtifact({}, {} bytes)", self.digest.short(), self.bytes.len())
    }
}

/// An artifact's bytes are not those its digest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("artifact {wanted} has other bytes: their digest is {actual}")]
pub struct WrongDigest {
    /// What the bytes should have been.
    pub wanted: Digest,
    /// What they are.
    pub actual: Digest,
}
