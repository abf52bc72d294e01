//! The words of the command line's users: exit codes, times and sizes, shell words, brackets.

pub(crate) mod brackets;
pub(crate) mod exit_code;
pub(crate) mod quantity;
pub(crate) mod shell_words;
pub(crate) mod verbosity;
