//! Bytes on their way to the agent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;
use wxec_protocol::{ControllerConnection, Splice};

use crate::session::transport::Writer;

/// Room for bytes that an idle session keeps: a short call's. A fleet has thousands of sessions, and
/// each has sent an artifact.
const KEPT_BYTES: usize = 8 << 10;

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
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wxec_protocol::{CallRequest, Digest};

    use super::*;

    #[test]
    fn an_idle_session_keeps_no_room_for_its_artifact() {
        let mut connection = ControllerConnection::new();
        let artifact = Bytes::from(vec![7; 1 << 20]);
        let request = CallRequest::new(Digest::of(&artifact), "task", Bytes::new());
        connection.call_with_artifact(request, &artifact);
        let mut outgoing = Outgoing::default();
        let mut sent = 0;
        loop {
            outgoing.fill(&mut connection);
            if outgoing.is_empty() {
                break;
            }
            sent += outgoing.bytes.len();
            outgoing.written = outgoing.bytes.len();
        }
        assert!(sent > artifact.len());
        for _ in 0..3 {
            assert!(outgoing.bytes.capacity() <= KEPT_BYTES);
            connection.ping();
            outgoing.fill(&mut connection);
            outgoing.written = outgoing.bytes.len();
        }
    }
}
