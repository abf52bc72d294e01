//! The parts that all others use: exit codes, verbosity, times and sizes, shell words,
//! locks.

pub(crate) mod exit_code;
pub(crate) mod quantity;
pub(crate) mod shell_words;
pub(crate) mod sync;
pub(crate) mod verbosity;
