//! The private runtime that drives wxec's I/O, whatever the program around it uses.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

/// Two threads: I/O is light and CPU work moves to blocking threads; more would only wake each other.
const THREADS: usize = 2;

/// A task that is given up ends where it next waits, which is soon.
const ABORT_WITHIN: Duration = Duration::from_secs(1);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("wxec")
        .enable_all()
        .build()
        .expect("threads and an epoll instance can be made")
});

/// Runs `future` in the background until it ends or the handle's task is aborted.
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    RUNTIME.spawn(future)
}

/// Runs `work` where blocking harms no one, and waits for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match RUNTIME.spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A background task that ends when this is dropped, and whose value any executor can await.
pub(crate) struct Background<T>(tokio::task::JoinHandle<T>);

impl<T: Send + 'static> Background<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(spawn(future))
    }
}

impl<T> Future for Background<T> {
    type Output = T;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<T> {
        std::pin::Pin::new(&mut self.0).poll(context).map(|result| match result {
            Ok(value) => value,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        })
    }
}

/// A program may end right after it gave something up: what that had started must be gone by then. Inside somebody's
/// executor nothing may wait.
impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        self.0.abort();
        if tokio::runtime::Handle::try_current().is_err() {
            let give_up = Instant::now() + ABORT_WITHIN;
            while !self.0.is_finished() && Instant::now() < give_up {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }
}
