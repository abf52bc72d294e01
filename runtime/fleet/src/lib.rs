//! Many hosts at once. The only crate that works on hosts in parallel.
//!
//! A [`Fleet`] is a list of hosts. Whatever is done on it gives a [`FleetRun`]: a stream of
//! [`Outcome`]s as they come, which also waits for all [`Outcomes`] in the fleet's order.
//!
//! ```no_run
//! # use wxec_fleet as wxec;
//! use wxec::Fleet;
//!
//! let fleet = Fleet::new(["web1", "web2"])?;
//! for outcome in fleet.each(|host| host.command("uptime").output("")) {
//!     println!("{}: {}", outcome.host, outcome.result.is_ok());
//! }
//! # Ok::<(), wxec::Error>(())
//! ```

// Storeys, from the bottom up: a module uses only those above it in this list.

/// Results of work on each host.
mod outcomes;
/// The error of any of wxec's operations.
mod error;
/// Work on all hosts under way.
mod run;
/// A list of hosts.
mod fleet;
/// Calls on a fleet.
mod call;
/// Facts about the hosts of a fleet.
mod facts;
/// Files to a fleet and from it.
mod transfer;

pub use call::FleetCall;
pub use error::{Error, Result};
pub use fleet::Fleet;
pub use outcomes::{FleetError, Outcome, Outcomes};
pub use run::{BlockingIter, FleetRun};
pub use transfer::{FleetTransfer, name_for_host, transfer_all};
