//! The policy for transfers whose link was cut: the next attempt waits longer each time, until the
//! host has stayed away for too long.

use std::time::{Duration, Instant};

/// An attempt that moves less than this counts as idle.
const PROGRESS_BYTES: u64 = 1 << 20;

/// The first wait between two attempts. It doubles, up to `MAX_PAUSE`.
const PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Retry {
    /// The time that a host may stay away.
    within: Duration,
    /// The end of the first attempt that was idle, if the last one was.
    idle_since: Option<Instant>,
    pause: Duration,
}

impl Retry {
    pub(super) fn new(within: Duration) -> Self {
        Self {
            within,
            idle_since: None,
            pause: PAUSE,
        }
    }

    /// Returns the time to wait after an attempt that moved so many bytes. `None` if there is to be
    /// no further attempt.
    pub(super) fn next_pause(&mut self, moved_bytes: u64) -> Option<Duration> {
        if moved_bytes >= PROGRESS_BYTES {
            (self.idle_since, self.pause) = (None, PAUSE);
        }
        let idle = self.idle_since.get_or_insert_with(Instant::now).elapsed();
        let left = self.within.saturating_sub(idle);
        if left.is_zero() {
            return None;
        }
        let pause = self.pause.min(left);
        self.pause = (2 * self.pause).min(MAX_PAUSE);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_something_moves() {
        let mut retry = Retry::new(Duration::from_secs(3600));
        let pauses: Vec<_> = (0..8).map_while(|_| retry.next_pause(0)).collect();
        assert_eq!(
            (pauses[0], pauses[1], pauses[7]),
            (PAUSE, 2 * PAUSE, MAX_PAUSE)
        );
        assert_eq!(retry.next_pause(PROGRESS_BYTES), Some(PAUSE));
    }

    #[test]
    fn a_host_that_stays_away_is_given_up() {
        assert_eq!(Retry::new(Duration::ZERO).next_pause(PROGRESS_BYTES), None);
        let within = Duration::from_millis(1);
        assert!(
            Retry::new(within)
                .next_pause(0)
                .is_some_and(|pause| pause <= within)
        );
    }
}
