//! Futures of one type for tokio.

use std::pin::Pin;

/// A future that tokio can run as a task.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Boxes the future of a task. tokio is compiled once for each type of future that it runs, and for
/// each of its schedulers: 6 KB of the agent's image for a task that is not boxed.
pub(crate) fn boxed<T>(future: impl Future<Output = T> + Send + 'static) -> Boxed<T> {
    Box::pin(future)
}
