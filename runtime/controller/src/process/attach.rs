//! Local ends of the streams of a process or a program: this process' own files, the host's
//! listener, or memory.

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
    base::runtime,
    error::CallErrorKind,
    session::{
        output::{Lines, OutputHandler},
        stream::{StreamReader, StreamWriter},
    },
};

/// Limit for output kept in memory, for each stream. A program that writes more finds its pipe
/// closed.
const MAX_COLLECTED_BYTES: u64 = 128 << 20;

/// Bytes read from a stream at once: as many as are sent at once. Each part costs a turn of the
/// thread that may block.
const PART_BYTES: usize = 256 << 10;

/// The same for output that goes to a listener, which costs no such turn: with many hosts at once,
/// these buffers add up.
const LISTENER_PART_BYTES: usize = 64 << 10;

/// Local ends of stdin, stdout and stderr of a process or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attach {
    /// Stdin, stdout and stderr of this process.
    Here,
    /// The host's listener, which gets the output line by line. Stdin is empty.
    Listener,
}

/// Source of a stdin.
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
    /// Returns the local ends of stdin, stdout and stderr.
    pub(crate) fn ends(self, host: &Arc<str>, handler: &OutputHandler) -> (Input, Sink, Sink) {
        match self {
            // A file descriptor that is not open has no input, and cannot be written.
            Self::Here => (
                duplicate(io::stdin()).map_or_else(|_| Input::bytes(""), Input::File),
                duplicate(io::stdout()).map_or_else(Sink::Failed, Sink::File),
                duplicate(io::stderr()).map_or_else(Sink::Failed, Sink::File),
            ),
            Self::Listener => {
                let sink = |stream| Sink::Lines(Lines::new(host.clone(), handler.clone()), stream);
                (
                    Input::bytes(""),
                    sink(OutputStream::Stdout),
                    sink(OutputStream::Stderr),
                )
            }
        }
    }
}

/// Duplicates one of this process' own file descriptors and makes it blocking: the parent process
/// may have left it non-blocking, as rsync does.
fn duplicate(file: impl AsFd) -> io::Result<File> {
    let flags = fcntl_getfl(&file)?;
    if flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    }
    Ok(file.as_fd().try_clone_to_owned()?.into())
}

/// Destination of an output stream.
pub(crate) enum Sink {
    File(File),
    Nowhere,
    Lines(Lines, OutputStream),
    Kept(Vec<u8>),
    /// The output was more than may be kept: this many bytes.
    Overflown(u64),
    /// The reader of the file has gone.
    Closed,
    /// Writing failed.
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
                // A listener may block, for instance on a terminal that the user has stopped.
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
        let Self::Overflown(asked) = *self else {
            return None;
        };
        Some(CallErrorKind::Limit {
            which: LimitKind::Output,
            limit: MAX_COLLECTED_BYTES,
            asked,
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// Returns the error if writing failed. A reader that has gone is not a failure.
    pub(crate) fn failure<E>(&self, stream: &str) -> Option<CallErrorKind<E>> {
        let Self::Failed(error) = self else {
            return None;
        };
        Some(CallErrorKind::CannotWrite {
            stream: stream.into(),
            reader_gone: error.kind() == io::ErrorKind::BrokenPipe,
            reason: error.to_string(),
        })
    }

    pub(crate) fn into_kept(self) -> Vec<u8> {
        match self {
            Self::Kept(kept) => kept,
            _ => Vec::new(),
        }
    }
}

/// Sends all of `stdin`. A file is read on a thread of its own, which blocks on both ends.
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
            // The program takes no more input, but may go on all the same.
            Ok(length @ 1..) if block_on(writer.write_all(&part[..length])).is_err() => return,
            Ok(1..) => {}
            _ => break,
        }
    }
    let _ = block_on(writer.shutdown());
}

/// Takes a program's output until it ends. If the sink fails, the program finds its pipe broken.
pub(crate) async fn drain(reader: StreamReader, sink: Sink) -> Sink {
    // Writing to a file may block, so that is done on a thread of its own.
    if matches!(sink, Sink::File(_)) {
        return runtime::blocking(move || block_on(pass_on(reader, sink))).await;
    }
    pass_on(reader, sink).await
}

async fn pass_on(mut reader: StreamReader, mut sink: Sink) -> Sink {
    let size = match sink {
        Sink::Lines(..) => LISTENER_PART_BYTES,
        _ => PART_BYTES,
    };
    let mut part = vec![0; size];
    while let Ok(length @ 1..) = reader.read(&mut part).await {
        if sink.take(&part[..length]).is_err() {
            reader.close();
            break;
        }
    }
    sink
}

/// A background task that is aborted when this is dropped.
pub(crate) struct AbortOnDrop<T>(pub(crate) tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
