//! Work on all hosts of a fleet, under way.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use wxec_controller::{CallError, Host, Operation};

use crate::outcomes::{Outcome, Outcomes};

/// Work on all hosts of a fleet, under way. Dropping it cancels the work.
///
/// It is a `Stream` of [`Outcome`]s in the order in which they come, and an iterator of them in
/// blocking code; [`wait`](Self::wait) and `.await` give all of them in the fleet's order.
#[must_use = "dropping it cancels the work"]
pub struct FleetRun<T, E = CallError> {
    outcomes: mpsc::UnboundedReceiver<Outcome<T, E>>,
    /// Owns the work on each host. `None` once that is over.
    driver: Option<Operation<()>>,
}

impl<T: Send + 'static, E: Send + 'static> FleetRun<T, E> {
    /// Starts the work that `work` returns for each host, on at most `parallel` hosts at once.
    pub(crate) fn start<F>(
        hosts: Vec<Host>,
        parallel: usize,
        work: impl FnMut(usize, &Host) -> F,
    ) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        // Unbounded, but it never holds more than one outcome for each host.
        let (sender, outcomes) = mpsc::unbounded_channel();
        let works = all_of(&hosts, work);
        let driver = async move {
            let places = Arc::new(Semaphore::new(parallel));
            let mut running = JoinSet::new();
            for (index, (host, work)) in hosts.iter().zip(works).enumerate() {
                let (host, places, sender) = (host.name().into(), places.clone(), sender.clone());
                running.spawn(async move {
                    let _place = places.acquire().await;
                    let result = work.await;
                    let outcome = Outcome {
                        host,
                        index,
                        result,
                    };
                    // Without a receiver, this task is being cancelled.
                    let _ = sender.send(outcome);
                });
            }
            drop(sender);
            while let Some(ended) = running.join_next().await {
                if let Err(error) = ended
                    && let Ok(panic) = error.try_into_panic()
                {
                    std::panic::resume_unwind(panic);
                }
            }
        };
        Self {
            outcomes,
            driver: Some(Operation::new(driver)),
        }
    }

    /// Blocks until every host has answered or failed.
    pub fn wait(self) -> Outcomes<T, E> {
        pollster::block_on(self.all())
    }

    /// Waits for the outcome of another host; `None` once all have come.
    pub async fn next_outcome(&mut self) -> Option<Outcome<T, E>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    async fn all(mut self) -> Outcomes<T, E> {
        let mut all = Vec::new();
        while let Some(outcome) = self.next_outcome().await {
            all.push(outcome);
        }
        all.sort_by_key(|outcome| outcome.index);
        Outcomes(all)
    }
}

/// Makes the work of all hosts and drops `work`, with all that it holds: ends of channels, which
/// are over when the ends of all hosts are.
fn all_of<F>(hosts: &[Host], mut work: impl FnMut(usize, &Host) -> F) -> Vec<F> {
    hosts
        .iter()
        .enumerate()
        .map(|(index, host)| work(index, host))
        .collect()
}

impl<T, E> Stream for FleetRun<T, E> {
    type Item = Outcome<T, E>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Outcome<T, E>>> {
        if let Some(outcome) = ready!(self.outcomes.poll_recv(context)) {
            return Poll::Ready(Some(outcome));
        }
        // The end of the driver passes on a panic of the work.
        if let Some(driver) = &mut self.driver {
            ready!(Pin::new(driver).poll(context));
            self.driver = None;
        }
        Poll::Ready(None)
    }
}

/// Nothing in it is pinned.
impl<T, E> Unpin for FleetRun<T, E> {}

impl<T: Send + 'static, E: Send + 'static> IntoFuture for FleetRun<T, E> {
    type Output = Outcomes<T, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Outcomes<T, E>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.all())
    }
}

/// Outcomes as they come, for blocking code.
pub struct BlockingIter<T, E>(FleetRun<T, E>);

impl<T: Send + 'static, E: Send + 'static> Iterator for BlockingIter<T, E> {
    type Item = Outcome<T, E>;

    fn next(&mut self) -> Option<Outcome<T, E>> {
        pollster::block_on(self.0.next_outcome())
    }
}

impl<T: Send + 'static, E: Send + 'static> IntoIterator for FleetRun<T, E> {
    type Item = Outcome<T, E>;
    type IntoIter = BlockingIter<T, E>;

    fn into_iter(self) -> BlockingIter<T, E> {
        BlockingIter(self)
    }
}

impl<T, E> fmt::Debug for BlockingIter<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingIter")
    }
}

impl<T, E> fmt::Debug for FleetRun<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetRun")
    }
}
