//! The time that work on a host takes, without connecting to it.

use std::time::{Duration, Instant};

use wxec::Host;

pub(crate) struct Stopwatch {
    started: Instant,
    connected: bool,
}

impl Stopwatch {
    pub(crate) fn start(host: &Host) -> Self {
        Self {
            started: Instant::now(),
            connected: host.is_connected(),
        }
    }

    pub(crate) fn elapsed(&self, host: &Host) -> Duration {
        let elapsed = self.started.elapsed();
        if self.connected {
            elapsed
        } else {
            elapsed.saturating_sub(host.stats().connect)
        }
    }
}
