//! Joins an end of a channel to a stream of a call.
//!
//! The ends that go with a call are found while its arguments are encoded: each becomes the index
//! of its stream. When the call is made, one task per end carries items, until either side ends.
//! The other end then learns how the call ended.

mod outcome;
mod running;
mod ports;
mod delivery;
mod supply;
mod arguments;

pub(crate) use self::{delivery::Incoming, running::Bridges};
pub use self::{
    delivery::ReturnedStream,
    ports::{Arguments, ChannelEnds},
};
