//! Output that guests print and log, on its way to the user.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest target of a log record. A target is a module's path, and few paths are longer than 60
/// bytes.
pub const MAX_TARGET_BYTES: usize = 256;

/// Longest message of a log record: people read it, and it travels in one frame.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// Cost of a record beside its texts, so that a flood of empty records ends too.
const RECORD_BYTES: u64 = 16;

/// Cost of the guests' output that may be under way in a session, all calls together, before the
/// controller has taken any: one transmission, which is the longest that any other message waits.
/// The last message may exceed this limit.
pub const OUTPUT_WINDOW_BYTES: u64 = 256 << 10;

/// Cost of a message beside its bytes, so that a flood of short messages ends too.
const MESSAGE_BYTES: u64 = 64;

/// Returns the share of [`OUTPUT_WINDOW_BYTES`] that a message with `bytes` of output takes.
pub fn output_cost(bytes: u64) -> u64 {
    MESSAGE_BYTES + bytes
}

/// The standard stream that a guest wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutputStream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// The severity of a log record. The first one is the most severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something went wrong.
    Error = 1,
    /// Something may go wrong.
    Warn,
    /// Worth knowing.
    Info,
    /// For people who look for a fault.
    Debug,
    /// For people who look closely.
    Trace,
}

impl LogLevel {
    /// Returns the level of this number, from 1 for errors to 5 for traces; for other numbers the
    /// nearest level.
    pub fn nearest(number: i32) -> Self {
        match number {
            ..=1 => Self::Error,
            2 => Self::Warn,
            3 => Self::Info,
            4 => Self::Debug,
            5.. => Self::Trace,
        }
    }
}

/// The usual name: `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`.
impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        })
    }
}

/// A record that a guest logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// Its severity.
    pub level: LogLevel,
    /// Its subject: the path of the module that logged it, unless the guest set another. May be
    /// empty.
    pub target: &'a str,
    /// Its text.
    pub message: &'a str,
}

impl<'a> LogRecord<'a> {
    /// Makes a record, cut to [`MAX_TARGET_BYTES`] and [`MAX_MESSAGE_BYTES`].
    pub fn new(level: LogLevel, target: &'a str, message: &'a str) -> Self {
        let cut = |text: &'a str, max| &text[..text.floor_char_boundary(max)];
        Self {
            level,
            target: cut(target, MAX_TARGET_BYTES),
            message: cut(message, MAX_MESSAGE_BYTES),
        }
    }

    /// Returns its share of [`Limits::stdio_bytes`](crate::Limits::stdio_bytes).
    pub fn cost(&self) -> u64 {
        RECORD_BYTES + self.target.len() as u64 + self.message.len() as u64
    }
}

/// `LEVEL target: message`, as loggers print it.
impl fmt::Display for LogRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            "" => write!(f, "{} {}", self.level, self.message),
            target => write!(f, "{} {target}: {}", self.level, self.message),
        }
    }
}
