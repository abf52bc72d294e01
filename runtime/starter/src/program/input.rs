//! Stdin: the description of an image, and its bytes.

use rustix::{
    fd::BorrowedFd,
    io::{Errno, read},
};
use wxec_starter::filter::Code;

use super::Failure;

/// Length of a digest in hexadecimal.
pub(super) const DIGEST_BYTES: usize = 64;

/// A digest in hexadecimal.
pub(super) type Digest = [u8; DIGEST_BYTES];

/// The largest image: of an agent with debug information.
const MAX_IMAGE_BYTES: usize = 512 << 20;

/// Length of the longest line that describes an image.
const MAX_LINE_BYTES: usize = 160;

/// The description of an image, a line of words: `zstd` or `raw`, the number of bytes that follow
/// the line, the number of bytes that the image has, its digest, and `keep` or `-`.
pub(super) struct Header {
    pub(super) is_packed: bool,
    pub(super) sent_bytes: usize,
    pub(super) bytes: usize,
    pub(super) digest: Digest,
    pub(super) is_kept: bool,
}

impl Header {
    pub(super) fn read() -> Result<Self, Failure> {
        let mut line = [0; MAX_LINE_BYTES];
        let mut length = 0;
        loop {
            let byte = line.get_mut(length).ok_or(Failure::Controller)?;
            read_exact(core::slice::from_mut(byte))?;
            if *byte == b'\n' {
                return Self::parse(&line[..length]).ok_or(Failure::Controller);
            }
            length += 1;
        }
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let mut word = || words.next();
        let header = Self {
            is_packed: word()? == b"zstd",
            sent_bytes: number(word()?)?,
            bytes: number(word()?)?,
            digest: word()?.try_into().ok()?,
            is_kept: word()? == b"keep",
        };
        (header.is_packed || header.sent_bytes == header.bytes).then_some(header)
    }

    /// The code in images for this machine.
    pub(super) const CODE: Code = if cfg!(target_arch = "aarch64") {
        Code::Aarch64
    } else {
        Code::X86_64
    };
}

fn number(word: &[u8]) -> Option<usize> {
    let number = core::str::from_utf8(word).ok()?.parse().ok()?;
    (number <= MAX_IMAGE_BYTES).then_some(number)
}

/// Reads exactly as many bytes as there is room for.
pub(super) fn read_exact(mut bytes: &mut [u8]) -> Result<(), Failure> {
    // SAFETY: the file descriptor was open when the program began, and nothing closes it.
    let stdin = unsafe { BorrowedFd::borrow_raw(0) };
    while !bytes.is_empty() {
        match read(stdin, &mut *bytes) {
            Ok(length @ 1..) => bytes = &mut bytes[length..],
            Err(Errno::INTR) => {}
            _ => return Err(Failure::Controller),
        }
    }
    Ok(())
}
