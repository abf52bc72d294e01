//! Both ends of a conversation for fuzz targets. Each end has a driver that keeps the rules and
//! checks every event of its own connection. The wire between them may be dishonest.
//!
//! The drivers' checks hold against any peer. Some checks hold only between two honest ends;
//! [`Peer`] selects those.

mod agent;
mod controller;
mod conversation;
mod flow;
mod greeted;
mod memory;
mod payload;
mod step;

pub use conversation::{Conversation, talk};
pub use greeted::{greeted_agent, greeted_controller};
pub use memory::takes_bounded_memory;
pub use step::{Damage, End, Said, Step, Steps};

/// Kind of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Another of these drivers: everything arrives as it was sent, and no rule is ever broken.
    Honest,
    /// A peer that may send anything.
    Any,
}
