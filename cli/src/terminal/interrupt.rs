//! Ctrl-C: drops the futures in progress, which cancels their calls on the hosts, and exits after
//! [`CLOSE_WITHIN`] even if hosts are still closing.

use std::{
    io,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use crate::{
    base::{exit_code, sync::lock},
    terminal::{raw, spinner, stderr::say},
};

/// Longest wait for hosts to close after an interrupt. Slower agents notice by themselves that the
/// controller is gone.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static GIVEN_UP: AtomicBool = AtomicBool::new(false);
static WAITING: Mutex<Vec<Thread>> = Mutex::new(Vec::new());

/// The program was interrupted before the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

/// Listens for Ctrl-C, SIGTERM, SIGQUIT and the end of the terminal from now on. The second signal
/// ends the program at once.
pub(crate) fn watch() {
    if let Err(error) = listen() {
        say(&format!(
            "warning: Ctrl-C will leave things behind: {error}"
        ));
    }
}

fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGQUIT])?;
    wxec::build::supervise_builds();
    // A user who starts wxec with `nohup` wants it to survive SIGHUP.
    if !hangup_is_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut signals = signals.forever();
            signals.next();
            INTERRUPTED.store(true, Ordering::SeqCst);
            wxec::build::end_builds();
            waiting().iter().for_each(Thread::unpark);
            let _ = thread::Builder::new().spawn(|| {
                thread::sleep(CLOSE_WITHIN);
                exit();
            });
            signals.next();
            exit();
        })?;
    Ok(())
}

/// Returns true if SIGHUP, the first signal, is ignored according to the kernel's list.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .map(str::trim);
    ignored
        .and_then(|ignored| u64::from_str_radix(ignored, 16).ok())
        .is_some_and(|ignored| ignored & 1 == 1)
}

/// Drops everything in progress, as if the program had been interrupted, because the results are
/// not wanted any more.
pub(crate) fn give_up() {
    GIVEN_UP.store(true, Ordering::SeqCst);
    waiting().iter().for_each(Thread::unpark);
}

/// Returns true after [`give_up`].
pub(crate) fn given_up() -> bool {
    GIVEN_UP.load(Ordering::SeqCst)
}

/// Returns true if the program was interrupted.
pub(crate) fn happened() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits for `future`, or drops it when the program is interrupted.
pub(crate) fn block_on<F: IntoFuture>(future: F) -> Result<F::Output, Interrupted> {
    let mut future = pin!(future.into_future());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let _waiting = Waiting::register();
    loop {
        // Checks for an interrupt after polling, too: Ctrl-C also hits our child processes, and the
        // consequence may look like an answer.
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        match polled {
            _ if happened() || given_up() => return Err(Interrupted),
            Poll::Ready(value) => return Ok(value),
            Poll::Pending => thread::park(),
        }
    }
}

fn exit() -> ! {
    wxec::build::end_builds();
    raw::restore();
    spinner::clear_all();
    say("error: interrupted");
    std::process::exit(exit_code::INTERRUPTED.into())
}

fn waiting() -> std::sync::MutexGuard<'static, Vec<Thread>> {
    lock(&WAITING)
}

/// Registers a thread, until it is dropped, as one that an interrupt wakes up.
struct Waiting;

impl Waiting {
    fn register() -> Self {
        waiting().push(thread::current());
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let this = thread::current().id();
        waiting().retain(|thread| thread.id() != this);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_another_thread() {
        let mut polls = 0;
        let answer = block_on(std::future::poll_fn(|context| {
            polls += 1;
            let waker = context.waker().clone();
            thread::spawn(move || waker.wake());
            if polls < 3 {
                Poll::Pending
            } else {
                Poll::Ready(polls)
            }
        }));
        assert_eq!(answer, Ok(3));
    }
}
