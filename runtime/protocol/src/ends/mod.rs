//! The state machines of the two ends.

pub(crate) mod agent;
pub(crate) mod controller;
pub(crate) mod output_flow;
pub(crate) mod streams;
