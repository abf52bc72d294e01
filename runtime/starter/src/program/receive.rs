//! Takes an image from stdin: unpacks it, hashes it and writes it, while the rest is on its way.

use core::slice;

use rustix::{
    fd::OwnedFd,
    io::{Errno, pread, write},
    mm::{MapFlags, ProtFlags, mmap_anonymous},
};
use sha2::{Digest as _, Sha256};
use wxec_starter::{
    filter::Part,
    frames,
    zstd::{
        BLOCK_HEADER_BYTES, BlockHeader, Damaged, Decoder, MAX_BLOCK_BYTES, SLACK_BYTES,
        frame_header_rest,
    },
};

use super::{
    Failure,
    input::{DIGEST_BYTES, Digest, Header, read_exact},
};

/// Length of the first part of a frame's header.
const FRAME_HEADER_BYTES: usize = 5;

impl From<Damaged> for Failure {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// Writes the image to `file`. Returns its digest.
pub(super) fn receive(header: &Header, file: &OwnedFd) -> Result<Digest, Failure> {
    let mut written = Written {
        file,
        hasher: Sha256::new(),
    };
    if header.is_packed {
        unpack(header, &mut written)?;
    } else {
        copy(header.bytes, &mut written)?;
    }
    Ok(hexadecimal(written.hasher))
}

fn copy(bytes: usize, written: &mut Written<'_>) -> Result<(), Failure> {
    let mut buffer = [0; MAX_BLOCK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let part = &mut buffer[..left.min(MAX_BLOCK_BYTES)];
        read_exact(part)?;
        written.add(part)?;
        left -= part.len();
    }
    Ok(())
}

/// Unpacks a frame, and checks that it fills exactly the bytes that were announced.
fn unpack(header: &Header, written: &mut Written<'_>) -> Result<(), Failure> {
    let mut input = Input {
        left: header.sent_bytes,
    };
    let mut first = [0; FRAME_HEADER_BYTES];
    input.take(&mut first)?;
    let mut block = [0; MAX_BLOCK_BYTES];
    input.take(&mut block[..frame_header_rest(first)?])?;

    let output = memory(header.bytes + SLACK_BYTES).ok_or(Failure::NoRoom)?;
    let mut image = Image {
        bytes: memory(header.bytes).ok_or(Failure::NoRoom)?,
        turned: 0,
        written: 0,
    };
    let (mut decoder, mut at) = (Decoder::default(), 0);
    loop {
        let mut start = [0; BLOCK_HEADER_BYTES];
        input.take(&mut start)?;
        let start = BlockHeader::read(start)?;
        let block = &mut block[..start.bytes];
        input.take(block)?;
        let end = decoder.decode(start, block, output, at)?;
        // The decoder needs what it made as it was.
        image.bytes[at..end].copy_from_slice(&output[at..end]);
        image.turn(end, written)?;
        at = end;
        if start.is_last {
            break;
        }
    }
    if at == header.bytes && input.left == 0 {
        Ok(())
    } else {
        Err(Failure::Damaged)
    }
}

/// An image, while the filters are undone.
struct Image {
    bytes: &'static mut [u8],
    /// Number of bytes of which the filter for code is undone.
    turned: usize,
    written: usize,
}

impl Image {
    /// Undoes the filters for the bytes up to `end`, as far as that is possible, and writes what is
    /// done.
    fn turn(&mut self, end: usize, written: &mut Written<'_>) -> Result<(), Failure> {
        let part = Part {
            start: self.turned,
            total: self.bytes.len(),
        };
        self.turned += Header::CODE.to_distances(&mut self.bytes[self.turned..end], part);
        let turned = &mut self.bytes[..self.turned];
        if self.written == 0 {
            let enough = frames::segment_bytes(turned).max(frames::HEADERS_BYTES);
            if turned.len() < enough.min(part.total) {
                return Ok(());
            }
            frames::to_numbers(turned);
        }
        written.add(&turned[self.written..])?;
        self.written = self.turned;
        Ok(())
    }
}

/// The bytes of a frame on stdin. Those behind them are for the agent.
struct Input {
    left: usize,
}

impl Input {
    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Failure> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(Failure::Damaged)?;
        read_exact(bytes)
    }
}

/// A file that is being written.
struct Written<'a> {
    file: &'a OwnedFd,
    hasher: Sha256,
}

impl Written<'_> {
    /// Hashes and writes bytes.
    fn add(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.hasher.update(bytes);
        while !bytes.is_empty() {
            match write(self.file, bytes) {
                Ok(length @ 1..) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                _ => return Err(Failure::NoRoom),
            }
        }
        Ok(())
    }
}

/// Returns the digest of a file.
pub(super) fn digest_of(file: &OwnedFd) -> Option<Digest> {
    let (mut hasher, mut buffer, mut at) = (Sha256::new(), [0; MAX_BLOCK_BYTES], 0);
    loop {
        match pread(file, &mut buffer, at) {
            Ok(0) => return Some(hexadecimal(hasher)),
            Ok(length) => {
                hasher.update(&buffer[..length]);
                at += length as u64;
            }
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

fn hexadecimal(hasher: Sha256) -> Digest {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    let mut digest = [0; DIGEST_BYTES];
    for (digits, byte) in digest.chunks_exact_mut(2).zip(hasher.finalize()) {
        digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    digest
}

/// Takes memory from the system, until the program ends.
fn memory(bytes: usize) -> Option<&'static mut [u8]> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // All pages at once, because each will be written to.
    let kind = MapFlags::PRIVATE | MapFlags::POPULATE;
    // SAFETY: the system chooses pages that nothing uses, fills them with zeros, and keeps them for
    // as long as this process runs.
    unsafe {
        let start = mmap_anonymous(core::ptr::null_mut(), bytes, access, kind).ok()?;
        Some(slice::from_raw_parts_mut(start.cast(), bytes))
    }
}
