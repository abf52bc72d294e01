//! Calls on many hosts at once.

mod error;
mod facts;
mod transfer;

pub use self::{
    error::{Error, Result},
    transfer::{FleetTransfer, TransferOutcome, name_for_host},
};
use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    address::AddressError,
    base::operation::Operation,
    call::{CallOptions, CallTarget, TaskCall, run},
    error::CallError,
    host::Host,
};

/// Default number of hosts worked on at once: each may need a process and a few files here.
const MAX_PARALLEL: usize = 128;

/// Default timeout: one stuck host must not hold up a fleet for ever.
const FLEET_TIMEOUT: Duration = Duration::from_secs(60);

/// A list of hosts, each once, in the order given. A call on a fleet runs on all of them in
/// parallel.
///
/// ```
/// use wxec_controller::Fleet;
///
/// let fleet = Fleet::new(["web1", "web2", "web1"])?;
/// assert_eq!(fleet.hosts().len(), 2);
/// # Ok::<(), wxec_controller::AddressError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fleet {
    hosts: Vec<Host>,
    max_parallel: usize,
}

impl Fleet {
    /// Creates a fleet of the hosts at `addresses`.
    pub fn new<A: AsRef<str>>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, AddressError> {
        addresses.into_iter().map(Host::new).collect()
    }

    /// Returns its hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Works on at most `hosts` hosts at once. 128 by default.
    #[must_use]
    pub fn max_parallel(mut self, hosts: usize) -> Self {
        self.max_parallel = hosts.max(1);
        self
    }

    /// Returns the number of hosts worked on at once.
    pub(crate) fn parallel(&self) -> usize {
        self.max_parallel
    }

    /// Runs the operation that `work` returns for each host, in parallel.
    ///
    /// ```no_run
    /// # use wxec_controller::Fleet;
    /// let outcomes = Fleet::new(["web1", "web2"])?.each(|host| host.command("uptime").output("")).wait();
    /// for (host, uptime) in outcomes.successes() {
    ///     println!("{host}: {}", String::from_utf8_lossy(&uptime.stdout));
    /// }
    /// # Ok::<(), wxec_controller::AddressError>(())
    /// ```
    pub fn each<T, E>(
        &self,
        work: impl Fn(&Host) -> Operation<Result<T, CallError<E>>> + Send + Sync + 'static,
    ) -> Operation<Outcomes<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (fleet, work) = (self.clone(), Arc::new(work));
        Operation::new(async move {
            let work = move |host: Host| {
                let work = work.clone();
                async move { work(&host).await }
            };
            Outcomes(on_all(fleet, work).await)
        })
    }

    /// Closes every host.
    pub fn close(&self) -> Operation<()> {
        let closing: Vec<_> = self.hosts.iter().map(Host::close).collect();
        Operation::new(async move {
            for host in closing {
                host.await;
            }
        })
    }
}

impl FromIterator<Host> for Fleet {
    fn from_iter<I: IntoIterator<Item = Host>>(hosts: I) -> Self {
        let mut members: Vec<Host> = Vec::new();
        for host in hosts {
            if !members.contains(&host) {
                members.push(host);
            }
        }
        Self {
            hosts: members,
            max_parallel: MAX_PARALLEL,
        }
    }
}

impl CallTarget for Fleet {
    type Call<T: Send + 'static, E: Send + 'static> = FleetCall<T, E>;

    fn call<T: Send + 'static, E: Send + 'static>(
        &self,
        mut call: TaskCall<T, E>,
    ) -> FleetCall<T, E> {
        // A call that streams gets no default timeout: it may go on for as long as it likes.
        if !call.streams() {
            call = call.with_options(|options| options.timeout(FLEET_TIMEOUT));
        }
        FleetCall {
            fleet: self.clone(),
            call,
        }
    }
}

/// A call on each host of a fleet, in parallel. Nothing happens until it is awaited or waited for.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited or waited for"]
pub struct FleetCall<T, E = Infallible> {
    fleet: Fleet,
    call: TaskCall<T, E>,
}

impl<T: Send + 'static, E: Send + 'static> FleetCall<T, E> {
    crate::call_option_methods!(idempotent);

    fn with_options(mut self, change: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        self.call = self.call.with_options(change);
        self
    }

