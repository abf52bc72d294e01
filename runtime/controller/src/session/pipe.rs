//! A pipe to a program, watched by wxec's runtime or by a thread that waits for a call.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::{io::Errno, pipe::fcntl_setpipe_size};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::unix::pipe::{Receiver, Sender},
};
use wxec_protocol::TRANSMIT_BYTES;

use crate::base::runtime;

/// Bytes that a new pipe holds.
const USUAL_BYTES: usize = 64 << 10;

/// Bytes that a pipe holds once it was full: a transmission, for which the two ends then take turns
/// once rather than four times. Linux lets an account have 64 MiB of pipes and makes further ones
/// tiny, so that a pipe is no larger, and an idle one is not grown at all.
const BULK_BYTES: usize = TRANSMIT_BYTES;

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    half: Half,
    is_grown: bool,
    /// `None` once it is closed.
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
enum Half {
    Reading,
    Writing,
}

#[derive(Debug)]
enum End {
    /// wxec's runtime wakes the session's task when the pipe is ready.
    Reading(Receiver),
    Writing(Sender),
    /// The thread that drives the session asks the system itself, and notes what it was told.
    Unwatched {
        pipe: Arc<OwnedFd>,
        ready: bool,
    },
}

impl Pipe {
    /// The end to read from.
    pub(crate) fn reader(pipe: OwnedFd) -> io::Result<Self> {
        Self::new(pipe, Half::Reading)
    }

    /// The end to write to.
    pub(crate) fn writer(pipe: OwnedFd) -> io::Result<Self> {
        Self::new(pipe, Half::Writing)
    }

    fn new(pipe: OwnedFd, half: Half) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let end = Some(End::watched(pipe, half)?);
        Ok(Self {
            half,
            is_grown: false,
            end,
        })
    }

    /// Has the runtime watch the pipe.
    pub(super) fn watch(&mut self) -> io::Result<()> {
        self.end = match self.end.take() {
            Some(End::Unwatched { pipe, .. }) => {
                // A thread may be about to wake from its sleep on the pipe.
                let pipe = Arc::try_unwrap(pipe).or_else(|pipe| pipe.try_clone())?;
                Some(End::watched(pipe, self.half)?)
            }
            end => end,
        };
        Ok(())
    }

    /// Ends that: the runtime would be woken by each byte.
    pub(super) fn unwatch(&mut self) -> io::Result<()> {
        let pipe = match self.end.take() {
            Some(End::Reading(receiver)) => receiver.into_nonblocking_fd()?,
            Some(End::Writing(sender)) => sender.into_nonblocking_fd()?,
            end => {
                self.end = end;
                return Ok(());
            }
        };
        self.end = Some(End::Unwatched {
            pipe: pipe.into(),
            ready: true,
        });
        Ok(())
    }

    /// Makes the pipe larger, once; a system that does not allow it has a slower pipe.
    fn grow(&mut self) {
        if !std::mem::replace(&mut self.is_grown, true) {
            let _ = match &self.end {
                Some(End::Reading(pipe)) => fcntl_setpipe_size(pipe, BULK_BYTES),
                Some(End::Writing(pipe)) => fcntl_setpipe_size(pipe, BULK_BYTES),
                Some(End::Unwatched { pipe, .. }) => fcntl_setpipe_size(pipe, BULK_BYTES),
                None => return,
            };
        }
    }

    fn poll_read_some(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.end {
            Some(End::Reading(receiver)) => Pin::new(receiver).poll_read(context, buffer),
            Some(End::Unwatched { pipe, ready }) => {
                let unfilled = buffer.initialize_unfilled();
                let length = unfilled.len();
                let read = transfer(pipe, ready, length, |pipe| rustix::io::read(pipe, unfilled));
                buffer.advance(ready!(read)?);
                Poll::Ready(Ok(()))
            }
            _ => closed(),
        }
    }

    fn poll_write_some(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.end {
            Some(End::Writing(sender)) => Pin::new(sender).poll_write(context, bytes),
            Some(End::Unwatched { pipe, ready }) => transfer(pipe, ready, bytes.len(), |pipe| {
                rustix::io::write(pipe, bytes)
            }),
            _ => closed(),
        }
    }

    /// Notes that an unwatched pipe is ready.
    pub(super) fn note_ready(&mut self) {
        if let Some(End::Unwatched { ready, .. }) = &mut self.end {
            *ready = true;
        }
    }

    /// Returns an unwatched pipe, if it has to become ready before it is of use.
    pub(super) fn awaited(&self) -> Option<Arc<OwnedFd>> {
        match &self.end {
            Some(End::Unwatched { pipe, ready: false }) => Some(pipe.clone()),
            _ => None,
        }
    }
}

