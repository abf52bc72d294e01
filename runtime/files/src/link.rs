//! Frames between the two roles: a `u32` length, little endian, then one message in postcard's encoding.

use std::io::{self, BufReader, BufWriter, Read, Write};

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::TransferEnd;

/// No frame is longer: an announcement with the longest names and links, or content and its head.
pub(crate) const MAX_FRAME_BYTES: usize = 256 << 10;

/// What is read or written at once: most frames are much shorter.
const BUFFER_BYTES: usize = 128 << 10;

/// Reads messages.
pub(crate) struct FrameReader<R> {
    reader: BufReader<R>,
    frame: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), frame: Vec::new() }
    }

    /// Waits for the next message.
    pub(crate) fn receive<'a, M: Deserialize<'a>>(&'a mut self) -> Result<M, TransferEnd> {
        let mut head = [0; 4];
        self.reader.read_exact(&mut head).map_err(|error| ended(&error))?;
        let length = u32::from_le_bytes(head) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(TransferEnd::Malformed("a frame is too long"));
        }
        self.frame.resize(length, 0);
        self.reader.read_exact(&mut self.frame).map_err(|error| ended(&error))?;
        match postcard::take_from_bytes(&self.frame) {
            Ok((message, [])) => Ok(message),
            _ => Err(TransferEnd::Malformed("a frame is no message")),
        }
    }
}

/// The end of a stream is one of two: somebody gave up, which ends it, or there is no link any more, which is an error.
fn ended(error: &io::Error) -> TransferEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TransferEnd::Closed,
        _ => TransferEnd::Cut,
    }
}

/// Writes messages. After the first error it writes nothing more: who reads will learn why.
pub(crate) struct FrameWriter<W: Write> {
    writer: BufWriter<W>,
    frame: Vec<u8>,
    broken: bool,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer: BufWriter::with_capacity(BUFFER_BYTES, writer), frame: Vec::new(), broken: false }
    }

    /// Says something, when the buffer is full or flushed.
    pub(crate) fn say<M: Serialize>(&mut self, message: &M) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend([0; 4]);
        let mut frame = postcard::serialize_with_flavor(message, Wire(frame)).expect("our own messages encode");
        let length = u32::try_from(frame.len() - 4).expect("our own frames are short");
        debug_assert!(length as usize <= MAX_FRAME_BYTES, "{length}");
        frame[..4].copy_from_slice(&length.to_le_bytes());
        self.broken = self.broken || self.writer.write_all(&frame).is_err();
        self.frame = frame;
    }

    /// Sends what was said. Returns whether anybody takes it.
    pub(crate) fn flush(&mut self) -> bool {
        self.broken = self.broken || self.writer.flush().is_err();
        !self.broken
    }

    /// Whether nobody takes anything any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}

/// Appends content in one piece; postcard's own way to a vector goes byte by byte.
struct Wire(Vec<u8>);

impl Flavor for Wire {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}
