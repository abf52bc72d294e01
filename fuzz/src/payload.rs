//! Payloads in which every byte tells its position, and which cost nothing to make.

use std::sync::LazyLock;

use bytes::Bytes;
use wxec_protocol::{CHUNK_BYTES, Digest, STREAM_WINDOW_BYTES, TRANSMIT_BYTES};

/// A prime, so that no two parts of a payload are alike at the borders of chunks.
const PERIOD: usize = 251;

static ENDLESS: LazyLock<Bytes> =
    LazyLock::new(|| (0..=250).cycle().take(LONGEST + PERIOD).collect());

#[expect(clippy::cast_possible_truncation, reason = "1 MiB")]
const LONGEST: usize = STREAM_WINDOW_BYTES as usize;

/// Returns `length` bytes, at most a window, from position `offset` of an endless payload.
pub(crate) fn payload(offset: u64, length: usize) -> Bytes {
    let start = (offset % PERIOD as u64) as usize;
    ENDLESS.slice(start..start + length)
}

/// Returns a length: mostly a short one, or one next to a limit.
pub(crate) fn length(byte: u8) -> usize {
    const LONG: [usize; 8] = [
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        2 * CHUNK_BYTES,
        TRANSMIT_BYTES,
        TRANSMIT_BYTES + 1,
        LONGEST / 2 + 1,
        LONGEST,
    ];
    LONG.get(usize::from(byte).wrapping_sub(248))
        .copied()
        .unwrap_or(byte.into())
}

/// An artifact that calls may name, or a blob.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

/// A short one, one of several parts, and an empty one.
static BLOBS: LazyLock<[Blob; 3]> = LazyLock::new(|| {
    [11, CHUNK_BYTES + 1, 0].map(|length| {
        let bytes = payload(length as u64, length);
        Blob {
            digest: Digest::of(&bytes),
            bytes,
        }
    })
});

/// Returns the blob with this number.
pub(crate) fn blob(which: u8) -> &'static Blob {
    &BLOBS[usize::from(which) % BLOBS.len()]
}

/// Returns the blob with this digest.
pub(crate) fn blob_of(digest: Digest) -> &'static Blob {
    BLOBS
        .iter()
        .find(|blob| blob.digest == digest)
        .expect("drivers know no others")
}
