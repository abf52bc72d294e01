//! The guest's ends of its call's streams, on which a task sends and receives items.

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

use super::{Drained, Exit, StreamEvent, Streams};
use crate::tasks::boxed;

/// Size of the pipe between a guest and the stream's window, in each direction. A task that sends
/// faster than its caller takes waits when both are full.
const PIPE_BYTES: usize = 64 << 10;

/// The guest's end of a stream.
pub(crate) struct GuestEnd {
    received: DuplexStream,
    sent: DuplexStream,
    /// True if the guest closed the stream, rather than the end of its call.
    closed_here: Arc<AtomicBool>,
    /// True if the controller closed the stream. Data still in the pipe then is dropped.
    closed_there: Arc<AtomicBool>,
}

/// Connects a guest to one stream of its call. The returned task carries the guest's data and ends
/// when the guest's end does.
pub(crate) fn connect(
    id: StreamId,
    streams: &mut Streams,
    runs: Exit,
) -> (GuestEnd, JoinHandle<Drained>) {
    // Each pair is used in one direction: dropping one end ends the other.
    let (received, writer) = duplex(PIPE_BYTES);
    let (sent, reader) = duplex(PIPE_BYTES);
    let closed_here = Arc::<AtomicBool>::default();
    let end = GuestEnd {
        received,
        sent,
        closed_here: closed_here.clone(),
        closed_there: streams.closed_flag(id),
    };
    streams.feed(id, writer);
    let drained = streams.drain(id, reader, runs);
    let events = streams.events().clone();
    let carried = tokio::spawn(boxed(async move {
        let drained = drained.await.unwrap_or(Drained::Ended);
        if closed_here.load(SeqCst) {
            let _ = events.send(StreamEvent::End {
                id,
                end: StreamEnd::Closed,
            });
        }
        drained
    }));
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
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
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
