//! Both ends of a conversation for fuzz targets: drivers that keep the rules, each of which checks whatever its own
//! connection tells it, and a wire between them that need not be honest.
//!
//! What a driver checks holds against any peer. Only between two honest ends more can be said, which [`Peer`] decides.

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

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Another of these drivers: what arrives is what was sent, and no rule is ever broken.
    Honest,
    /// Anybody at all.
    Any,
}
