//! What processes print where their call prints.

use std::{
    future::poll_fn,
    io,
    os::fd::OwnedFd,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use rustix::io::Errno;
use tokio::io::{Interest, unix::AsyncFd};

use super::super::streams::watched;
use crate::{output::Stdio, quota::Share};

/// What one look takes at most of one pipe, so that a process that prints without end does not keep
/// its guest from running: what a pipe holds.
const LOOK_BYTES: usize = 64 << 10;

/// What can be in the pipe of a process that has ended: unprivileged programs cannot make a pipe
/// larger. If there is more, others write it.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// The outputs of a call's processes that are the call's own.
///
/// They are forwarded by the task that runs the guest, whenever it is polled: so nothing is printed
/// when the call is over, and no two print at once.
#[derive(Clone, Default)]
pub(crate) struct Inherited(Arc<Mutex<Vec<Outlet>>>);

struct Outlet {
    pipe: AsyncFd<OwnedFd>,
    print: Print,
    process: u32,
    _share: Share,
}

/// [`Stdio::stdout`] or [`Stdio::stderr`].
pub(super) type Print = fn(&Stdio, &[u8]);

impl Inherited {
    /// Forwards what `pipe` brings from now on, of the process of this number.
    pub(super) fn add(&self, pipe: OwnedFd, print: Print, process: u32, share: Share) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let pipe = watched(pipe, Interest::READABLE)?;
        self.outlets().push(Outlet { pipe, print, process, _share: share });
        Ok(())
    }

    /// Runs a guest, and forwards what its processes print meanwhile.
    pub(crate) async fn forward<F: Future>(&self, stdio: &Stdio, guest: F) -> F::Output {
        let mut guest = pin!(guest);
        let mut room = None;
        poll_fn(|context| {
            // The guest first: what it starts is to wake this task from the beginning.
            let polled = guest.as_mut().poll(context);
            if polled.is_pending() && !self.outlets().is_empty() {
                // With too much on its way already, processes wait as the guest does: their pipes
                // fill.
                room = room.take().or_else(|| stdio.room());
                if room.as_mut().is_some_and(|room| room.as_mut().poll(context).is_pending()) {
                    return polled;
                }
                room = None;
                self.poll(stdio, context);
            }
            polled
        })
        .await
    }

    fn poll(&self, stdio: &Stdio, context: &mut Context<'_>) {
        self.outlets().retain_mut(|outlet| !outlet.poll(stdio, context));
    }

    /// Forwards what a process has printed that has ended. Others may have its output open: they
    /// are not waited for.
    pub(super) fn drain(&self, stdio: &Stdio, process: u32) {
        self.outlets().retain_mut(|outlet| {
            outlet.process != process || !matches!(outlet.copy(stdio, MAX_PIPE_BYTES), Copied::End)
        });
    }

    fn outlets(&self) -> MutexGuard<'_, Vec<Outlet>> {
        self.0.lock().expect("a panic ends the call")
    }
}

enum Copied {
    /// All there is now.
    All,
    /// As much as it should.
    Enough,
    /// Nothing more will come.
    End,
}

impl Outlet {
    /// Whether it has ended.
    fn poll(&mut self, stdio: &Stdio, context: &mut Context<'_>) -> bool {
        loop {
            match self.pipe.poll_read_ready(context) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => return true,
                Poll::Ready(Ok(mut ready)) => match copy(ready.get_inner(), self.print, stdio, LOOK_BYTES) {
                    Copied::All => ready.clear_ready(),
                    Copied::Enough => {
                        context.waker().wake_by_ref();
                        return false;
                    }
                    Copied::End => return true,
                },
            }
        }
    }

    fn copy(&self, stdio: &Stdio, limit: usize) -> Copied {
        copy(self.pipe.get_ref(), self.print, stdio, limit)
    }
}

fn copy(pipe: &OwnedFd, print: Print, stdio: &Stdio, limit: usize) -> Copied {
    let mut buffer = [0; 4096];
    let mut copied = 0;
    while copied < limit {
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => return Copied::End,
            Ok(length) => {
                print(stdio, &buffer[..length]);
                copied += length;
            }
            Err(Errno::AGAIN) => return Copied::All,
            Err(Errno::INTR) => {}
            Err(_) => return Copied::End,
        }
    }
    Copied::Enough
}
