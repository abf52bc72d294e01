//! This process's terminal, its streams, and the signals that end it.

pub(crate) mod interrupt;
pub(crate) mod progress;
pub(crate) mod raw;
pub(crate) mod spinner;
pub(crate) mod stderr;
pub(crate) mod stdout;
pub(crate) mod stream;
pub(crate) mod text;
