//! Where the streams of a process or a program end on this side: at this process' own files, at the host's listener, or in
//! memory.

use std::{io, sync::Arc};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wxec_protocol::{LimitKind, OutputStream};

use crate::{
    error::CallErrorKind,
    output::{Lines, OutputHandler},
    stream::{StreamReader, StreamWriter},
};

/// Output that is kept in memory, of each stream. More ends who writes it.
const MAX_COLLECTED_BYTES: u64 = 128 << 20;

/// What is read of a stream at once: as much as is sent of one at once. Each part costs a turn of the thread that may wait.
const PART_BYTES: usize = 256 << 10;

/// Where stdin, stdout and stderr of a process or a program lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attach {
    /// To this process' own.
    Here,
    /// Its output to the host's listener, line by line; it has nothing to read.
    Listener,
}

/// What is read, and sent to a stdin.
pub(crate) type Input = Box<dyn AsyncRead + Send + Unpin>;

impl Attach {
    /// The ends of stdin, stdout and stderr.
    pub(crate) fn ends(self, host: &Arc<str>, handler: &OutputHandler) -> (Input, Sink, Sink) {
        match self {
            Self::Here => (
                Box::new(tokio::io::stdin()),
                Sink::File(Box::new(tokio::io::stdout())),
                Sink::File(Box::new(tokio::io::stderr())),
            ),
            Self::Listener => {
                let sink = |stream| Sink::Lines(Lines::new(host.clone(), handler.clone()), stream);
                (Box::new(tokio::io::empty()), sink(OutputStream::Stdout), sink(OutputStream::Stderr))
            }
        }
    }
}

/// Where a stream ends.
pub(crate) enum Sink {
    File(Box<dyn AsyncWrite + Send + Unpin>),
    Lines(Lines, OutputStream),
    Kept(Vec<u8>),
    /// More than may be kept: so much was there.
    Overflown(u64),
    /// Nobody reads it any more.
    Closed,
}

impl Sink {
    async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => {
                let written = async {
                    file.write_all(bytes).await?;
                    file.flush().await
                };
                let written = written.await;
                if written.is_err() {
                    *self = Self::Closed;
                }
                written
            }
            Self::Lines(lines, stream) => {
                // A listener may take its time, as a terminal does that somebody has stopped.
                tokio::task::block_in_place(|| lines.write(*stream, bytes));
                Ok(())
            }
            Self::Kept(kept) if (kept.len() + bytes.len()) as u64 > MAX_COLLECTED_BYTES => {
                *self = Self::Overflown((kept.len() + bytes.len()) as u64);
                Err(io::ErrorKind::FileTooLarge.into())
            }
            Self::Overflown(_) => Err(io::ErrorKind::FileTooLarge.into()),
            Self::Closed => Err(io::ErrorKind::BrokenPipe.into()),
            Self::Kept(kept) => {
                kept.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    pub(crate) fn overflow<E>(&self) -> Option<CallErrorKind<E>> {
        let Self::Overflown(asked) = *self else { return None };
        Some(CallErrorKind::Limit { which: LimitKind::Output, limit: MAX_COLLECTED_BYTES, asked })
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    pub(crate) fn into_kept(self) -> Vec<u8> {
        match self {
            Self::Kept(kept) => kept,
            _ => Vec::new(),
        }
    }
}

/// Sends all that `stdin` brings.
pub(crate) async fn feed(mut stdin: impl AsyncRead + Unpin, mut writer: StreamWriter) {
    let mut part = vec![0; PART_BYTES];
    while let Ok(length @ 1..) = stdin.read(&mut part).await {
        // A program that takes nothing more may go on all the same.
        if writer.write_all(&part[..length]).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

/// Takes what a program writes until it ends. If nobody wants it any more, the program finds its pipe broken.
pub(crate) async fn drain(mut reader: StreamReader, mut sink: Sink) -> Sink {
    let mut part = vec![0; PART_BYTES];
    while let Ok(length @ 1..) = reader.read(&mut part).await {
        if sink.take(&part[..length]).await.is_err() {
            reader.close();
            break;
        }
    }
    sink
}

/// A task that ends with what it is for.
pub(crate) struct AbortOnDrop<T>(pub(crate) tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
