//! Fingerprints of content. A fingerprint depends on nothing but the content. Blocks of zeros cost
//! nothing: in a sparse file they are not even read.

use serde::{Deserialize, Serialize};
use wxec_protocol::{Digest, Hasher};

/// Blocks of this size that hold only zeros are counted; other blocks are hashed.
pub(crate) const BLOCK_BYTES: u64 = 64 << 10;

/// Up to this many zeros, the SHA-256 of the content itself is computed beside the fingerprint: a
/// quarter of a second.
const MAX_ZEROS_HASHED: u64 = 256 << 20;

const ZEROS: [u8; 4096] = [0; 4096];

/// The fingerprint of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fingerprint {
    /// The content has no block of zeros, and this SHA-256.
    Whole(Digest),
    /// The content has blocks of zeros. This is the SHA-256 of three things: the SHA-256 of the
    /// other blocks, that of the positions of the zeros, and the length.
    Sparse(Digest),
}

impl Fingerprint {
    pub(crate) fn of(content: &[u8]) -> Self {
        let mut hasher = ContentHasher::default();
        hasher.update(content);
        hasher.fingerprint()
    }
}

/// A fingerprint that grows with content.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentHasher {
    length: u64,
    /// Zeros at the end, from the beginning of a block on. They are counted if they fill a block.
    zeros: u64,
    /// Everything except blocks of zeros.
    rest: Hasher,
    /// Offsets and lengths of blocks of zeros, once there are any.
    holes: Option<Hasher>,
    /// The content itself, once it differs from `rest`. `None` if its SHA-256 is not asked for.
    sha256: Option<Whole>,
}

#[derive(Debug, Clone, Default)]
struct Whole {
    hasher: Option<Hasher>,
    zeros: u64,
}

impl ContentHasher {
    /// Makes a hasher that also computes the SHA-256 of the content.
    pub(crate) fn with_sha256() -> Self {
        Self {
            sha256: Some(Whole::default()),
            ..Self::default()
        }
    }

    /// Starts again from nothing.
    pub(crate) fn restart(&mut self) {
        *self = Self {
            sha256: self.sha256.take().map(|_| Whole::default()),
            ..Self::default()
        };
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Adds `bytes`.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room =
                usize::try_from(BLOCK_BYTES - self.length % BLOCK_BYTES).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if self.is_blank() && is_zero(now) {
                self.zeros += now.len() as u64;
            } else {
                self.count_zeros();
                self.hash(now);
            }
            self.length += now.len() as u64;
            bytes = later;
        }
    }

    /// Adds `count` zeros.
    pub(crate) fn update_zeros(&mut self, mut count: u64) {
        if !self.is_blank() {
            let now = count.min(BLOCK_BYTES - self.length % BLOCK_BYTES);
            self.hash_zeros(now);
            self.length += now;
            count -= now;
        }
        self.zeros += count;
        self.length += count;
    }

    /// Returns the fingerprint of everything added.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.clone().finish().0
    }

    /// Returns the fingerprint, and the SHA-256 of the content if it is known.
    pub(crate) fn finish(mut self) -> (Fingerprint, Option<Digest>) {
        self.count_zeros();
        let rest = self.rest.finish();
        match self.holes {
            None => (Fingerprint::Whole(rest), Some(rest)),
            Some(holes) => {
                let parts = [
                    rest.as_bytes(),
                    holes.finish().as_bytes(),
                    &self.length.to_le_bytes()[..],
                ]
                .concat();
                let sha256 = self
                    .sha256
                    .and_then(|whole| whole.hasher)
                    .map(Hasher::finish);
                (Fingerprint::Sparse(Digest::of(&parts)), sha256)
            }
        }
    }

    /// Returns true if the current block has only zeros so far.
    fn is_blank(&self) -> bool {
        self.zeros > 0 || self.length.is_multiple_of(BLOCK_BYTES)
    }

    /// Adds the zeros that were held back: full blocks are counted, the beginning of a block is
    /// hashed like other bytes.
    fn count_zeros(&mut self) {
        let zeros = std::mem::take(&mut self.zeros);
        let (rest, blocks) = (zeros % BLOCK_BYTES, zeros - zeros % BLOCK_BYTES);
        if blocks > 0 {
            if let Some(whole) = &mut self.sha256 {
                if self.holes.is_none() {
                    whole.hasher = Some(self.rest.clone());
                }
                whole.zeros = whole.zeros.saturating_add(blocks);
                whole.hasher = whole
                    .hasher
                    .take()
                    .filter(|_| whole.zeros <= MAX_ZEROS_HASHED);
                whole
                    .hasher
                    .iter_mut()
                    .for_each(|hasher| zeros_into(hasher, blocks));
            }
            let holes = self.holes.get_or_insert_default();
            holes.update(&(self.length - zeros).to_le_bytes());
            holes.update(&blocks.to_le_bytes());
        }
        self.hash_zeros(rest);
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.rest.update(bytes);
        self.whole()
            .iter_mut()
            .for_each(|hasher| hasher.update(bytes));
    }

    fn hash_zeros(&mut self, count: u64) {
        zeros_into(&mut self.rest, count);
        self.whole()
            .iter_mut()
            .for_each(|hasher| zeros_into(hasher, count));
    }

    fn whole(&mut self) -> Option<&mut Hasher> {
        self.sha256.as_mut().and_then(|whole| whole.hasher.as_mut())
    }
}

