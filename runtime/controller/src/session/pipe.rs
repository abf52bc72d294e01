//! A pipe to a program, watched by wxec's runtime or by a thread that waits for a call.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::unix::pipe::{Receiver, Sender},
};

use crate::base::runtime;

/// One end of a pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    half: Half,
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
        Ok(Self { half, end })
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
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
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

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the pipe, which its reader takes for the end.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end = None;
        Poll::Ready(Ok(()))
    }
}
