//! Runs an async task. A guest has one thread and nothing that could wake it, so this polls a
//! pending future again.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

/// Polls `future` until it is ready. A future that never is keeps the guest busy until its
/// deadline.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::yield_now(),
        }
    }
}
