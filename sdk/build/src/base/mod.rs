//! The parts that all others use: errors, reports of progress, variables.

pub(crate) mod dependency;
pub(crate) mod error;
pub(crate) mod names;
pub(crate) mod progress;
pub(crate) mod variables;
