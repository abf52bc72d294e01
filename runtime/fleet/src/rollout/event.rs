//! Events of a run, for records and for views.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::ending::Ending;
use crate::names::fold_names;

/// An event of a run on many hosts. The first is [`Begun`](EventKind::Begun), the last
/// [`Over`](EventKind::Over); every host has one [`Ended`](EventKind::Ended).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Event {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// The event itself.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Kinds of events of a run. Batches count from 1, and so do attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run began. All its hosts are queued, in this order.
    Begun {
        /// The hosts.
        hosts: Vec<String>,
        /// Sizes of the batches.
        batches: Vec<usize>,
        /// Number of hosts that may fail; `None` without a limit.
        allowed: Option<usize>,
    },
    /// A batch began.
    BatchBegun {
        /// Its number.
        batch: usize,
        /// Number of its hosts.
        hosts: usize,
    },
    /// The run began to connect to a host: before its work, or after [`Started`](Self::Started) in
    /// the course of that.
    Connecting {
        /// The host.
        host: String,
        /// Number of the attempt.
        attempt: u32,
    },
    /// A host is connected. Work that has started goes on.
    Connected {
        /// The host.
        host: String,
    },
    /// The work on a host began.
    Started {
        /// The host.
        host: String,
        /// Number of the attempt.
        attempt: u32,
    },
    /// An attempt failed, and there will be another one.
    Retrying {
        /// The host.
        host: String,
        /// Number of the attempt that failed.
        attempt: u32,
        /// The end of the attempt.
        ending: Ending,
        /// The error.
        error: Option<String>,
        /// Milliseconds until the next attempt.
        in_ms: u64,
    },
    /// A host has reached its final state.
    Ended {
        /// The host.
        host: String,
        /// The final state.
        ending: Ending,
        /// The error.
        error: Option<String>,
    },
    /// All hosts of a batch have ended.
    BatchEnded {
        /// Its number.
        batch: usize,
        /// Number of its hosts on which the work was done.
        ok: usize,
        /// Number of its hosts that failed.
        failed: usize,
    },
    /// The run waits before the next batch.
    Pausing {
        /// Milliseconds of the pause.
        for_ms: u64,
    },
    /// The run asks whether there may be another batch.
    GateAsked {
        /// The batch that has ended.
        batch: usize,
    },
    /// The gate has answered.
    GateAnswered {
        /// The batch that has ended.
        batch: usize,
        /// The reason why there must not be another one; `None` if there may be.
        refusal: Option<String>,
    },
    /// The run stopped: no work begins any more.
    Stopped {
        /// The reason.
        reason: StopReason,
    },
    /// The run is over. All hosts have ended.
    Over {
        /// Number of hosts on which the work was done.
        ok: usize,
        /// Number of hosts that failed.
        failed: usize,
        /// Number of hosts whose work was cancelled.
        cancelled: usize,
        /// Number of hosts whose work did not begin.
        skipped: usize,
    },
}

/// Reasons why a run stops before its last host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// More hosts failed than are allowed to.
    Failures {
        /// Number of hosts that failed.
        failed: usize,
        /// Number of hosts that may fail.
        allowed: usize,
    },
    /// The gate between two batches refused the next one.
    Gate {
        /// The batch that had ended.
        batch: usize,
        /// The gate's reason.
        reason: String,
    },
    /// The run was not over at its deadline.
    Deadline {
        /// The deadline, in milliseconds since the run began.
        after_ms: u64,
    },
    /// The program gave the run up.
    Interrupted,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures { failed: 1, .. } => f.write_str("1 host failed, and none may"),
            Self::Failures { failed, allowed: 0 } => {
                write!(f, "{failed} hosts failed, and none may")
            }
            Self::Failures { failed, allowed } => {
                write!(f, "{failed} hosts failed, more than the {allowed} allowed")
            }
            Self::Gate { batch, reason } => {
                write!(f, "the gate refused to go on after batch {batch}: {reason}")
            }
            Self::Deadline { after_ms } => write!(
                f,
                "the deadline of {:?} has passed",
                std::time::Duration::from_millis(*after_ms)
            ),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// A run stopped before its last host: the reason, and the hosts that have no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// The reason.
    pub reason: StopReason,
    /// Hosts whose work the run ended. It may be done in part.
    pub cancelled: Vec<Arc<str>>,
    /// Hosts whose work did not begin.
    pub not_started: Vec<Arc<str>>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped: {}", self.reason)?;
        for (what, hosts) in [
            ("cancelled", &self.cancelled),
            ("not started", &self.not_started),
        ] {
            if !hosts.is_empty() {
                let names = fold_names(hosts.iter().map(|host| &**host));
                write!(f, "; {what}: {names}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_run_says_why_and_names_the_hosts_without_an_outcome() {
        let stopped = Stopped {
            reason: StopReason::Failures {
                failed: 4,
                allowed: 3,
            },
            cancelled: vec!["web1".into()],
            not_started: vec!["web2".into(), "web3".into()],
        };
        assert_eq!(
            stopped.to_string(),
            "stopped: 4 hosts failed, more than the 3 allowed; cancelled: web1; not started: web[2-3]"
        );
    }
}
