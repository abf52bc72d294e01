//! A list of hosts.

use std::collections::HashSet;

use wxec_controller::{AddressError, Host, Operation};

use crate::{
    driver::{Boxed, Job},
    judge::Judge,
    outcomes::FleetError,
    rollout::{Batches, Rules, Schedule},
    run::FleetRun,
    work::FleetWork,
};

/// Default number of hosts worked on at once: each may need a process and a few files here.
const MAX_PARALLEL: usize = 128;

/// A list of hosts, each once, in the order given. A call on a fleet runs on all of them in
/// parallel, by the rules of its [`Rules`]. Fleets are sets: `|`, `&`, `-` and `^` go by the names
/// of hosts, and what they give has the rules of the fleet on the left.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::Fleet;
///
/// let fleet = Fleet::new(["web1", "web2", "web1"])?;
/// assert_eq!(fleet.hosts().len(), 2);
/// # Ok::<(), wxec::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fleet {
    hosts: Vec<Host>,
    max_parallel: usize,
    rules: Rules,
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

    /// Takes the hosts in these batches: short for [`Rules::batches`].
    ///
    /// ```
    /// # use wxec_fleet::__docs as wxec;
    /// use wxec::Fleet;
    ///
    /// let fleet = Fleet::new(["web1", "web2", "web3"])?.batches("1,rest".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn batches(mut self, batches: Batches) -> Self {
        self.rules = self.rules.batches(batches);
        self
    }

    /// Sets the rules for work on these hosts.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Returns the batches and the limit of work on these hosts.
    pub fn schedule(&self) -> Schedule {
        self.rules.schedule(self.hosts.len())
    }

    /// Runs what `work` returns for each host, in parallel: a call, a command, or any future. `work`
    /// is called when it is a host's turn.
    ///
    /// ```no_run
    /// # use wxec_fleet::__docs as wxec;
    /// use wxec::Fleet;
    ///
    /// let run = Fleet::new(["web1", "web2"])?.each(|host| host.command("uptime").output(""));
    /// for (host, uptime) in run.wait().successes() {
    ///     println!("{host}: {}", String::from_utf8_lossy(&uptime.stdout));
    /// }
    /// # Ok::<(), wxec::Error>(())
    /// ```
    pub fn each<T, E, F>(&self, work: impl FnMut(&Host) -> F + Send + 'static) -> FleetRun<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: IntoFuture<Output = Result<T, E>>,
        F::IntoFuture: Send + 'static,
    {
        self.work(work).start()
    }

    /// Returns the same work, to be told more about before it starts.
    ///
    /// ```no_run
    /// # use wxec_fleet::__docs as wxec;
    /// use wxec::{Fleet, fleet::Verdict};
    ///
    /// let fleet = Fleet::new(["web1", "web2"])?.batches("1,rest".parse().expect("two batches"));
    /// let restart = |host: &wxec::Host| host.command("systemctl").args(["restart", "app"]).output("");
    /// let work = fleet.work(restart).idempotent().judge(|result| match result {
    ///     Ok(output) if output.status.success() => Verdict::ok(),
    ///     Ok(output) => Verdict::failed(output.status.to_string()),
    ///     Err(error) => Verdict::of_call(error),
    /// });
    /// if let Some(stopped) = work.start().wait().stopped() {
    ///     println!("{stopped}");
    /// }
    /// # Ok::<(), wxec::Error>(())
    /// ```
    pub fn work<T, E, F>(
        &self,
        mut work: impl FnMut(&Host) -> F + Send + 'static,
    ) -> FleetWork<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: IntoFuture<Output = Result<T, E>>,
        F::IntoFuture: Send + 'static,
    {
        let work =
            Box::new(move |host: &Host| -> Boxed<T, E> { Box::pin(work(host).into_future()) });
        FleetWork(Job {
            hosts: self.hosts.clone(),
            parallel: self.max_parallel,
            rules: self.rules.clone(),
            work: Some(work),
            idempotent: false,
            judge: Judge::of_any().into(),
        })
    }

    /// Returns the hosts for which `call` returns true, with the rules of this fleet. One host that
    /// does not answer makes it an error, because nobody knows on which side that host belongs.
    ///
    /// ```no_run
    /// # use wxec_fleet::__docs as wxec;
    /// use wxec::{CallError, Fleet};
    ///
    /// let fleet = Fleet::new(["web1", "web2"])?;
    /// let debian = fleet.filter(|host| {
    ///     let facts = host.facts();
    ///     async { Ok::<_, CallError>(facts.await?.distro.is_some_and(|distro| distro.id == "debian")) }
    /// });
    /// println!("{:?}", debian.wait()?.hosts());
    /// # Ok::<(), wxec::Error>(())
    /// ```
    pub fn filter<E, F>(
        &self,
        call: impl FnMut(&Host) -> F + Send + 'static,
    ) -> Operation<Result<Self, FleetError<E>>>
    where
        E: Send + 'static,
        F: IntoFuture<Output = Result<bool, E>>,
        F::IntoFuture: Send + 'static,
    {
        let fleet = self.clone();
        let everywhere = Self {
            rules: Rules::new(),
            ..self.clone()
        };
        let run = everywhere.each(call);
        Operation::new(async move {
            let answers = run.await.into_result()?.into_iter();
            let hosts = fleet.hosts.iter().zip(answers);
            let hosts = hosts.filter_map(|(host, (_, wanted))| wanted.then(|| host.clone()));
            Ok(fleet.with_hosts(hosts))
        })
    }

    /// Returns a fleet of `hosts` with the rules of this one.
    pub(crate) fn with_hosts(&self, hosts: impl IntoIterator<Item = Host>) -> Self {
        Self {
            max_parallel: self.max_parallel,
            rules: self.rules.clone(),
            ..hosts.into_iter().collect()
        }
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
        let mut members = HashSet::new();
        let once = |host: &Host| members.insert((host.name().to_owned(), host.address().clone()));
        Self {
            hosts: hosts.into_iter().filter(once).collect(),
            max_parallel: MAX_PARALLEL,
            rules: Rules::new(),
        }
    }
}