fn zeros_into(hasher: &mut Hasher, mut count: u64) {
    while count > 0 {
        let now = count.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..usize::try_from(now).unwrap_or(ZEROS.len())]);
        count -= now;
    }
}

/// Returns true if all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| *chunk == [0; 64]) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const BLOCK: usize = 64 << 10;

    fn whole(content: &[u8]) -> (Fingerprint, Option<Digest>) {
        let mut hasher = ContentHasher::with_sha256();
        hasher.update(content);
        assert_eq!(hasher.length(), content.len() as u64);
        hasher.finish()
    }

    #[test]
    fn content_without_blocks_of_zeros_has_its_sha256() {
        let mut zeros = vec![0; 2 * BLOCK];
        zeros[1000] = 1;
        zeros[2 * BLOCK - 1] = 1;
        for content in [&b""[..], b"hello", &[0; 1000], &zeros] {
            assert_eq!(
                whole(content),
                (
                    Fingerprint::Whole(Digest::of(content)),
                    Some(Digest::of(content))
                )
            );
        }
    }

    #[test]
    fn zeros_beyond_some_cost_nothing() {
        let mut hasher = ContentHasher::with_sha256();
        hasher.update(b"begin");
        hasher.update_zeros(1 << 60);
        hasher.update(b"end");
        assert!(matches!(hasher.finish(), (Fingerprint::Sparse(_), None)));
    }

    #[test]
    fn other_content_has_another_fingerprint() {
        let block = [1; BLOCK].as_slice();
        let zeros = [0; BLOCK].as_slice();
        let contents = [
            vec![],
            vec![zeros],
            vec![zeros, zeros],
            vec![block],
            vec![block, zeros],
            vec![zeros, block],
            vec![zeros, block, zeros],
            vec![block, zeros, block],
            vec![zeros, block, block],
            vec![zeros, &zeros[1..]],
            vec![&zeros[1..], zeros],
        ];
        let prints: Vec<_> = contents
            .iter()
            .map(|parts| whole(&parts.concat()).0)
            .collect();
        for (index, print) in prints.iter().enumerate() {
            let same = prints.iter().filter(|other| *other == print).count();
            // The last two are equal: the same number of zeros.
            assert_eq!(
                same,
                if index < prints.len() - 2 { 1 } else { 2 },
                "{index}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        /// Content has the same fingerprint however it is cut, and with zeros as bytes or as a
        /// number.
        #[test]
        fn only_the_content_counts(runs in vec((any::<u8>(), 0..3 * BLOCK, any::<bool>()), 0..6)) {
            let mut content = Vec::new();
            let mut hasher = ContentHasher::with_sha256();
            for (byte, length, counted) in runs {
                let byte = byte % 2;
                let run = vec![byte; length];
                content.extend(&run);
                if byte == 0 && counted {
                    hasher.update_zeros(length as u64);
                } else {
                    run.chunks(40_000).for_each(|part| hasher.update(part));
                }
            }
            let (print, sha256) = hasher.finish();
            prop_assert_eq!((print, sha256), whole(&content));
            prop_assert_eq!(sha256, Some(Digest::of(&content)));
        }
    }
}
