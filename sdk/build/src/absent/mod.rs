//! Explains why a task is not in the module of its package: reads the package's sources once a call
//! of the task has failed.
//!
//! Tasks that macros write are not found, nor are modules that macros name; then there is no
//! answer.

pub(crate) mod configuration;
pub(crate) mod lines;
pub(crate) mod search;
pub(crate) mod source;
pub(crate) mod task;
