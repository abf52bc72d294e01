//! Blobs held for the next hop of a chain, so that a slow link before this host carries each of
//! them once.

use std::collections::HashMap;

use bytes::Bytes;
use wxec_protocol::{Digest, Splice};

use crate::ITSELF;

/// Total size of held blobs: a few dozen ordinary artifacts. A blob that does not fit travels the
/// whole chain, which also works.
const MAX_BYTES: usize = 64 << 20;

/// Blobs stay here until the conversation ends: the controller relies on it.
#[derive(Default)]
pub(crate) struct Blobs {
    held: HashMap<Digest, Bytes>,
    bytes: usize,
}

impl Blobs {
    /// Returns true if `digest` is held. This agent's own image is held from the first time it is
    /// asked for.
    pub(crate) fn holds(&mut self, digest: Digest) -> bool {
        self.held.contains_key(&digest)
            || std::fs::read(ITSELF).is_ok_and(|image| {
                Digest::of(&image) == digest && self.insert(digest, image.into())
            })
    }

    /// Holds a blob whose bytes match its digest. Returns false if there is no room.
    pub(crate) fn insert(&mut self, digest: Digest, bytes: Bytes) -> bool {
        if self.held.contains_key(&digest) {
            return true;
        }
        let fits = self.bytes + bytes.len() <= MAX_BYTES;
        if fits {
            self.bytes += bytes.len();
            self.held.insert(digest, bytes);
        }
        fits
    }

    /// Returns a part of a held blob.
    pub(crate) fn part(
        &self,
        Splice {
            blob,
            offset,
            length,
        }: Splice,
    ) -> Option<Bytes> {
        let blob = self.held.get(&blob)?;
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        (end <= blob.len()).then(|| blob.slice(start..end))
    }
}
