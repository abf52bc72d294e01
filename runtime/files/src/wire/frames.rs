//! Frames between the two roles, like those of a session, on a stream of bytes.

use std::{
    io::{self, Read, Write},
    ops::Range,
};

use serde::{Deserialize, Serialize};
use wxec_protocol::{read_frame, write_frame};

use crate::TransferEnd;

/// The longest frame: an announcement with the longest names and links, or content and its header.
pub(crate) const MAX_FRAME_BYTES: usize = 256 << 10;

/// Frames are written once they have this many bytes: most are much shorter.
const WRITTEN_BYTES: usize = 128 << 10;

/// Bytes of the length before each message.
const HEAD_BYTES: usize = 4;

/// Reads messages, which stay where they were read to.
pub(crate) struct FrameReader<R> {
    reader: R,
    /// Room for the longest frame.
    buffer: Vec<u8>,
    /// The bytes of the buffer that were read and belong to no message yet.
    unread: Range<usize>,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; HEAD_BYTES + MAX_FRAME_BYTES],
            unread: 0..0,
        }
    }

    /// Waits for the next message.
    pub(crate) fn receive<'a, M: Deserialize<'a>>(&'a mut self) -> Result<M, TransferEnd> {
        let head = self.take(HEAD_BYTES)?;
        let length = head
            .first_chunk()
            .map_or(0, |head| u32::from_le_bytes(*head)) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(TransferEnd::Malformed("a frame is too long"));
        }
        let frame = self.take(length)?;
        read_frame(frame).map_err(|_| TransferEnd::Malformed("a frame is no message"))
    }

    /// Waits for the next bytes, no more than the buffer has room for.
    fn take(&mut self, length: usize) -> Result<&[u8], TransferEnd> {
        if self.unread.len() < length {
            if self.unread.is_empty() || self.unread.start + length > self.buffer.len() {
                self.buffer.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            }
            self.read_until(length)?;
        }
        let start = self.unread.start;
        self.unread.start += length;
        Ok(&self.buffer[start..start + length])
    }

    /// Reads until this many bytes are there.
    fn read_until(&mut self, length: usize) -> Result<(), TransferEnd> {
        while self.unread.len() < length {
            match self.reader.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => return Err(TransferEnd::Closed),
                Ok(read) => self.unread.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ended(&error)),
            }
        }
        Ok(())
    }
}

/// A stream ends in one of two ways: the other end gave up, which closes the stream, or the link
/// was cut, which is an error.
fn ended(error: &io::Error) -> TransferEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TransferEnd::Closed,
        _ => TransferEnd::Cut,
    }
}

/// Writes messages. After the first error it writes nothing more: the reading side will learn the
/// reason.
pub(crate) struct FrameWriter<W: Write> {
    writer: W,
    /// Frames that were not written yet.
    frames: Vec<u8>,
    broken: bool,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self {
            writer,
            frames: Vec::new(),
            broken: false,
        }
    }

    /// Adds a message, which is sent when there are enough or they are flushed.
    pub(crate) fn send<M: Serialize>(&mut self, message: &M) {
        let before = self.frames.len();
        write_frame(message, &mut self.frames);
        debug_assert!(self.frames.len() - before <= HEAD_BYTES + MAX_FRAME_BYTES);
        if self.frames.len() >= WRITTEN_BYTES {
            self.write();
        }
    }

    /// Sends the messages. Returns true if the other end still takes them.
    pub(crate) fn flush(&mut self) -> bool {
        self.write();
        self.broken = self.broken || self.writer.flush().is_err();
        !self.broken
    }

    fn write(&mut self) {
        self.broken = self.broken || self.writer.write_all(&self.frames).is_err();
        self.frames.clear();
    }

    /// Returns true if the other end takes no more messages.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}

/// Sends what waits: no message is lost to an early return.
impl<W: Write> Drop for FrameWriter<W> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.flush();
        }
    }
}
