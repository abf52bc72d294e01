//! Bytes on their way to the agent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;
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

    /// Writes some of the bytes. If none are left, writes some of those that the hop is to splice
    /// in behind them.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        writer: &mut Writer,
    ) -> Poll<io::Result<()>> {
        let bytes = &self.bytes[self.written..];
        if let Some(splice) = self.splice.as_mut().filter(|_| bytes.is_empty()) {
            ready!(writer.poll_splice(context, splice))?;
            self.splice = self.splice.filter(|rest| rest.length > 0);
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(writer).poll_write(context, bytes))? {
            0 => Poll::Ready(Err(io::Error::other("the agent no longer listens"))),
            length => {
                self.written += length;
                Poll::Ready(Ok(()))
            }
        }
    }
}
