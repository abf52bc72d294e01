//! Stdin, stdout and stderr of guests.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdinStream, StdoutStream},
    p2::{
        InputStream, OutputStream, Pollable, StreamError, StreamResult,
        pipe::{AsyncReadStream, AsyncWriteStream, ClosedInputStream, ClosedOutputStream},
    },
};

use crate::{call::output::Stdio, sync::lock};

/// Bytes that a stream takes at once. wasmtime-wasi writes 4 KiB at a time regardless of this.
const MAX_WRITE_BYTES: usize = 64 << 10;

/// Stdin of a program.
pub type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;
/// Stdout or stderr of a program.
pub type Writer = Box<dyn AsyncWrite + Send + Sync + Unpin>;

/// Stdout or stderr of a task. [`Stdio`] drops output beyond its limit; the rest may have to wait
/// for room.
#[derive(Clone)]
pub(super) struct TaskOutput {
    pub(super) stdio: Arc<Stdio>,
    pub(super) print: fn(&Stdio, &[u8]),
}

/// A guest's stdin: its file descriptor, and whether reading from it waits. wasmtime-wasi offers no
/// reading without waiting, but languages that poll (Go, for one) ask for it, so that their other
/// work goes on.
#[derive(Debug)]
pub(crate) struct Stdin {
    number: Option<u32>,
    pub(super) waits: bool,
}

impl Default for Stdin {
    fn default() -> Self {
        Self {
            number: Some(0),
            waits: true,
        }
    }
}

impl Stdin {
    pub(super) fn is_at(&self, number: u32) -> bool {
        self.number == Some(number)
    }

    /// Notes that `number` was closed.
    pub(super) fn closed(&mut self, number: u32) {
        self.number = self.number.filter(|it| *it != number);
    }

    /// Notes that `to` was closed, and now is what `from` was.
    pub(super) fn renumbered(&mut self, from: u32, to: u32) {
        if self.is_at(from) {
            self.number = Some(to);
        } else {
            self.closed(to);
        }
    }
}

/// Stdin, stdout or stderr of a program. wasmtime-wasi asks for it once.
pub(super) struct Pipe<T>(Mutex<Option<T>>);

impl<T> Pipe<T> {
    pub(super) fn new(end: T) -> Self {
        Self(Mutex::new(Some(end)))
    }

    fn take(&self) -> Option<T> {
        lock(&self.0).take()
    }
}

impl<T> IsTerminal for Pipe<T> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Pipe<Reader> {
    fn p2_stream(&self) -> Box<dyn InputStream> {
        match self.take() {
            Some(reader) => Box::new(AsyncReadStream::new(reader)),
            None => Box::new(ClosedInputStream),
        }
    }

    /// Preview 1 asks for [`p2_stream`](Self::p2_stream) only.
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(tokio::io::empty())
    }
}

impl StdoutStream for Pipe<Writer> {
    /// Preview 1 waits until what is written has been taken, so that nothing is left here when the
    /// program ends.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        match self.take() {
            Some(writer) => Box::new(PipeEnd(AsyncWriteStream::new(MAX_WRITE_BYTES, writer))),
            None => Box::new(ClosedOutputStream),
        }
    }

    /// Preview 1 asks for [`p2_stream`](Self::p2_stream) only.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }
}

/// The writing end of a pipe. Preview 1 makes EIO of a closed stream; programs expect EPIPE of a
/// closed pipe.
struct PipeEnd(AsyncWriteStream);

fn broken_if_closed(error: StreamError) -> StreamError {
    let is_broken = match &error {
        StreamError::Closed => true,
        StreamError::LastOperationFailed(error) => error
            .downcast_ref()
            .is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe),
        StreamError::Trap(_) => false,
    };
    // Preview 1 goes by the system's number of an error, and an error that tokio makes has none.
    if is_broken {
        StreamError::LastOperationFailed(io::Error::from(rustix::io::Errno::PIPE).into())
    } else {
        error
    }
}

#[async_trait]
impl OutputStream for PipeEnd {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(bytes).map_err(broken_if_closed)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.0.flush().map_err(broken_if_closed)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.check_write().map_err(broken_if_closed)
    }

    async fn cancel(&mut self) {
        self.0.cancel().await;
    }
}

#[async_trait]
impl Pollable for PipeEnd {
    async fn ready(&mut self) {
        self.0.ready().await;
    }
}

impl StdoutStream for TaskOutput {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Preview 1 asks for [`p2_stream`](Self::p2_stream) only.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }
}

impl IsTerminal for TaskOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl OutputStream for TaskOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        (self.print)(&self.stdio, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE_BYTES)
    }
}

#[async_trait]
impl Pollable for TaskOutput {
    async fn ready(&mut self) {
        let room = self.stdio.room();
        if let Some(room) = room {
            room.await;
        }
    }
}