    /// Starts the call on every host, for callers that send and receive meanwhile. Dropping the
    /// returned operation cancels the call.
    pub fn start(self) -> Operation<Result<Outcomes<T, E>, Error>> {
        self.into_future()
    }

    /// Runs the call on every host and blocks until each has answered or failed.
    pub fn wait(self) -> Result<Outcomes<T, E>, Error> {
        pollster::block_on(self.into_future())
    }
}

impl<T: Send + 'static, E: Send + 'static> IntoFuture for FleetCall<T, E> {
    type Output = Result<Outcomes<T, E>, Error>;
    type IntoFuture = Operation<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { fleet, call } = self;
        Operation::new(async move {
            if !call.is_shared() {
                return Err(Error::SharedReceiver {
                    hosts: fleet.hosts.len(),
                });
            }
            // A module that fails, fails for all hosts alike: report it once.
            call.module().await?;
            // Calls that stream last as long as their reader listens, so all must run at once: none
            // may wait for the end of another.
            let fleet = if call.streams() {
                fleet.clone().max_parallel(fleet.hosts.len())
            } else {
                fleet
            };
            Ok(Outcomes(
                on_all(fleet, move |host| run(host, call.clone())).await,
            ))
        })
    }
}

/// Runs `work` on each host, on as many at once as the fleet allows. Keeps the fleet's order.
async fn on_all<T, E, F>(fleet: Fleet, work: impl Fn(Host) -> F) -> Vec<Outcome<T, E>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<T, CallError<E>>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(fleet.max_parallel));
    let mut running = JoinSet::new();
    for (index, host) in fleet.hosts.iter().cloned().enumerate() {
        let (name, places, work) = (host.shared_name(), places.clone(), work(host));
        running.spawn(async move {
            let _place = places.acquire().await;
            (
                index,
                Outcome {
                    host: name,
                    result: work.await,
                },
            )
        });
    }
    // Drops the call in `work` with its ends of channels, so that a channel is over when the ends
    // of all hosts are.
    drop(work);
    let mut outcomes: Vec<_> = running.join_all().await;
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Outcome of a call on one host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome<T, E = Infallible> {
    /// Name of the host.
    pub host: Arc<str>,
    /// The task's value, or the error.
    pub result: Result<T, CallError<E>>,
}

/// Outcomes of a call on each host of a fleet, in the fleet's order.
#[derive(Debug, Clone)]
pub struct Outcomes<T, E = Infallible>(Vec<Outcome<T, E>>);

impl<T, E> Outcomes<T, E> {
    /// Returns the hosts that answered, with their values.
    pub fn successes(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0
            .iter()
            .filter_map(|outcome| Some((&*outcome.host, outcome.result.as_ref().ok()?)))
    }

    /// Returns the hosts that failed, with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &CallError<E>)> {
        self.0
            .iter()
            .filter_map(|outcome| Some((&*outcome.host, outcome.result.as_ref().err()?)))
    }

    /// Returns all outcomes.
    pub fn iter(&self) -> std::slice::Iter<'_, Outcome<T, E>> {
        self.0.iter()
    }

    /// Returns all values, or one error that names every host that failed.
    pub fn into_result(self) -> Result<Vec<(Arc<str>, T)>, FleetError> {
        let hosts = self.0.len();
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        for Outcome { host, result } in self.0 {
            match result {
                Ok(value) => values.push((host, value)),
                Err(error) => failures.push(error.erase()),
            }
        }
        if failures.is_empty() {
            Ok(values)
        } else {
            Err(FleetError { hosts, failures })
        }
    }
}

impl<T, E> IntoIterator for Outcomes<T, E> {
    type Item = Outcome<T, E>;
    type IntoIter = std::vec::IntoIter<Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, E> IntoIterator for &'a Outcomes<T, E> {
    type Item = &'a Outcome<T, E>;
    type IntoIter = std::slice::Iter<'a, Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A call failed on some hosts of a fleet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FleetError {
    /// Number of hosts that were called.
    pub hosts: usize,
    /// The errors, one for each host that failed.
    pub failures: Vec<CallError>,
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} hosts failed", self.failures.len(), self.hosts)?;
        self.failures
            .iter()
            .try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl std::error::Error for FleetError {}
