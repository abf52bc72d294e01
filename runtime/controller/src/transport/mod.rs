//! The ways in: each gives one ordered byte pipe each way, and the last words of whatever is at the other end.

pub(crate) mod local;
pub(crate) mod ssh;

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::runtime;

/// One ordered byte pipe each way.
pub(crate) struct Transport {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) stderr: StderrTail,
    /// The process at this end. Dropping it ends it.
    #[expect(dead_code, reason = "held for what dropping it does")]
    pub(crate) process: Box<dyn Any + Send>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// The last lines the other end wrote to its stderr: what a person needs when a session breaks.
#[derive(Debug, Clone, Default)]
pub(crate) struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    /// A screenful. A host may write for hours.
    const BYTES: usize = 4 << 10;

    /// Reads `stderr` to its end, in the background.
    pub(crate) fn collect(mut stderr: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let tail = Self::default();
        let kept = tail.clone();
        runtime::spawn(async move {
            let mut part = [0; 1024];
            while let Ok(length @ 1..) = stderr.read(&mut part).await {
                kept.push(&part[..length]);
            }
        });
        tail
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(Self::BYTES);
        tail.drain(..excess);
    }

    /// The tail as text, made safe to print: a host could send a terminal's escape sequences.
    pub(crate) fn text(&self) -> String {
        let tail = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        printable(String::from_utf8_lossy(&tail).trim())
    }
}

/// Replaces control characters, but for newlines and tabs.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c })
        .collect()
}
