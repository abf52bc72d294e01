//! Streams for threads that may block.

use std::io::{self, Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::session::stream::{StreamReader, StreamWriter};

pub(super) struct BlockingReader(pub(super) StreamReader);

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        pollster::block_on(self.0.read(buffer))
    }
}

pub(super) struct BlockingWriter(pub(super) StreamWriter);

impl Write for BlockingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        pollster::block_on(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
