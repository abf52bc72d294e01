//! The terms of a call: its limits, and what it may touch.

pub(crate) mod grants;
pub(crate) mod limits;
