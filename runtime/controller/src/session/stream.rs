//! Streams of a session, as pipes: the input and output of a process on the other machine.

use std::{
    collections::VecDeque,
    io, mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};
use wxec_protocol::{CHUNK_BYTES, Splice, StreamId};

use crate::{
    base::sync::lock,
    session::command::{StreamCommand, StreamCommands},
};

/// Bytes that a stream brought and its reader has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<InboxState>);

#[derive(Debug, Default)]
struct InboxState {
    unread: Unread,
    end: Option<InboxEnd>,
    waiting: Option<Waker>,
}

/// Pieces of at least this size are kept as they came. Smaller ones share a buffer, because the
/// other end may send byte by byte.
const WHOLE_BYTES: usize = 4 << 10;

/// Unread bytes.
#[derive(Debug, Default)]
struct Unread {
    first: VecDeque<Bytes>,
    /// Small pieces, behind `first`.
    last: BytesMut,
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.last.is_empty()
    }

    fn push(&mut self, bytes: Bytes) {
        if bytes.len() < WHOLE_BYTES {
            return self.last.extend_from_slice(&bytes);
        }
        if !self.last.is_empty() {
            self.first.push_back(self.last.split().freeze());
        }
        self.first.push_back(bytes);
    }

    /// Moves as many bytes to `buffer` as it has room for. Returns how many.
    fn take(&mut self, buffer: &mut ReadBuf<'_>) -> usize {
        let before = buffer.filled().len();
        while let Some(piece) = self.first.front_mut() {
            put(piece, buffer);
            if !piece.is_empty() {
                break;
            }
            self.first.pop_front();
        }
        if self.first.is_empty() {
            put(&mut self.last, buffer);
        }
        buffer.filled().len() - before
    }
}

/// Moves the beginning of `bytes` to `buffer`.
fn put(bytes: &mut impl Buf, buffer: &mut ReadBuf<'_>) {
    let length = bytes.remaining().min(buffer.remaining());
    bytes.copy_to_slice(buffer.initialize_unfilled_to(length));
    buffer.advance(length);
}

#[derive(Debug, Clone, Copy)]
enum InboxEnd {
    Finished,
    Lost,
}

impl Inbox {
    pub(crate) fn push(&self, bytes: Bytes) {
        self.change(|state| state.unread.push(bytes));
    }

    /// Marks the end of the stream.
    pub(crate) fn finish(&self) {
        self.change(|state| _ = state.end.get_or_insert(InboxEnd::Finished));
    }

    /// Marks the stream as broken off, because the session no longer serves it.
    pub(crate) fn lose(&self) {
        self.change(|state| _ = state.end.get_or_insert(InboxEnd::Lost));
    }

    fn is_empty(&self) -> bool {
        lock(&self.0).unread.is_empty()
    }

