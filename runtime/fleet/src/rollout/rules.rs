//! Rules of a run on many hosts.

use std::{collections::HashMap, fmt, pin::Pin, sync::Arc, time::Duration};

use wxec_controller::Host;

use super::{amount::Amount, batches::Batches, event::Event, order::Order, schedule::Schedule};

/// Hosts behind one hop to which connections are made at once: each is a login, and a bastion's
/// sshd refuses some of the logins that come faster than it admits them (`MaxStartups`).
const PER_HOP: usize = 10;

/// Asks whether there may be another batch.
pub(crate) type Gate = dyn Fn(&[Host]) -> Answer + Send + Sync;

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Listens to the events of a run.
pub(crate) type Listener = dyn Fn(&Event) + Send + Sync;

/// Rules of a run on many hosts: its batches, when it stops, and what it tries again.
///
/// Without rules, all hosts are worked on, as many at once as the fleet allows, whatever fails.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use std::time::Duration;
/// use wxec::fleet::{Amount, Rules};
///
/// let careful = Rules::new()
///     .batches("1,10%".parse()?)
///     .max_fail(Amount::Percent(10))
///     .pause(Duration::from_secs(60))
///     .retries(2);
/// assert_eq!(
///     careful.schedule(37).to_string(),
///     "37 hosts: batches 1, 4, 4×8; stops when more than 3 fail (10 % of 37)"
/// );
/// # Ok::<(), wxec::fleet::RulesError>(())
/// ```
#[derive(Clone)]
#[must_use = "rules do nothing until a fleet has them"]
pub struct Rules {
    pub(super) batches: Option<Batches>,
    pub(super) max_fail: Option<Amount>,
    pub(super) unreachable_ok: usize,
    pub(super) pause: Option<Duration>,
    pub(super) order: Order,
    pub(super) stop_now: bool,
    pub(super) retries: u32,
    pub(super) per_hop: usize,
    pub(super) deadline: Option<Duration>,
    pub(super) lazy: bool,
    connect_first: bool,
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) listener: Option<Arc<Listener>>,
}

impl Rules {
    /// Creates rules that change nothing.
    pub fn new() -> Self {
        Self {
            batches: None,
            max_fail: None,
            unreachable_ok: 0,
            pause: None,
            order: Order::Given,
            stop_now: false,
            retries: 0,
            per_hop: PER_HOP,
            deadline: None,
            lazy: false,
            connect_first: false,
            gate: None,
            listener: None,
        }
    }

    /// Takes the hosts in batches. All hosts are connected before the first one, so that those
    /// which are unreachable are known before any work, and the run stops at the first failure;
    /// unless [`lazy`](Self::lazy) and [`max_fail`](Self::max_fail) say otherwise.
    pub fn batches(self, batches: Batches) -> Self {
        Self {
            batches: Some(batches),
            ..self
        }
    }

    /// Stops when more hosts than this have failed, of all hosts of the run; percentages are
    /// rounded down. Hosts that are unreachable or lost count as failed. None with batches, and no
    /// limit without.
    pub fn max_fail(self, hosts: Amount) -> Self {
        Self {
            max_fail: Some(hosts),
            ..self
        }
    }

    /// Leaves so many unreachable hosts out of the count of those that failed.
    pub fn unreachable_ok(self, hosts: usize) -> Self {
        Self {
            unreachable_ok: hosts,
            ..self
        }
    }

    /// Waits so long between two batches.
    pub fn pause(self, time: Duration) -> Self {
        Self {
            pause: Some(time),
            ..self
        }
    }

    /// Calls `gate` between two batches, after the pause, with the hosts of the batch on which the
    /// work was done. An error ends the run, and says why.
    pub fn gate<F>(self, gate: impl Fn(&[Host]) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self {
            gate: Some(Arc::new(move |hosts| Box::pin(gate(hosts)))),
            ..self
        }
    }

    /// Takes the hosts in this order.
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Cancels the work under way when the run stops. By default it goes on to its end, because a
    /// host that is half done is worse than one that is done.
    pub fn stop_now(self) -> Self {
        Self {
            stop_now: true,
            ..self
        }
    }

    /// Tries so many times more, each after a longer pause: to connect to a host, where waiting may
    /// help; and all of the work, if that is idempotent.
    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// Connects to at most so many hosts behind the same hop at once, where connecting is the run's
    /// part: not with an error that cannot say that a host is unreachable. 10 by default.
    pub fn per_hop(self, hosts: usize) -> Self {
        Self {
            per_hop: hosts.max(1),
            ..self
        }
    }

    /// Stops, and cancels the work under way, when the run has taken so long.
    pub fn deadline(self, time: Duration) -> Self {
        Self {
            deadline: Some(time),
            ..self
        }
    }

    /// Connects to each host when it is its turn, also with batches.
    pub fn lazy(self) -> Self {
        Self { lazy: true, ..self }
    }

    /// Connects to each host before its work begins, so that connecting and work are told apart in
    /// events. Batches and retries imply it.
    pub fn connect_first(self) -> Self {
        Self {
            connect_first: true,
            ..self
        }
    }

    /// Calls `listener` with each event of the run, as it happens. The run waits for it.
    pub fn on_event(self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self {
            listener: Some(Arc::new(listener)),
            ..self
        }
    }

    /// Returns the batches and the limit of a run on `hosts` hosts.
    pub fn schedule(&self, hosts: usize) -> Schedule {
        let batches = self.batches.as_ref();
        Schedule::new(hosts, batches, self.max_fail, self.unreachable_ok)
    }

    /// Returns true if the run connects to a host before it begins the work there. `hops` are the
    /// hops before its hosts.
    pub(crate) fn connects(&self, mut hops: impl Iterator<Item = usize>) -> bool {
        let mut behind = HashMap::new();
        let crowds = |hop| {
            let hosts: &mut usize = behind.entry(hop).or_default();
            *hosts += 1;
            *hosts > self.per_hop
        };
        let asked = self.connect_first || self.batches.is_some() || self.retries > 0;
        asked || hops.any(crowds)
    }

    /// Returns how many times more a host is tried at most.
    pub(crate) fn most_retries(&self) -> u32 {
        self.retries
    }

    /// Returns true if all hosts are connected before the first batch.
    pub(crate) fn probes(&self) -> bool {
        self.batches.is_some() && !self.lazy
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("batches", &self.batches)
            .field("max_fail", &self.max_fail)
            .field("retries", &self.retries)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
