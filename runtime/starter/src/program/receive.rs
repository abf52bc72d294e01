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
    table::Table,
    zstd::{
        BLOCK_HEADER_BYTES, BlockHeader, Damaged, Decoder, MAX_BLOCK_BYTES, SLACK_BYTES,
        frame_header_rest,
    },
};

use super::{
    Failure,
    input::{DIGEST_BYTES, Digest, Header, read_exact},
};

/// Bytes that the filter may leave for the next part.
const CARRIED_BYTES: usize = 16;

/// Length of the first part of a frame's header.
const FRAME_HEADER_BYTES: usize = 5;

impl From<Damaged> for Failure {
    fn from(_: Damaged) -> Self {
        Self::Damaged
    }
}

/// Writes the image to `file`. Returns its digest.
pub(super) fn receive(header: &Header, file: &OwnedFd) -> Result<Digest, Failure> {
    let mut image = Written {
        file,
        hasher: Sha256::new(),
        buffer: [0; MAX_BLOCK_BYTES + CARRIED_BYTES],
        carried: 0,
        table: Table::default(),
        done: 0,
        total: header.bytes,
    };
    if header.is_packed {
        unpack(header, &mut image)?;
    } else {
        copy(header.bytes, &mut image)?;
    }
    Ok(hexadecimal(image.hasher))
}

fn copy(bytes: usize, image: &mut Written<'_>) -> Result<(), Failure> {
    let mut left = bytes;
    while left > 0 {
        let length = left.min(MAX_BLOCK_BYTES);
        read_exact(&mut image.buffer[..length])?;
        image.write(length)?;
        left -= length;
    }
    Ok(())
}

/// Unpacks a frame, and checks that it fills exactly the bytes that were announced.
fn unpack(header: &Header, image: &mut Written<'_>) -> Result<(), Failure> {
    let mut input = Input {
        left: header.sent_bytes,
    };
    let mut first = [0; FRAME_HEADER_BYTES];
    input.take(&mut first)?;
    let mut block = [0; MAX_BLOCK_BYTES];
    input.take(&mut block[..frame_header_rest(first)?])?;

    let output = memory(header.bytes + SLACK_BYTES).ok_or(Failure::NoRoom)?;
    let (mut decoder, mut at) = (Decoder::default(), 0);
    loop {
        let mut start = [0; BLOCK_HEADER_BYTES];
        input.take(&mut start)?;
        let start = BlockHeader::read(start)?;
        let block = &mut block[..start.bytes];
        input.take(block)?;
        let end = decoder.decode(start, block, output, at)?;
        image.add(&output[at..end])?;
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

/// An image that is being written.
struct Written<'a> {
    file: &'a OwnedFd,
    hasher: Sha256,
    /// A part of the image. The first bytes of it, `carried`, were left by the part before.
    buffer: [u8; MAX_BLOCK_BYTES + CARRIED_BYTES],
    carried: usize,
    table: Table,
    done: usize,
    total: usize,
}

impl Written<'_> {
    /// Undoes the filters for what follows, and writes it.
    fn add(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        for bytes in bytes.chunks(MAX_BLOCK_BYTES) {
            let end = self.carried + bytes.len();
            self.buffer[self.carried..end].copy_from_slice(bytes);
            let part = Part {
                start: self.done,
                total: self.total,
            };
            let done = Header::CODE.to_distances(&mut self.buffer[..end], part);
            let turned = &mut self.buffer[..done];
            if self.done == 0 {
                // A first block without the program headers would be a very short one.
                self.table = Table::find(turned);
            }
            self.table.to_numbers(turned, self.done);
            self.write(done)?;
            self.done += done;
            self.buffer.copy_within(done..end, 0);
            self.carried = end - done;
        }
        Ok(())
    }

    /// Hashes and writes the beginning of the buffer.
    fn write(&mut self, length: usize) -> Result<(), Failure> {
        let mut bytes = &self.buffer[..length];
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
