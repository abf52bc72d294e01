//! What a call did: how it ended, and what it printed, logged and sent.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use wxec::{
    CallErrorKind, Host,
    call::Value,
    output::{GuestOutput, LogLevel, LogRecord},
};

use crate::vectors::Logged;

/// Longest output kept: no vector prints more, and a guest that prints for ever is cut there.
const MAX_OUTPUT_BYTES: usize = 1 << 20;

/// The observations of one call.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) end: End,
    /// Items that it sent, by the position of their channel among all that it sends on.
    pub(crate) sent: Vec<Vec<Value>>,
    pub(crate) printed: Printed,
}

/// The end of a call.
#[derive(Debug)]
pub(crate) enum End {
    Returned(Value),
    /// It returned bytes that are no value, for this reason.
    Garbled(String),
    Failed(CallErrorKind),
    /// It ran until its caller gave up.
    Cancelled,
}

/// The output and the log records of a call.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) log: Vec<Logged>,
}

/// Listens to the output of calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listener(Arc<Mutex<Printed>>);

impl Listener {
    /// Returns `host` with this listener.
    pub(crate) fn at(&self, host: &Host) -> Host {
        let own = self.clone();
        host.with_output(Arc::new(move |_, output| own.lock().add(output)))
    }

    /// Returns what was heard since the last time.
    pub(crate) fn take(&self) -> Printed {
        mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Printed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Printed {
    fn add(&mut self, output: GuestOutput<'_>) {
        match output {
            GuestOutput::Stdout(bytes) => append(&mut self.stdout, bytes),
            GuestOutput::Stderr(bytes) => append(&mut self.stderr, bytes),
            GuestOutput::Log(LogRecord {
                level,
                target,
                message,
                ..
            }) => self.log.push(Logged {
                level: name(level).into(),
                target: target.into(),
                message: message.into(),
            }),
            _ => {}
        }
    }
}

fn append(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_OUTPUT_BYTES - kept.len();
    kept.extend(&bytes[..bytes.len().min(room)]);
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}
