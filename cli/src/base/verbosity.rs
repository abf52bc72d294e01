//! The amount of output on stderr.

use wxec::output::LogLevel;

/// The amount of output on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
    Debug,
}

impl Verbosity {
    /// Returns the level up to which log records of guests are shown.
    pub(crate) fn log_level(self) -> LogLevel {
        match self {
            Self::Quiet => LogLevel::Warn,
            Self::Normal => LogLevel::Info,
            Self::Verbose => LogLevel::Debug,
            Self::Debug => LogLevel::Trace,
        }
    }
}
