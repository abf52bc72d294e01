//! Operations in the background, for async and for blocking callers.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::base::runtime::Background;

/// An operation under way. Await it in any executor, or [`wait`](Self::wait) for it in blocking
/// code. Dropping it aborts the operation.
#[must_use = "dropping it gives up"]
pub struct Operation<T>(Background<T>);

impl<T: Send + 'static> Operation<T> {
    /// Starts `future` on wxec's own runtime.
    pub fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Background::new(future))
    }

    /// Blocks until it is done.
    pub fn wait(self) -> T {
        pollster::block_on(self)
    }
}

impl<T> Future for Operation<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}