    fn change(&self, change: impl FnOnce(&mut InboxState)) {
        let mut state = lock(&self.0);
        change(&mut state);
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    /// Moves unread bytes to `buffer`; returns how many, which is 0 at the end.
    fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.0);
        match state.end {
            _ if !state.unread.is_empty() => Poll::Ready(Ok(state.unread.take(buffer))),
            Some(InboxEnd::Finished) => Poll::Ready(Ok(0)),
            Some(InboxEnd::Lost) => Poll::Ready(Err(io::Error::other("the hop before it is lost"))),
            None => {
                state.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A reader tells the driver of what it has taken in shares of the stream's first window: the driver
/// announces no less as credit.
const TAKEN_SHARE: u64 = 4;

/// Reads from a stream.
pub(crate) struct StreamReader {
    id: StreamId,
    commands: StreamCommands,
    inbox: Arc<Inbox>,
    /// Bytes that were taken, and that the driver does not know of.
    taken: u64,
}

/// Credit of a stream: the bytes that may be sent now. The session's driver adds to it.
#[derive(Debug, Default)]
pub(crate) struct Window(Mutex<WindowState>);

#[derive(Debug, Default)]
struct WindowState {
    bytes: u64,
    closed: bool,
    waiting: Option<Waker>,
}

/// Writes to a stream. Dropping it sends the end of the stream; dropping all of a process' streams
/// ends the process.
pub(crate) struct StreamWriter {
    id: StreamId,
    commands: StreamCommands,
    window: Arc<Window>,
    finished: bool,
}

impl StreamReader {
    pub(crate) fn new(id: StreamId, commands: StreamCommands, inbox: Arc<Inbox>) -> Self {
        Self {
            id,
            commands,
            inbox,
            taken: 0,
        }
    }

    /// Returns true if nothing is there to read, or the driver has to know of the bytes that were
    /// taken.
    pub(super) fn needs_driver(&self) -> bool {
        self.owes_credit() || self.inbox.is_empty()
    }

    fn owes_credit(&self) -> bool {
        self.taken >= self.id.window_bytes() / TAKEN_SHARE
    }

    /// Tells the driver of the bytes that were taken, once they are enough.
    pub(super) fn give_credit(&mut self) {
        if self.owes_credit() {
            let bytes = mem::take(&mut self.taken);
            self.commands
                .send(StreamCommand::Taken { id: self.id, bytes });
        }
    }

    /// Reads like [`poll_read`](AsyncRead::poll_read), but leaves the credit to the caller.
    pub(super) fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = ready!(self.inbox.poll_read(context, buffer))?;
        self.taken += length as u64;
        Poll::Ready(Ok(()))
    }

    /// Stops reading, which the writer at the other end is told.
    pub(crate) fn close(self) {
        self.commands.send(StreamCommand::Close { id: self.id });
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_take(context, buffer))?;
        self.give_credit();
        Poll::Ready(Ok(()))
    }
}

impl Window {
    pub(crate) fn add(&self, bytes: u64) {
        let mut state = lock(&self.0);
        state.bytes += bytes;
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    /// Marks the stream as closed: the other end takes nothing any more.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.0);
        state.closed = true;
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    /// Takes some of the credit, `most` bytes at most.
    fn poll_take(&self, context: &mut Context<'_>, most: u64) -> Poll<io::Result<u64>> {
        let mut state = lock(&self.0);
        if state.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.bytes == 0 {
            state.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        let bytes = state.bytes.min(most);
        state.bytes -= bytes;
        Poll::Ready(Ok(bytes))
    }
}

impl StreamWriter {
    pub(crate) fn new(id: StreamId, commands: StreamCommands, window: Arc<Window>) -> Self {
        Self {
            id,
            commands,
            window,
            finished: false,
        }
    }

    /// Has the agent at the other end insert a part of a blob that it holds, as much as there is
    /// credit for, and takes that off `splice`: a narrow stream may never have credit for all of it
    /// at once.
    pub(crate) fn poll_splice(
        &mut self,
        context: &mut Context<'_>,
        splice: &mut Splice,
    ) -> Poll<io::Result<()>> {
        let length = ready!(self.window.poll_take(context, splice.length))?;
        self.commands.send(StreamCommand::Splice {
            id: self.id,
            splice: Splice { length, ..*splice },
        });
        splice.offset += length;
        splice.length -= length;
        Poll::Ready(Ok(()))
    }
}

impl StreamWriter {
    /// Waits until all that was written has left for the pipe, or the stream is closed.
    pub(super) async fn left(&self) {
        let (done, left) = oneshot::channel();
        self.commands
            .send(StreamCommand::Left { id: self.id, done });
        // The driver drops the sender with the stream.
        let _ = left.await;
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // No more than travels in one part anyway.
        let most = bytes.len().min(4 * CHUNK_BYTES) as u64;
        let length = usize::try_from(ready!(self.window.poll_take(context, most))?).unwrap_or(0);
        let bytes = Bytes::copy_from_slice(&bytes[..length]);
        self.commands
            .send(StreamCommand::Data { id: self.id, bytes });
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl StreamWriter {
    fn finish(&mut self) {
        if !mem::replace(&mut self.finished, true) {
            self.commands.send(StreamCommand::Finish { id: self.id });
        }
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Closes a stream when it is dropped, unless the stream has ended.
pub(crate) struct StreamHandle {
    pub(super) id: StreamId,
    pub(super) commands: StreamCommands,
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.commands.send(StreamCommand::Close { id: self.id });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_are_read_in_their_order() {
        let (mut expected, mut read) = (Vec::new(), Vec::new());
        let mut unread = Unread::default();
        for (number, length) in [1, 2, WHOLE_BYTES, 3, WHOLE_BYTES + 1, WHOLE_BYTES, 4]
            .into_iter()
            .enumerate()
        {
            let piece = vec![u8::try_from(number).unwrap(); length];
            expected.extend_from_slice(&piece);
            unread.push(piece.into());
        }
        assert_eq!(unread.first.len(), 5);
        while !unread.is_empty() {
            let mut buffer = [0; 1000];
            let length = unread.take(&mut ReadBuf::new(&mut buffer));
            read.extend_from_slice(&buffer[..length]);
        }
        assert_eq!(read, expected);
    }

    #[test]
    fn single_bytes_share_a_buffer() {
        let mut unread = Unread::default();
        (0..10_000).for_each(|_| unread.push(Bytes::from_static(b"x")));
        assert!(unread.first.is_empty());
        assert_eq!(unread.last.len(), 10_000);
    }
}
