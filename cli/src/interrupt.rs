//! Ctrl-C: what is under way is dropped, which cancels it on the host; what takes too long to end is left behind.

use std::{
    io,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
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

use crate::{exit_code, output::say, progress, terminal};

/// Hosts that take longer to close are left to notice by themselves that nobody is there any more.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static GIVEN_UP: AtomicBool = AtomicBool::new(false);
static WAITING: Mutex<Vec<Thread>> = Mutex::new(Vec::new());

/// The program was interrupted before the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

/// Listens for Ctrl-C, SIGTERM, SIGQUIT and the end of the terminal from now on. The second one ends the program at once.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGQUIT])?;
    wxec::supervise_builds();
    // Who starts it with `nohup` means it.
    if !hangup_is_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        INTERRUPTED.store(true, Ordering::SeqCst);
        wxec::end_builds();
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

/// Whether the first of signals, SIGHUP, is ignored, as the kernel's list says.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    ignored.and_then(|ignored| u64::from_str_radix(ignored, 16).ok()).is_some_and(|ignored| ignored & 1 == 1)
}

/// Nobody wants what is still under way: it is dropped as if the program had been interrupted.
pub(crate) fn give_up() {
    GIVEN_UP.store(true, Ordering::SeqCst);
    waiting().iter().for_each(Thread::unpark);
}

/// Whether nobody wants what is still under way.
pub(crate) fn given_up() -> bool {
    GIVEN_UP.load(Ordering::SeqCst)
}

/// Whether the program was interrupted.
pub(crate) fn happened() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits for `future`, or drops it when the program is interrupted.
pub(crate) fn block_on<F: IntoFuture>(future: F) -> Result<F::Output, Interrupted> {
    let mut future = pin!(future.into_future());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let _waiting = Waiting::register();
    loop {
        // Looking after polling, too: what Ctrl-C did to our children may look like an answer.
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        match polled {
            _ if happened() || given_up() => return Err(Interrupted),
            Poll::Ready(value) => return Ok(value),
            Poll::Pending => thread::park(),
        }
    }
}

fn exit() -> ! {
    wxec::end_builds();
    terminal::restore();
    progress::clear();
    say("error: interrupted");
    std::process::exit(exit_code::INTERRUPTED.into())
}

fn waiting() -> std::sync::MutexGuard<'static, Vec<Thread>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's place among those an interrupt wakes up.
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
            if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
        }));
        assert_eq!(answer, Ok(3));
    }
}
