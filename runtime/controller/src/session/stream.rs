//! Streams of a session, as pipes: the input and output of a process on the other machine.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wxec_protocol::{CHUNK_BYTES, Splice, StreamId};

use crate::{
    base::sync::lock,
    session::command::{StreamCommand, StreamCommands},
};

/// Bytes that a stream brought and its reader has not taken yet, in one buffer: the other end may
/// send byte by byte.
#[derive(Debug, Default)]
pub(crate) struct Inbox(Mutex<InboxState>);

#[derive(Debug, Default)]
struct InboxState {
    unread: BytesMut,
    end: Option<InboxEnd>,
    waiting: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
enum InboxEnd {
    Finished,
    Lost,
}

impl Inbox {
    pub(crate) fn push(&self, bytes: &[u8]) {
        self.change(|state| state.unread.extend_from_slice(bytes));
    }

    /// Marks the end of the stream.
    pub(crate) fn finish(&self) {
        self.change(|state| _ = state.end.get_or_insert(InboxEnd::Finished));
    }

    /// Marks the stream as broken off, because the session no longer serves it.
    pub(crate) fn lose(&self) {
        self.change(|state| _ = state.end.get_or_insert(InboxEnd::Lost));
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
            _ if !state.unread.is_empty() => {
                let length = state.unread.len().min(buffer.remaining());
                buffer.put_slice(&state.unread.split_to(length));
                Poll::Ready(Ok(length))
            }
            Some(InboxEnd::Finished) => Poll::Ready(Ok(0)),
            Some(InboxEnd::Lost) => Poll::Ready(Err(io::Error::other("the hop before it is lost"))),
            None => {
                state.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Reads from a stream.
pub(crate) struct StreamReader {
    id: StreamId,
    commands: StreamCommands,
    inbox: Arc<Inbox>,
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
        }
    }

    /// Stops reading, which the writer at the other end is told.
    pub(crate) fn close(self) {
        self.commands.send(StreamCommand::Close { id: self.id });
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = ready!(self.inbox.poll_read(context, buffer))?;
        if length > 0 {
            self.commands.send(StreamCommand::Taken {
                id: self.id,
                bytes: length as u64,
            });
        }
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
        if !std::mem::replace(&mut self.finished, true) {
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
