//! Frames between the two roles, like those of a session, on a stream of bytes.

use std::io::{self, BufReader, BufWriter, Read, Write};

use serde::{Deserialize, Serialize};
use wxec_protocol::{read_frame, write_frame};

use crate::TransferEnd;

/// The longest frame: an announcement with the longest names and links, or content and its header.
pub(crate) const MAX_FRAME_BYTES: usize = 256 << 10;

/// Bytes that are read or written at once: most frames are much shorter.
const BUFFER_BYTES: usize = 128 << 10;

/// Reads messages.
pub(crate) struct FrameReader<R> {
    reader: BufReader<R>,
    frame: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            frame: Vec::new(),
        }
    }

    /// Waits for the next message.
    pub(crate) fn receive<'a, M: Deserialize<'a>>(&'a mut self) -> Result<M, TransferEnd> {
        let mut head = [0; 4];
        self.reader
            .read_exact(&mut head)
            .map_err(|error| ended(&error))?;
        let length = u32::from_le_bytes(head) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(TransferEnd::Malformed("a frame is too long"));
        }
        self.frame.resize(length, 0);
        self.reader
            .read_exact(&mut self.frame)
            .map_err(|error| ended(&error))?;
        read_frame(&self.frame).map_err(|_| TransferEnd::Malformed("a frame is no message"))
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
    writer: BufWriter<W>,
    frame: Vec<u8>,
    broken: bool,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self {
            writer: BufWriter::with_capacity(BUFFER_BYTES, writer),
            frame: Vec::new(),
            broken: false,
        }
    }

    /// Adds a message, which is sent when the buffer is full or flushed.
    pub(crate) fn send<M: Serialize>(&mut self, message: &M) {
        self.frame.clear();
        write_frame(message, &mut self.frame);
        debug_assert!(self.frame.len() <= MAX_FRAME_BYTES, "{}", self.frame.len());
        self.broken = self.broken || self.writer.write_all(&self.frame).is_err();
    }

    /// Sends the messages. Returns true if the other end still takes them.
    pub(crate) fn flush(&mut self) -> bool {
        self.broken = self.broken || self.writer.flush().is_err();
        !self.broken
    }

    /// Returns true if the other end takes no more messages.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}
