//! Common to all other modules: the runtime, operations, blocking waits, locks, times, texts, and
//! the progress of builds.

pub(crate) mod json;
pub(crate) mod open_files;
pub(crate) mod operation;
pub(crate) mod progress;
pub(crate) mod runtime;
pub(crate) mod sync;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod wait;
pub(crate) mod waiter;
