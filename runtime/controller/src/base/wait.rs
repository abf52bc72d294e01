//! Blocking waits. A thread that waits for a call may drive the call's session meanwhile, so that
//! no other thread has to be woken for it.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::task::unconstrained;

use crate::base::{runtime, sync::lock, waiter::Waiter};

/// Work that a waiting thread takes on: works until the thread is woken or the given time has passed.
/// Dropping it ends that.
type Duty = Box<dyn FnMut(Option<Instant>)>;

/// Waiters that no thread uses. Each has two file descriptors, so that only some are kept.
static SPARES: Mutex<Vec<Arc<Waiter>>> = Mutex::new(Vec::new());

/// Number of waiters that are kept: more threads that wait at once make their own, in 10 µs each.
const MAX_SPARES: usize = 16;

thread_local! {
    /// The wait whose future this thread polls now.
    static CURRENT: RefCell<Option<Wait>> = const { RefCell::new(None) };
}

/// A blocked thread, as the future that it waits for may change it.
struct Wait {
    waiter: Arc<Waiter>,
    duty: Option<Duty>,
    /// The time limit of what the future waits for.
    until: Option<Instant>,
}

/// Blocks the thread until `future` is done. Until then the thread does the [duty](offer) that the
/// future offers.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let spare = lock(&SPARES).pop();
    match spare.map_or_else(Waiter::new, Ok) {
        Ok(waiter) => {
            let output = wait(&waiter, future);
            let mut spares = lock(&SPARES);
            if spares.len() < MAX_SPARES {
                spares.push(waiter);
            }
            output
        }
        // No file descriptors are left for the waiter's bell: the runtime drives all sessions.
        Err(_) => pollster::block_on(unconstrained(future)),
    }
}

fn wait<F: Future>(waiter: &Arc<Waiter>, future: F) -> F::Output {
    let mut wait = Some(Wait {
        waiter: waiter.clone(),
        duty: None,
        until: None,
    });
    let waker = Waker::from(waiter.clone());
    let mut context = Context::from_waker(&waker);
    // A caller that blocks within a task of tokio's never returns to it, which would renew the task's
    // budget: at its end, nothing would be ready any more.
    let mut future = pin!(unconstrained(future));
    loop {
        if let Poll::Ready(output) = during(&mut wait, || future.as_mut().poll(&mut context)) {
            return output;
        }
        match &mut wait {
            Some(Wait {
                duty: Some(duty),
                until,
                ..
            }) => duty(until.take()),
            wait => {
                let until = wait.as_mut().and_then(|wait| wait.until.take());
                waiter.sleep(None, None, until);
            }
        }
        waiter.take_wake();
    }
}

/// Runs `poll` while `wait` is the current one of this thread.
fn during<R>(wait: &mut Option<Wait>, poll: impl FnOnce() -> R) -> R {
    /// Puts both waits back, also if `poll` panics: a duty that was never dropped would hold up a
    /// session.
    struct Swapped<'a>(&'a mut Option<Wait>);

    impl Drop for Swapped<'_> {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.0));
        }
    }

    CURRENT.with_borrow_mut(|current| std::mem::swap(current, wait));
    let _swapped = Swapped(wait);
    poll()
}

/// Offers a duty to this thread, in place of the one it has. Does nothing if an executor polls the
/// future rather than a blocked thread.
pub(crate) fn offer<D: FnMut(Option<Instant>) + 'static>(duty: impl FnOnce(Arc<Waiter>) -> D) {
    let waiter = CURRENT.with_borrow(|wait| Some(wait.as_ref()?.waiter.clone()));
    if let Some(waiter) = waiter {
        replace_duty(Some(Box::new(duty(waiter))));
    }
}

/// Ends the duty of this thread, if it has one.
pub(crate) fn retire() {
    replace_duty(None);
}

fn replace_duty(duty: Option<Duty>) {
    let before = CURRENT.with_borrow_mut(|wait| {
        let wait = wait.as_mut()?;
        std::mem::replace(&mut wait.duty, duty)
    });
    // Drops it without the borrow: that may wake others.
    drop(before);
}

/// Waits for `future`, but no longer than `within`; then returns `None`. Any executor can await it.
/// A blocked thread keeps the time itself, and so wakes no other for a timer.
pub(crate) async fn within<F: Future>(within: Duration, future: F) -> Option<F::Output> {
    if CURRENT.with_borrow(Option::is_none) {
        return runtime::timeout(within, future).await.ok();
    }
    let until = Instant::now().checked_add(within);
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if until.is_some_and(|until| until <= Instant::now()) => Poll::Ready(None),
        Poll::Pending => {
            CURRENT.with_borrow_mut(|wait| {
                if let Some(wait) = wait {
                    wait.until = until;
                }
            });
            Poll::Pending
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::Pin};

    use super::*;

    #[test]
    fn a_blocked_thread_keeps_its_time_limit_itself() {
        let soon = Duration::from_millis(1);
        runtime::occupied(|| {
            assert_eq!(block_on(within(soon, pending::<()>())), None);
            assert_eq!(block_on(within(Duration::MAX, async { 1 })), Some(1));
        });
    }

    #[test]
    fn the_runtime_keeps_the_time_limits_of_executors() {
        let soon = Duration::from_millis(1);
        assert_eq!(pollster::block_on(within(soon, pending::<()>())), None);
    }

    #[test]
    fn waits_within_a_task_of_tokios_do_not_use_up_its_budget() {
        let task = async {
            for number in 0..500 {
                let (sender, receiver) = tokio::sync::oneshot::channel();
                sender.send(number).unwrap();
                assert_eq!(block_on(receiver), Ok(number));
            }
        };
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.build().unwrap().block_on(task);
    }

    #[test]
    fn a_wait_inside_of_a_wait_has_a_waiter_of_its_own() {
        let inner = || block_on(within(Duration::from_millis(1), pending::<()>()));
        let mut polls = 0;
        let outer = poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                context.waker().wake_by_ref();
                assert_eq!(inner(), None);
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        block_on(outer);
        assert_eq!(polls, 2);
    }

    #[test]
    fn another_thread_wakes_it() {
        let (sender, mut receiver) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let receive = poll_fn(move |context| {
            let polled = Pin::new(&mut receiver).poll(context);
            if polled.is_pending() {
                tell.send(()).unwrap();
            }
            polled
        });
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| block_on(receive));
            told.recv().unwrap();
            sender.send(7).unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(7));
        });
    }
}
