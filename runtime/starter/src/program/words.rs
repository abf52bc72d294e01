//! Text without memory of its own, and the lines that the controller listens for.

use core::ffi::CStr;

use rustix::{fd::BorrowedFd, io::write};

/// A text of bounded length. What does not fit is left out.
pub(super) struct Text {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Text {
    /// Nine places with the longest path that is usual, and the reasons.
    const MAX: usize = 2048;

    pub(super) fn new() -> Self {
        Self {
            bytes: [0; Self::MAX],
            length: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.length += length;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Returns the text as a path; `None` if it is too long for one.
    pub(super) fn path(&mut self) -> Option<&CStr> {
        let end = self.bytes.get_mut(self.length)?;
        *end = 0;
        CStr::from_bytes_until_nul(&self.bytes).ok()
    }
}

/// Answers the controller with a marked line.
pub(super) fn say(token: &CStr, words: &[&[u8]]) {
    let mut line = Text::new();
    line.push(b"WXEC1:");
    line.push(token.to_bytes());
    line.push(b":");
    words.iter().for_each(|word| line.push(word));
    // The end of the line matters more than that of the text.
    line.length = line.length.min(Text::MAX - 1);
    line.push(b"\n");
    // SAFETY: the file descriptor was open when the program began, and nothing closes it.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    print(stdout, line.bytes());
}

/// Says on stderr that the agent could not be executed.
pub(super) fn complain() {
    // SAFETY: as above.
    let stderr = unsafe { BorrowedFd::borrow_raw(2) };
    print(stderr, b"wxec-starter: the agent cannot be executed here\n");
}

fn print(file: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match write(file, bytes) {
            Ok(length @ 1..) => bytes = &bytes[length..],
            Err(rustix::io::Errno::INTR) => {}
            // No controller listens any more.
            _ => return,
        }
    }
}
