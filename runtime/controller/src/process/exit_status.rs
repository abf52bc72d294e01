//! The way a process ended.

use std::fmt;

/// The way a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitStatus {
    /// The process exited with this exit code.
    Code(i32),
    /// A signal of this number ended the process.
    Signal(i32),
}

impl ExitStatus {
    /// The end of a process that writes to a pipe without a reader.
    pub(crate) const BROKEN_PIPE: Self = Self::Signal(13);

    /// Returns true if the process exited with exit code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// Returns the exit code that a shell shows: 128 plus the number of the signal, if one ended
    /// the process.
    pub fn shell_code(self) -> u8 {
        match self {
            // The operating system truncates codes that are too large in the same way.
            Self::Code(code) => code.to_le_bytes()[0],
            Self::Signal(signal) => signal.wrapping_add(128).to_le_bytes()[0],
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => match name(signal) {
                Some(name) => write!(f, "ended by SIG{name}"),
                None => write!(f, "ended by signal {signal}"),
            },
        }
    }
}

/// Returns the usual name of a signal, if it is one of those that end processes.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_signals_read_as_in_a_shell() {
        assert_eq!(ExitStatus::Code(3).to_string(), "exit code 3");
        assert_eq!(ExitStatus::Signal(9).to_string(), "ended by SIGKILL");
        assert_eq!(ExitStatus::Signal(40).to_string(), "ended by signal 40");
        assert_eq!(
            [
                ExitStatus::Code(3),
                ExitStatus::Signal(15),
                ExitStatus::Code(256)
            ]
            .map(ExitStatus::shell_code),
            [3, 143, 0]
        );
        assert!(ExitStatus::Code(0).success() && !ExitStatus::Signal(0).success());
    }
}
