//! Artifacts: modules compiled to machine code, and proof that an artifact's bytes have its digest.

use std::fmt;

use bytes::Bytes;
use wxec_protocol::Digest;

/// The bytes of an artifact, checked against its digest.
///
/// An artifact is machine code that will run in this process, and wasmtime does not detect damage:
/// one flipped bit loads without complaint. So [`Sandbox::load`](crate::Sandbox::load) accepts only
/// this type, and hashing the bytes is the only way to make one. The digest must come from a peer
/// that this process trusts to run code here.
#[derive(Clone)]
pub struct VerifiedArtifact {
    bytes: Bytes,
    digest: Digest,
}

impl VerifiedArtifact {
    /// Hashes `bytes`, and accepts them if their digest is `digest`.
    pub fn verify(bytes: Bytes, digest: Digest) -> Result<Self, WrongDigest> {
        match Digest::of(&bytes) {
            actual if actual == digest => Ok(Self { bytes, digest }),
            actual => Err(WrongDigest {
                wanted: digest,
                actual,
            }),
        }
    }

    /// Returns the artifact's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for VerifiedArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VerifiedArtifact({}, {} bytes)",
            self.digest.short(),
            self.bytes.len()
        )
    }
}

/// The bytes of an artifact do not have its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("artifact {wanted} has other bytes: their digest is {actual}")]
pub struct WrongDigest {
    /// The digest that the bytes should have.
    pub wanted: Digest,
    /// The digest that they have.
    pub actual: Digest,
}
