//! What guests print and log, on its way to whoever listens.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ProtocolError;

/// A target may not be longer. It is a module's path, and few are longer than 60.
pub const MAX_TARGET_BYTES: usize = 256;

/// A record's message may not be longer: people read it, and it travels in one frame.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// What a record costs beside its texts, so that a flood of empty records ends too.
const RECORD_BYTES: u64 = 16;

/// What guests print and log may be under way in a session, all calls together, before somebody has taken any: one
/// transmission, which is what any other message waits for at most. The last message may go beyond.
pub const OUTPUT_WINDOW_BYTES: u64 = 256 << 10;

/// What a message costs of that beside its bytes, so that a flood of short ones ends too.
const MESSAGE_BYTES: u64 = 64;

/// Taking output is told when so much was taken.
const ANNOUNCE_BYTES: u64 = OUTPUT_WINDOW_BYTES / 4;

/// What a message of so many `bytes` of output takes of [`OUTPUT_WINDOW_BYTES`].
pub fn output_cost(bytes: u64) -> u64 {
    MESSAGE_BYTES + bytes
}

/// How much of guests' output is under way, as one end sees it.
#[derive(Debug, Default)]
pub(crate) struct OutputFlow {
    under_way: u64,
    /// Taken here, and not yet announced.
    taken: u64,
}

impl OutputFlow {
    /// Whether more may be sent.
    pub(crate) fn has_room(&self) -> bool {
        self.under_way < OUTPUT_WINDOW_BYTES
    }

    /// A message of so many bytes is sent.
    pub(crate) fn send(&mut self, bytes: u64) {
        self.under_way += output_cost(bytes);
    }

    /// A message of so many bytes arrives.
    pub(crate) fn receive(&mut self, bytes: u64) -> Result<(), ProtocolError> {
        if !self.has_room() {
            return Err(ProtocolError::TooLong { what: "guests' output under way", limit: OUTPUT_WINDOW_BYTES });
        }
        self.send(bytes);
        Ok(())
    }

    /// So much was taken here. Returns the credit to announce, if it is time to.
    pub(crate) fn take(&mut self, cost: u64) -> Option<u64> {
        self.taken += cost;
        (self.taken >= ANNOUNCE_BYTES).then(|| {
            let credit = std::mem::take(&mut self.taken);
            self.under_way = self.under_way.saturating_sub(credit);
            credit
        })
    }

    /// So much was taken at the other end.
    pub(crate) fn receive_credit(&mut self, cost: u64) -> Result<(), ProtocolError> {
        self.under_way = self
            .under_way
            .checked_sub(cost)
            .ok_or(ProtocolError::TooLong { what: "credit for output", limit: OUTPUT_WINDOW_BYTES })?;
        Ok(())
    }
}

/// Where a guest's output was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutputStream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// How much a log record matters. The first matters most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something went wrong.
    Error = 1,
    /// Something may go wrong.
    Warn,
    /// Worth knowing.
    Info,
    /// For those who look for a fault.
    Debug,
    /// For those who look closely.
    Trace,
}

impl LogLevel {
    /// The level of this number, from 1 for errors to 5 for traces; the nearest one if there is none.
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

/// As people know it: `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`.
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

/// What a guest logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// How much it matters.
    pub level: LogLevel,
    /// What it is about: the path of the module that logged it, unless that says otherwise. May be empty.
    pub target: &'a str,
    /// What it says.
    pub message: &'a str,
}

impl<'a> LogRecord<'a> {
    /// A record, cut to [`MAX_TARGET_BYTES`] and [`MAX_MESSAGE_BYTES`].
    pub fn new(level: LogLevel, target: &'a str, message: &'a str) -> Self {
        let cut = |text: &'a str, max| &text[..text.floor_char_boundary(max)];
        Self { level, target: cut(target, MAX_TARGET_BYTES), message: cut(message, MAX_MESSAGE_BYTES) }
    }

    /// What it takes of [`Limits::stdio_bytes`](crate::Limits::stdio_bytes).
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
