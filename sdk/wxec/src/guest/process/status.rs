//! The exit status of a program.

use std::fmt;

use wxec_protocol::abi::ProcessEnd;

/// The exit status of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(ProcessEnd);

/// The part of a status that concerns signals, like `std::os::unix::process::ExitStatusExt`.
pub trait ExitStatusExt {
    /// Returns the signal that ended the program, if one did.
    fn signal(&self) -> Option<i32>;
}

impl ExitStatus {
    pub(super) fn new(end: ProcessEnd) -> Self {
        Self(end)
    }

    /// Returns true if the exit code is 0.
    pub fn success(&self) -> bool {
        self.0.code == Some(0)
    }

    /// Returns the exit code, if the program exited.
    pub fn code(&self) -> Option<i32> {
        self.0.code
    }
}

impl ExitStatusExt for ExitStatus {
    fn signal(&self) -> Option<i32> {
        self.0.signal
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code, self.0.signal) {
            (Some(code), _) => write!(f, "exit status: {code}"),
            (None, Some(signal)) => write!(f, "signal: {signal}"),
            (None, None) => f.write_str("unknown end"),
        }
    }
}
