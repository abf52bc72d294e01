//! Durations as they travel and are kept.

use std::time::Duration;

/// Returns the whole milliseconds of `duration`, at most `u64::MAX`: 580 million years.
pub(crate) fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
