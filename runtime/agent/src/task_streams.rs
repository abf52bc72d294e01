//! What a task sends and receives: the guest's ends of the streams of its call.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    task::JoinHandle,
};
use wxec_protocol::{StreamEnd, StreamId};

use crate::streams::{Drained, Exit, StreamEvent, Streams};

/// What waits between a guest and the stream's window, each way. A task that sends faster than its caller takes stops
/// when both are full.
const PIPE_BYTES: usize = 64 << 10;

/// The guest's end of a stream.
pub(crate) struct GuestEnd {
    received: DuplexStream,
    sent: DuplexStream,
    /// The guest closed it, rather than that it ended with its call.
    closed_here: Arc<AtomicBool>,
    /// The controller closed it. What is still in the pipe then is for nobody.
    closed_there: Arc<AtomicBool>,
}

/// Joins a guest to one of the streams of its call. The task carries what the guest sends, and ends with its end.
pub(crate) fn join(id: StreamId, streams: &mut Streams, runs: Exit) -> (GuestEnd, JoinHandle<Drained>) {
    // Of each pair one direction is used: dropping one end of it ends the other.
    let (received, writer) = duplex(PIPE_BYTES);
    let (sent, reader) = duplex(PIPE_BYTES);
    let closed_here = Arc::<AtomicBool>::default();
    let end = GuestEnd { received, sent, closed_here: closed_here.clone(), closed_there: streams.cut(id) };
    streams.feed(id, writer);
    let drained = streams.drain(id, reader, runs);
    let events = streams.events().clone();
    let carried = tokio::spawn(async move {
        let drained = drained.await.unwrap_or(Drained::Ended);
        if closed_here.load(SeqCst) {
            let _ = events.send(StreamEvent::End { id, end: StreamEnd::Closed });
        }
        drained
    });
    (end, carried)
}

impl AsyncRead for GuestEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.received).poll_read(context, buffer)
    }
}

impl AsyncWrite for GuestEnd {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.closed_there.load(SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.sent).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed_here.store(true, SeqCst);
        Poll::Ready(Ok(()))
    }
}
