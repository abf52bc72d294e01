//! The answers of a plan's checks.

use std::fmt::Display;

/// The answer of a check: a `bool`, or a `Result` whose error says what is wrong.
pub trait Verdict {
    /// Returns the reason if the check failed.
    fn failed(self) -> Option<String>;
}

impl Verdict for bool {
    fn failed(self) -> Option<String> {
        (!self).then(|| "the check says no".into())
    }
}

impl Verdict for () {
    fn failed(self) -> Option<String> {
        None
    }
}

impl<V: Verdict, E: Display> Verdict for Result<V, E> {
    fn failed(self) -> Option<String> {
        match self {
            Ok(verdict) => verdict.failed(),
            Err(error) => Some(error.to_string()),
        }
    }
}
