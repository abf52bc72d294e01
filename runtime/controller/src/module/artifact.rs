//! A module compiled for one target, and the bytes of a cache entry that holds it.

use bytes::Bytes;
use wxec_protocol::Digest;

/// A module compiled for one target.
#[derive(Clone)]
pub(crate) struct Artifact {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

/// Length of the digest in an entry, which is the artifact's digest, then the artifact.
const HEAD: usize = 32;

impl Artifact {
    /// Creates an artifact from a compiler's output.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }

    /// Returns the artifact in an entry, or `None` if the entry is damaged.
    pub(crate) fn from_entry(entry: Bytes) -> Option<Self> {
        let digest = Digest::from_bytes(*entry.first_chunk::<HEAD>()?);
        let artifact = Self::new(entry.slice(HEAD..));
        (artifact.digest == digest).then_some(artifact)
    }

    /// Returns its cache entry, in two pieces.
    pub(crate) fn entry(&self) -> [&[u8]; 2] {
        [self.digest.as_bytes(), &self.bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_makes_an_entry_worthless() {
        let artifact = Artifact::new(Bytes::from_static(b"native code"));
        let entry = artifact.entry().concat();
        assert!(
            Artifact::from_entry(entry.clone().into())
                .is_some_and(|found| found.bytes == artifact.bytes)
        );
        for bit in 0..entry.len() * 8 {
            let mut damaged = entry.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Artifact::from_entry(damaged.into()).is_none(), "bit {bit}");
        }
        assert!(Artifact::from_entry(entry[..10].to_vec().into()).is_none());
    }
}
