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
use tokio::sync::{Notify, mpsc};
use wxec_controller::{CallError, Operation, settle};

use crate::{
    driver::{Driver, Job},
    outcomes::{Outcome, Outcomes},
    rollout::Stopped,
};

/// Time limit for the end of work that is cancelled. It ends at its next await, which is soon.
const CANCEL_WITHIN: Duration = Duration::from_secs(1);

/// Work on all hosts of a fleet, under way. Dropping it cancels the work.
///
/// It is a `Stream` of [`Outcome`]s in the order in which they come, and an iterator of them in
/// blocking code; [`wait`](Self::wait) and `.await` give all of them in the fleet's order. A run
/// that [stopped](Self::stopped) has none of the hosts that it did not start.
#[must_use = "dropping it cancels the work"]
pub struct FleetRun<T, E = CallError> {
    outcomes: mpsc::UnboundedReceiver<Outcome<T, E>>,
    /// Owns the work on each host. `None` once that is over.
    driver: Option<Operation<Option<Stopped>>>,
    hosts: usize,
    stopped: Option<Stopped>,
    cancel: Arc<Notify>,
    /// Disconnected once no work is left.
    working: std::sync::mpsc::Receiver<Infallible>,
}

impl<T: Send + 'static, E: Send + 'static> FleetRun<T, E> {
    pub(crate) fn start(job: Job<T, E>) -> Self {
        // Unbounded, but it never holds more than one outcome for each host.
        let (sender, outcomes) = mpsc::unbounded_channel();
        let (at_work, working) = std::sync::mpsc::channel();
        let cancel = Arc::new(Notify::new());
        let hosts = job.hosts.len();
        let driver = Driver::new(job, sender, cancel.clone(), at_work);
        Self {
            outcomes,
            driver: Some(Operation::new(driver.run())),
            hosts,
            stopped: None,
            cancel,
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

    /// Stops the run and cancels the work under way. Outcomes of hosts that were done before still
    /// come, and [`stopped`](Self::stopped) names the others.
    pub fn cancel(&self) {
        self.cancel.notify_one();
    }

    /// Returns why the run stopped before its last host, if it did. `None` as long as outcomes come.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    async fn all(mut self) -> Outcomes<T, E> {
        // Wakes the caller once, rather than for each host.
        if let Some(driver) = &mut self.driver {
            self.stopped = driver.await;
            self.driver = None;
        }
        let mut all = Vec::new();
        while let Some(outcome) = self.next_outcome().await {
            all.push(outcome);
        }
        all.sort_by_key(|outcome| outcome.index);
        Outcomes::new(all, self.hosts, self.stopped.take())
    }
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
            let stopped = ready!(Pin::new(driver).poll(context));
            (self.driver, self.stopped) = (None, stopped);
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

impl<T, E> BlockingIter<T, E> {
    /// Returns why the run stopped before its last host, if it did. `None` as long as outcomes come.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.0.stopped.as_ref()
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
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
        thread,
    };

    use wxec_controller::Host;

    use super::*;
    use crate::fleet::Fleet;

    fn fleet() -> Fleet {
        Fleet::new(["web1", "web2", "web3"]).unwrap()
    }

    #[test]
    fn outcomes_come_as_they_are_ready_and_are_all_in_order() {
        let (go, may_go) = tokio::sync::watch::channel(0);
        let work = move |host: &Host| {
            let number: usize = host.name()[3..].parse().unwrap();
            let mut may_go = may_go.clone();
            async move {
                let _ = may_go.wait_for(|turn| *turn == number).await;
                Ok::<_, CallError>(number)
            }
        };
        let mut come = fleet().each(work.clone()).into_iter();
        for turn in [3, 1, 2] {
            go.send_replace(turn);
            assert_eq!(come.next().unwrap().index, turn - 1);
        }
        assert!(come.next().is_none());

        let run = fleet().each(work);
        for (done, turn) in [2, 3, 1].into_iter().enumerate() {
            go.send_replace(turn);
            while run.outcomes.len() <= done {
                thread::yield_now();
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
    fn a_caller_that_waits_for_all_hosts_is_woken_once() {
        let woken = Arc::new(Woken(thread::current(), AtomicUsize::new(0)));
        let waker = woken.clone().into();
        let (go, may_go) = tokio::sync::watch::channel(0);
        let work = move |host: &Host| {
            let number: usize = host.name()[3..].parse().unwrap();
            let mut may_go = may_go.clone();
            async move {
                let _ = may_go.wait_for(|turn| *turn >= number).await;
                Ok::<_, CallError>(number)
            }
        };
        let run = fleet().each(work);
        let mut all = run.into_future();
        for turn in 1..=3 {
            assert!(
                all.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            go.send_replace(turn);
        }
        let outcomes = loop {
            match all.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(outcomes) => break outcomes,
                Poll::Pending => thread::park(),
            }
        };
        assert_eq!(outcomes.iter().count(), 3);
        assert!(woken.1.load(Ordering::Relaxed) <= 1);
    }

    /// A thread, and how often it was woken.
    struct Woken(thread::Thread, AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.unpark();
        }
    }

    #[test]
    fn no_work_is_left_of_a_run_that_is_dropped() {
        let held = Arc::new(());
        let (begun, begins) = std::sync::mpsc::channel();
        let holder = held.clone();
        let run = fleet().max_parallel(2).each(move |_| {
            let (held, begun) = (holder.clone(), begun.clone());
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
