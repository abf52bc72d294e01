//! Where the streams of a process or a program end on this side: at this process' own files, at the host's listener, or in
//! memory.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::AsFd,
    sync::Arc,
};

use bytes::Bytes;
use pollster::block_on;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wxec_protocol::{LimitKind, OutputStream};

use crate::{
    error::CallErrorKind,
    output::{Lines, OutputHandler},
    runtime,
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
pub(crate) enum Input {
    File(File),
    Bytes(Bytes),
}

impl Input {
    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl Attach {
    /// The ends of stdin, stdout and stderr.
    pub(crate) fn ends(self, host: &Arc<str>, handler: &OutputHandler) -> (Input, Sink, Sink) {
        match self {
            // A file that is not open has nothing to read, and cannot be written.
            Self::Here => (
                own(io::stdin()).map_or_else(|_| Input::bytes(""), Input::File),
                own(io::stdout()).map_or_else(Sink::Failed, Sink::File),
                own(io::stderr()).map_or_else(Sink::Failed, Sink::File),
            ),
            Self::Listener => {
                let sink = |stream| Sink::Lines(Lines::new(host.clone(), handler.clone()), stream);
                (Input::bytes(""), sink(OutputStream::Stdout), sink(OutputStream::Stderr))
            }
        }
    }
}

/// One of this process' own files. Whoever started it may have left it one that does not wait, as rsync does.
fn own(file: impl AsFd) -> io::Result<File> {
    let flags = fcntl_getfl(&file)?;
    if flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    }
    Ok(file.as_fd().try_clone_to_owned()?.into())
}

/// Where a stream ends.
pub(crate) enum Sink {
    File(File),
    Nowhere,
    Lines(Lines, OutputStream),
    Kept(Vec<u8>),
    /// More than may be kept: so much was there.
    Overflown(u64),
    /// Nobody reads it any more.
    Closed,
    /// It could not be written.
    Failed(io::Error),
}

impl Sink {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => match file.write_all(bytes) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    *self = Self::Closed;
                    Err(error)
                }
                Err(error) => {
                    let kind = error.kind();
                    *self = Self::Failed(error);
                    Err(kind.into())
                }
                written => written,
            },
            Self::Nowhere => Ok(()),
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
            Self::Failed(error) => Err(error.kind().into()),
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

    /// Why what was written was lost, unless nobody wanted it.
    pub(crate) fn failure<E>(&self, stream: &'static str) -> Option<CallErrorKind<E>> {
        let Self::Failed(error) = self else { return None };
        Some(CallErrorKind::CannotWrite { stream, kind: error.kind(), reason: error.to_string() })
    }

    pub(crate) fn into_kept(self) -> Vec<u8> {
        match self {
            Self::Kept(kept) => kept,
            _ => Vec::new(),
        }
    }
}

/// Sends all that `stdin` brings. A file is read on a thread of its own, which waits for both ends.
pub(crate) async fn feed(stdin: Input, writer: StreamWriter) {
    match stdin {
        Input::Bytes(bytes) => send(bytes, writer).await,
        Input::File(file) => runtime::blocking(move || send_file(file, writer)).await,
    }
}

async fn send(bytes: Bytes, mut writer: StreamWriter) {
    if writer.write_all(&bytes).await.is_ok() {
        let _ = writer.shutdown().await;
    }
}

fn send_file(mut file: File, mut writer: StreamWriter) {
    let mut part = vec![0; PART_BYTES];
    loop {
        match file.read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A program that takes nothing more may go on all the same.
            Ok(length @ 1..) if block_on(writer.write_all(&part[..length])).is_err() => return,
            Ok(1..) => {}
            _ => break,
        }
    }
    let _ = block_on(writer.shutdown());
}

/// Takes what a program writes until it ends. If nobody wants it any more, the program finds its pipe broken.
pub(crate) async fn drain(reader: StreamReader, sink: Sink) -> Sink {
    // Who reads a file may take its time: that is for a thread of its own to wait for.
    if matches!(sink, Sink::File(_)) {
        return runtime::blocking(move || block_on(pass_on(reader, sink))).await;
    }
    pass_on(reader, sink).await
}

async fn pass_on(mut reader: StreamReader, mut sink: Sink) -> Sink {
    let mut part = vec![0; PART_BYTES];
    while let Ok(length @ 1..) = reader.read(&mut part).await {
        if sink.take(&part[..length]).is_err() {
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
