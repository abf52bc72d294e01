//! Work on all hosts of a fleet, under way.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use wxec_controller::{CallError, Host, Operation, settle};

use crate::outcomes::{Outcome, Outcomes};

/// Time limit for the end of work that is cancelled. It ends at its next await, which is soon.
const CANCEL_WITHIN: Duration = Duration::from_secs(1);

/// Work on all hosts of a fleet, under way. Dropping it cancels the work.
///
/// It is a `Stream` of [`Outcome`]s in the order in which they come, and an iterator of them in
/// blocking code; [`wait`](Self::wait) and `.await` give all of them in the fleet's order.
#[must_use = "dropping it cancels the work"]
pub struct FleetRun<T, E = CallError> {
    outcomes: mpsc::UnboundedReceiver<Outcome<T, E>>,
    /// Owns the work on each host. `None` once that is over.
    driver: Option<Operation<()>>,
    /// Disconnected once no work is left.
    working: std::sync::mpsc::Receiver<Infallible>,
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
        let (at_work, working) = std::sync::mpsc::channel();
        let works = all_of(&hosts, work);
        let driver = async move {
            let places = Arc::new(Semaphore::new(parallel));
            let mut running = JoinSet::new();
            for (index, (host, work)) in hosts.iter().zip(works).enumerate() {
                let (host, places, sender) = (host.name().into(), places.clone(), sender.clone());
                let at_work = at_work.clone();
                running.spawn(async move {
                    // Dropped last, after the work.
                    let _at_work = at_work;
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
            drop((sender, at_work));
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
            working,
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

/// Cancels the work and waits for its end: the program may exit right after this, and everything the
/// work started must be gone by then. Inside a tokio runtime it does not wait, because that would
/// block the runtime.
impl<T, E> Drop for FleetRun<T, E> {
    fn drop(&mut self) {
        self.driver = None;
        if tokio::runtime::Handle::try_current().is_err() {
            let _ = self.working.recv_timeout(CANCEL_WITHIN);
            // What the work itself has started ends with it, a moment later.
            settle();
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Fleet;

    fn fleet() -> Fleet {
        Fleet::new(["web1", "web2", "web3"]).unwrap()
    }

    #[test]
    fn outcomes_come_as_they_are_ready_and_are_all_in_order() {
        let (go, may_go) = tokio::sync::watch::channel(0);
        let work = |host: &Host| {
            let number: usize = host.name()[3..].parse().unwrap();
            let mut may_go = may_go.clone();
            async move {
                let _ = may_go.wait_for(|turn| *turn == number).await;
                Ok::<_, CallError>(number)
            }
        };
        let mut come = fleet().each(work).into_iter();
        for turn in [3, 1, 2] {
            go.send_replace(turn);
            assert_eq!(come.next().unwrap().index, turn - 1);
        }
        assert!(come.next().is_none());

        let run = fleet().each(work);
        for (done, turn) in [2, 3, 1].into_iter().enumerate() {
            go.send_replace(turn);
            while run.outcomes.len() <= done {
                std::thread::yield_now();
            }
        }
        let values: Vec<_> = run
            .wait()
            .into_iter()
            .map(|outcome| outcome.result.unwrap())
            .collect();
        assert_eq!(values, [1, 2, 3]);
    }

    #[test]
    fn no_work_is_left_of_a_run_that_is_dropped() {
        let held = Arc::new(());
        let (begun, begins) = std::sync::mpsc::channel();
        let run = fleet().max_parallel(2).each(|_| {
            let (held, begun) = (held.clone(), begun.clone());
            async move {
                let _held = held;
                begun.send(()).unwrap();
                std::future::pending::<Result<(), CallError>>().await
            }
        });
        begins.recv().unwrap();
        begins.recv().unwrap();
        drop(run);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    #[should_panic(expected = "the work itself")]
    fn a_panic_of_the_work_reaches_the_one_who_waits() {
        let work = async |index: usize| {
            assert!(index != 1, "the work itself");
            Ok::<_, CallError>(())
        };
        let mut index = 0..;
        let _ = fleet()
            .each(move |_| work(index.next().unwrap_or_default()))
            .wait();
    }
}
