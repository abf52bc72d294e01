//! How a process ended.

use std::fmt;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitStatus {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal of this number.
    Signal(i32),
}

impl ExitStatus {
    /// As a process ends that writes where nobody reads.
    pub(crate) const BROKEN_PIPE: Self = Self::Signal(13);

    /// Whether it ended by itself, with exit code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit code a shell shows: 128 and the number of the signal, if one ended it.
    pub fn shell_code(self) -> u8 {
        match self {
            // As the operating system does with codes that are too large.
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

/// What people call a signal, if it is one of those that end processes.
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
            [ExitStatus::Code(3), ExitStatus::Signal(15), ExitStatus::Code(256)].map(ExitStatus::shell_code),
            [3, 143, 0]
        );
        assert!(ExitStatus::Code(0).success() && !ExitStatus::Signal(0).success());
    }
}
