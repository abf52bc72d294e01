//! Threads that sleep until they are woken or a pipe is ready.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    task::Wake,
    time::Instant,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};

/// A thread that waits. Waking it ends its sleep, also the next one if it is awake.
#[derive(Debug)]
pub(crate) struct Waiter {
    state: AtomicU8,
    /// Carries one byte for each wake that finds the thread asleep.
    bell: (PipeReader, PipeWriter),
}

/// No wake came since the last look.
const AWAKE: u8 = 0;
/// The thread sleeps: a wake has to ring the bell.
const ASLEEP: u8 = 1;
/// A wake came since the last look.
const WOKEN: u8 = 2;

/// The pipes that ended a sleep.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Waiter {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            state: AtomicU8::new(AWAKE),
            bell: io::pipe()?,
        }))
    }

    /// Returns true if a wake came since the last call.
    pub(crate) fn take_wake(&self) -> bool {
        self.state.swap(AWAKE, SeqCst) == WOKEN
    }

    /// Sleeps until a wake comes, there is something to `read` or room to `write`, or `until` has
    /// passed. Does not sleep if a wake came since the last look.
    pub(crate) fn sleep(
        &self,
        read: Option<BorrowedFd<'_>>,
        write: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> Ready {
        let change = |from, to| self.state.compare_exchange(from, to, SeqCst, SeqCst);
        if change(AWAKE, ASLEEP).is_err() {
            return Ready::default();
        }
        let ready = poll(self.bell.0.as_fd(), read, write, until);
        if change(ASLEEP, AWAKE).is_err() {
            // The byte of the wake is there, or about to be.
            let _ = (&self.bell.0).read_exact(&mut [0]);
        }
        ready
    }
}

impl Wake for Waiter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, SeqCst) == ASLEEP {
            let _ = (&self.bell.1).write_all(&[0]);
        }
    }
}

fn poll(
    bell: BorrowedFd<'_>,
    read: Option<BorrowedFd<'_>>,
    write: Option<BorrowedFd<'_>>,
    until: Option<Instant>,
) -> Ready {
    // The bell stands in for a pipe that is not asked for.
    let mut pipes = [
        PollFd::from_borrowed_fd(bell, PollFlags::IN),
        PollFd::from_borrowed_fd(read.unwrap_or(bell), PollFlags::IN),
        match write {
            Some(write) => PollFd::from_borrowed_fd(write, PollFlags::OUT),
            None => PollFd::from_borrowed_fd(bell, PollFlags::IN),
        },
    ];
    loop {
        match rustix::event::poll(&mut pipes, time_left(until).as_ref()) {
            Err(Errno::INTR) => {}
            // Only a kernel short of memory refuses this. Trying the pipes tells how they are.
            Err(_) => {
                return Ready {
                    read: read.is_some(),
                    write: write.is_some(),
                };
            }
            Ok(_) => break,
        }
    }
    // Errors and hang-ups count: reading or writing tells what they are.
    let [_, read_ready, write_ready] = pipes.map(|pipe| !pipe.revents().is_empty());
    Ready {
        read: read.is_some() && read_ready,
        write: write.is_some() && write_ready,
    }
}

/// Returns the time until then, unless that is longer than the system can express.
fn time_left(until: Option<Instant>) -> Option<Timespec> {
    let left = until?.saturating_duration_since(Instant::now());
    Timespec::try_from(left).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_ends_the_sleep_that_follows_it() {
        let waiter = Waiter::new().unwrap();
        waiter.wake_by_ref();
        assert_eq!(waiter.sleep(None, None, None), Ready::default());
        assert!(waiter.take_wake() && !waiter.take_wake());
    }

    #[test]
    fn wakes_and_pipes_end_a_sleep_in_any_order() {
        let waiter = Waiter::new().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        std::thread::scope(|scope| {
            for round in 0..1000 {
                let waker = waiter.clone();
                scope.spawn(move || waker.wake_by_ref());
                let mut woken = false;
                if round % 2 == 0 {
                    writer.write_all(&[1]).unwrap();
                    while !waiter.sleep(Some(reader.as_fd()), None, None).read {
                        woken |= waiter.take_wake();
                    }
                    (&reader).read_exact(&mut [0]).unwrap();
                }
                while !woken {
                    waiter.sleep(None, None, None);
                    woken |= waiter.take_wake();
                }
            }
        });
        assert_eq!(
            waiter.sleep(Some(reader.as_fd()), Some(writer.as_fd()), None),
            Ready {
                read: false,
                write: true
            }
        );
    }
}
