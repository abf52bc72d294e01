//! Many hosts at once. The only crate that works on hosts in parallel.
//!
//! A [`Fleet`] is a list of hosts. Whatever is done on it gives a [`FleetRun`]: a stream of
//! [`Outcome`]s as they come, which also waits for all [`Outcomes`] in the fleet's order. A [`Rules`]
//! says in which batches the hosts are taken, what is tried again, and when the run stops.
//!
//! ```no_run
//! # use wxec_fleet::__docs as wxec;
//! use wxec::Fleet;
//!
//! let fleet = Fleet::new(["web1", "web2"])?;
//! for outcome in fleet.each(|host| host.command("uptime").output("")) {
//!     println!("{}: {}", outcome.host, outcome.result.is_ok());
//! }
//! # Ok::<(), wxec::Error>(())
//! ```

// Storeys, from the bottom up: a module uses only those above it in this list.

/// Names of many hosts in few words.
mod names;
/// Batches, limits, retries: the rules of a run, as a state machine.
mod rollout;
/// Results of work on each host.
mod outcomes;
/// Records of runs: what was done on which hosts, and how it went.
pub mod record;
/// Hosts by their names, and the targets that select some of them.
pub mod inventory;
/// The error of any of wxec's operations.
mod error;
/// Errors of work, as a run judges them.
mod judge;
/// The task that connects hosts and runs the work on them.
mod driver;
/// Work on all hosts under way.
mod run;
/// Work on all hosts, before it starts.
mod work;
/// A list of hosts.
mod fleet;
/// Sets of hosts.
mod sets;
/// Hosts of an inventory as fleets.
mod selected;
/// Calls on a fleet.
mod call;
/// Facts about the hosts of a fleet.
mod facts;
/// Files to a fleet and from it.
mod transfer;

pub use call::{FLEET_TIMEOUT, FleetCall};
pub use error::{Error, Result};
pub use fleet::Fleet;
pub use names::fold_names;
pub use outcomes::{FleetError, Outcome, Outcomes};
pub use rollout::{
    Amount, Batches, Ending, Event, EventKind, Order, Rules, RulesError, Schedule, StopReason,
    Stopped, Verdict,
};
pub use run::{BlockingIter, FleetRun};
pub use transfer::{FleetTransfer, name_for_host, transfer_all};
pub use work::FleetWork;

/// This crate's names where `wxec` has them, for the examples in its documentation.
#[doc(hidden)]
#[allow(
    ambiguous_glob_reexports,
    reason = "examples name no item that both have"
)]
pub mod __docs {
    pub use crate::*;
    pub use wxec_controller::*;
    macro_rules! topics {
        ($($topic:ident)*) => {
            $(pub mod $topic {
                pub use crate::*;
                pub use wxec_controller::*;
            })*
        };
    }

    topics!(call command fleet transfer);
}
