//! Work on hosts: on many at once, with channels, with a terminal.

pub(crate) mod attached;
pub(crate) mod gate;
pub(crate) mod rollout;
pub(crate) mod stopwatch;
pub(crate) mod fan_out;
pub(crate) mod job;
pub(crate) mod recording;
pub(crate) mod streaming;
