//! Bytes on their way to the agent.

use std::io;

use tokio::io::AsyncWriteExt;
use wxec_protocol::{ControllerConnection, Splice};

use crate::session::transport::Writer;

/// One transmission, as far as it has not left.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    /// A part of a blob that the hop inserts behind the bytes.
    splice: Option<Splice>,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.written == self.bytes.len() && self.splice.is_none()
    }

    /// Takes the next transmission. The last one must have left.
    pub(super) fn fill(&mut self, connection: &mut ControllerConnection) {
        self.bytes.clear();
        self.written = 0;
        self.splice = connection.poll_transmit(&mut self.bytes);
    }

    /// Writes some of the bytes. If none are left, writes the bytes that the hop is to splice in
    /// behind them.
    pub(super) async fn write(&mut self, writer: &mut Writer) -> io::Result<()> {
        let bytes = &self.bytes[self.written..];
        match self.splice {
            Some(splice) if bytes.is_empty() => {
                writer.splice(splice).await?;
                self.splice = None;
            }
            _ => match writer.write(bytes).await? {
                0 => return Err(io::Error::other("the agent no longer listens")),
                length => self.written += length,
            },
        }
        Ok(())
    }
}
