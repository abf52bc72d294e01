//! Rolling work out to many hosts: in which order and in how many steps, when to try again, when to
//! stop, and why. Nothing here does I/O or reads a clock: [`Rollout`] is told of both.

// From the bottom up.
mod amount;
mod batches;
mod ending;
mod event;
mod order;
mod schedule;
mod rules;
mod members;
mod machine;
mod steps;
mod stop;
#[cfg(test)]
pub(crate) mod model;

pub use amount::{Amount, RulesError};
pub use batches::Batches;
pub use ending::{Ending, Verdict};
pub use event::{Event, EventKind, StopReason, Stopped};
pub(crate) use machine::{Conditions, Fate, Rollout, Step};
pub use order::Order;
pub use rules::Rules;
pub use schedule::Schedule;
