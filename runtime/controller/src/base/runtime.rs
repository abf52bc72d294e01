//! The private runtime that drives wxec's I/O, independent of the runtime of the program around it.

use std::{
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
    time::error::Elapsed,
};

use crate::base::sync::lock;

/// Two threads: I/O is light and CPU work moves to blocking threads; more would only wake each
/// other.
const THREADS: usize = 2;

/// Time limit for the end of an aborted task. It ends at its next await, which is soon.
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

/// Runs `work` on a thread that may block, and waits for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match RUNTIME.spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Makes this runtime the one that timers and watched files belong to, until the guard is dropped.
pub(crate) fn enter() -> tokio::runtime::EnterGuard<'static> {
    RUNTIME.enter()
}

/// Waits for so long, in any executor.
pub(crate) async fn sleep(time: Duration) {
    let _ = timeout(time, std::future::pending::<()>()).await;
}

/// Waits for `future`, but no longer than `within`. Any executor can await it: the timer belongs to
/// this runtime, and tokio's own function would panic outside of a runtime.
pub(crate) async fn timeout<F: Future>(within: Duration, future: F) -> Result<F::Output, Elapsed> {
    let timed = {
        let _inside = enter();
        tokio::time::timeout(within, future)
    };
    timed.await
}

/// A background task. Dropping it aborts the task; any executor can await its value.
pub(crate) struct Background<T>(tokio::task::JoinHandle<T>);

impl<T: Send + 'static> Background<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(spawn(future))
    }
}

impl<T> Future for Background<T> {
    type Output = T;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<T> {
        std::pin::Pin::new(&mut self.0)
            .poll(context)
            .map(|result| match result {
                Ok(value) => value,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            })
    }
}

/// Tasks that were aborted inside of a tokio runtime, where nothing could wait for their ends.
static ABORTED: Mutex<Vec<AbortHandle>> = Mutex::new(Vec::new());

/// Aborts the task and waits for its end: the program may exit right after this, and everything the
/// task started must be gone by then. Inside a tokio runtime it does not wait, because that would
/// block the runtime: [`settle`] does.
impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        if self.0.is_finished() {
            return;
        }
        self.0.abort();
        let mut aborted = lock(&ABORTED);
        aborted.retain(|task| !task.is_finished());
        aborted.push(self.0.abort_handle());
        drop(aborted);
        settle();
    }
}

/// Waits for the ends of aborted tasks, unless this would block a tokio runtime.
pub fn settle() {
    if tokio::runtime::Handle::try_current().is_ok() {
        return;
    }
    let give_up = Instant::now() + ABORT_WITHIN;
    while lock(&ABORTED).iter().any(|task| !task.is_finished()) && Instant::now() < give_up {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Runs `work` while no thread of the runtime can do anything.
#[cfg(test)]
pub(crate) fn occupied<R>(work: impl FnOnce() -> R) -> R {
    use std::sync::{Arc, Barrier, mpsc::channel};

    // Two tests at once would each occupy a part of the threads.
    static OCCUPYING: Mutex<()> = Mutex::new(());
    let _alone = lock(&OCCUPYING);
    let all = Arc::new(Barrier::new(THREADS + 1));
    let _held: [_; THREADS] = std::array::from_fn(|_| {
        let (held, released) = channel::<()>();
        let all = all.clone();
        spawn(async move {
            all.wait();
            let _ = released.recv();
        });
        held
    });
    all.wait();
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_needs_no_runtime_around_it() {
        let soon = Duration::from_millis(1);
        assert!(pollster::block_on(timeout(soon, std::future::pending::<()>())).is_err());
        assert_eq!(
            pollster::block_on(timeout(Duration::from_secs(60), async { 1 })),
            Ok(1)
        );
    }
}
