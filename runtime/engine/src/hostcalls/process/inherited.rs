//! Output of processes that goes where their call prints.

use std::{
    future::poll_fn,
    io,
    os::fd::OwnedFd,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use rustix::io::Errno;
use tokio::io::{Interest, unix::AsyncFd};

use super::super::streams::watched;
use crate::{call::output::Stdio, limits::quota::Share};

/// Most bytes that one look takes of one pipe: what a pipe holds. More could keep the guest from
/// running, if a process prints without end.
const LOOK_BYTES: usize = 64 << 10;

/// Most bytes that can be in the pipe of a process that has ended: unprivileged programs cannot
/// make a pipe larger. If there is more, other processes write it.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// The outputs of a call's processes that go to the call's own output.
///
/// The task that runs the guest forwards them whenever it is polled: so nothing is printed after
/// the call is over, and no two outputs print at once.
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
    /// Forwards what `pipe` brings from now on, from the process of this number.
    pub(super) fn add(
        &self,
        pipe: OwnedFd,
        print: Print,
        process: u32,
        share: Share,
    ) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let pipe = watched(pipe, Interest::READABLE)?;
        self.outlets().push(Outlet {
            pipe,
            print,
            process,
            _share: share,
        });
        Ok(())
    }

    /// Runs a guest, and forwards what its processes print meanwhile.
    pub(crate) async fn forward<F: Future>(
        &self,
        stdio: &Stdio,
        mut guest: Pin<&mut F>,
    ) -> F::Output {
        let mut room = None;
        poll_fn(|context| {
            // Poll the guest first: processes that it starts must be able to wake this task from
            // the beginning.
            let polled = guest.as_mut().poll(context);
            if polled.is_pending() && !self.outlets().is_empty() {
                // With too much output on its way already, leave it in the pipes: they fill, and
                // processes wait as the guest does.
                room = room.take().or_else(|| stdio.room());
                if room
                    .as_mut()
                    .is_some_and(|room| room.as_mut().poll(context).is_pending())
                {
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
        self.outlets()
            .retain_mut(|outlet| !outlet.poll(stdio, context));
    }

    /// Forwards what an ended process has printed. Other processes may have its output open: do not
    /// wait for them.
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
    /// Everything that is there now.
    All,
    /// As much as the limit allows.
    Enough,
    /// Nothing more will come.
    End,
}

impl Outlet {
    /// Forwards what the pipe brings. Returns true if it has ended.
    fn poll(&mut self, stdio: &Stdio, context: &mut Context<'_>) -> bool {
        loop {
            match self.pipe.poll_read_ready(context) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => return true,
                Poll::Ready(Ok(mut ready)) => {
                    match copy(ready.get_inner(), self.print, stdio, LOOK_BYTES) {
                        Copied::All => ready.clear_ready(),
                        Copied::Enough => {
                            context.waker().wake_by_ref();
                            return false;
                        }
                        Copied::End => return true,
                    }
                }
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
