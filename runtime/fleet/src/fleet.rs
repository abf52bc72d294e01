//! A list of hosts.

use wxec_controller::{AddressError, Host, Operation};

use crate::run::FleetRun;

/// Default number of hosts worked on at once: each may need a process and a few files here.
const MAX_PARALLEL: usize = 128;

/// A list of hosts, each once, in the order given. A call on a fleet runs on all of them in
/// parallel.
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

    /// Runs what `work` returns for each host, in parallel: a call, a command, or any future.
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
    pub fn each<T, E, F>(&self, mut work: impl FnMut(&Host) -> F) -> FleetRun<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: IntoFuture<Output = Result<T, E>>,
        F::IntoFuture: Send + 'static,
    {
        self.run(move |_, host| work(host).into_future())
    }

    pub(crate) fn run<T, E, F>(&self, work: impl FnMut(usize, &Host) -> F) -> FleetRun<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        FleetRun::start(self.hosts.clone(), self.max_parallel, work)
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