impl End {
    fn watched(pipe: OwnedFd, half: Half) -> io::Result<Self> {
        let _inside = runtime::enter();
        Ok(match half {
            Half::Reading => Self::Reading(Receiver::from_owned_fd_unchecked(pipe)?),
            Half::Writing => Self::Writing(Sender::from_owned_fd_unchecked(pipe)?),
        })
    }
}

/// Moves up to `length` bytes to or from an unwatched pipe, if it is `ready`.
fn transfer(
    pipe: &OwnedFd,
    ready: &mut bool,
    length: usize,
    transfer: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<usize>,
) -> Poll<io::Result<usize>> {
    if !*ready {
        return Poll::Pending;
    }
    let result = transfer(pipe.as_fd());
    // A pipe that takes or gives less than asked for can do no more now.
    *ready = result.is_ok_and(|moved| moved == 0 || moved == length);
    match result {
        Err(Errno::AGAIN) => Poll::Pending,
        result => Poll::Ready(result.map_err(Into::into)),
    }
}

fn closed<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.poll_read_some(context, buffer))?;
        if buffer.filled().len() - before >= USUAL_BYTES {
            self.grow();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.poll_write_some(context, bytes))?;
        if written < bytes.len() {
            self.grow();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the pipe, which its reader takes for the end.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use rustix::pipe::fcntl_getpipe_size;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_pipe_that_was_full_holds_more_from_then_on() {
        let (reader, writer) = io::pipe().unwrap();
        let writer: OwnedFd = writer.into();
        let size = || fcntl_getpipe_size(&reader).unwrap();
        let usual = size();
        let mut pipe = Pipe::writer(writer).unwrap();
        pollster::block_on(pipe.write_all(b"a call")).unwrap();
        assert_eq!(size(), usual);
        let written = pollster::block_on(pipe.write(&vec![7; BULK_BYTES])).unwrap();
        assert!(
            written < BULK_BYTES && size() >= BULK_BYTES,
            "{written}, {}",
            size()
        );
    }

    #[test]
    fn the_watcher_can_change_at_any_time() {
        let (reader, writer) = io::pipe().unwrap();
        let mut reader = Pipe::reader(reader.into()).unwrap();
        let mut writer = Pipe::writer(writer.into()).unwrap();
        let mut bytes = [0; 2];
        for number in 0..10 {
            pollster::block_on(writer.write_all(&[number])).unwrap();
            reader.unwatch().unwrap();
            assert_eq!(pollster::block_on(reader.read(&mut bytes)).unwrap(), 1);
            assert_eq!(bytes[0], number);
            assert!(reader.awaited().is_some(), "it gave less than asked for");
            let sleeper = reader.awaited();
            reader.watch().unwrap();
            pollster::block_on(writer.write_all(&[number])).unwrap();
            assert_eq!(pollster::block_on(reader.read(&mut bytes)).unwrap(), 1);
            drop(sleeper);
        }
        pollster::block_on(writer.shutdown()).unwrap();
        assert_eq!(pollster::block_on(reader.read(&mut bytes)).unwrap(), 0);
        let closed = pollster::block_on(poll_fn(|context| {
            Pin::new(&mut writer).poll_write(context, &[0])
        }));
        assert!(closed.is_err());
    }
}
