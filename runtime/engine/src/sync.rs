//! Locks that outlive a panic, and work on threads that may block.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, whether or not a thread panicked while it held the lock: no value here is left
/// half changed by a panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on a thread that may block. It is boxed, because tokio is compiled for each type of
/// work: that takes 5 kB.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let result = Arc::new(Mutex::new(None));
    let place = result.clone();
    let work: Box<dyn FnOnce() + Send> = Box::new(move || *lock(&place) = Some(work()));
    match tokio::task::spawn_blocking(work).await {
        Ok(()) => lock(&result).take().expect("the work has returned"),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
