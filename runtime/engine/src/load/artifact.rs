//! Artifacts: modules compiled to machine code, and proof that an artifact's bytes have its digest.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use wxec_protocol::{Digest, MAX_MODULE_BYTES};
use wxec_starter::zstd::{Frame, SLACK_BYTES};

/// The bytes of an artifact, checked against its digest.
///
/// An artifact is machine code that will run in this process, and wasmtime does not detect damage:
/// one flipped bit loads without complaint. So [`Sandbox::load`](crate::Sandbox::load) accepts only
/// this type, and hashing the bytes is the only way to make one. The digest must come from a peer
/// that this process trusts to run code here.
///
/// The bytes may be a zstd frame with the artifact in it. Then they are what has the digest.
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

    /// Returns the length of the artifact once it is unpacked.
    pub fn unpacked_bytes(&self) -> usize {
        match self.frame() {
            Some(Ok(frame)) => frame.length(),
            _ => self.bytes.len(),
        }
    }

    /// Returns the artifact, unpacked if it was packed.
    pub(crate) fn unpack(&self) -> Result<Cow<'_, [u8]>, Damaged> {
        let Some(frame) = self.frame() else {
            return Ok(Cow::Borrowed(&self.bytes));
        };
        let frame = frame?;
        let length = frame.length();
        if length as u64 > MAX_MODULE_BYTES {
            return Err(Damaged);
        }
        let mut artifact = vec![0; length + SLACK_BYTES];
        frame.decode(&mut artifact).map_err(|_| Damaged)?;
        artifact.truncate(length);
        Ok(Cow::Owned(artifact))
    }

    /// Returns the frame that the bytes are, if they begin like one. Other artifacts begin like ELF
    /// files.
    fn frame(&self) -> Option<Result<Frame<'_>, Damaged>> {
        let is_packed = self.bytes.starts_with(Frame::MAGIC);
        is_packed.then(|| Frame::read(&self.bytes).map_err(|_| Damaged))
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

/// An artifact cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the artifact is packed, but not by a controller of this build")]
pub(crate) struct Damaged;

/// The bytes of an artifact do not have its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("artifact {wanted} has other bytes: their digest is {actual}")]
pub struct WrongDigest {
    /// The digest that the bytes should have.
    pub wanted: Digest,
    /// The digest that they have.
    pub actual: Digest,
}
