//! Random numbers and clocks for calls with a seed: the same each time such a call is made.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand_core::TryRng;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Start of all calls with a seed: 2020-01-01 00:00:00 UTC, which certificates and file formats
/// find plausible.
const EPOCH: Duration = Duration::from_secs(1_577_836_800);

/// Time that passes whenever a clock is read. Without it, a loop that waits for time to pass would
/// never end.
const STEP: Duration = Duration::from_millis(1);

/// Gives a context random numbers that follow from `seed`, and a clock, which it returns.
pub(crate) fn configure(context: &mut WasiCtxBuilder, seed: u64) -> Clock {
    let clock = Clock::default();
    context
        .secure_random(SplitMix64(seed))
        .insecure_random(SplitMix64(seed))
        .insecure_random_seed(seed.into())
        .wall_clock(clock.clone())
        .monotonic_clock(clock.clone());
    clock
}

/// A clock that advances when it is read, and when a guest sleeps. Its clones are the same clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    /// Since the guest began.
    nanoseconds: Arc<AtomicU64>,
}

impl Clock {
    /// Advances the clock without waiting.
    pub(crate) fn pass(&self, nanoseconds: u64) {
        let now = self.nanoseconds.load(Relaxed);
        // A load and a store suffice, because a guest runs on one thread at a time. A sleep may be
        // longer than a clock can show.
        self.nanoseconds
            .store(now.saturating_add(nanoseconds), Relaxed);
    }

    fn read(&self) -> u64 {
        let now = self.nanoseconds.load(Relaxed);
        self.pass(as_nanoseconds(STEP));
        now
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        as_nanoseconds(STEP)
    }

    fn now(&self) -> u64 {
        self.read()
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        STEP
    }

    fn now(&self) -> Duration {
        EPOCH + Duration::from_nanos(self.read())
    }
}

fn as_nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Sebastiano Vigna's SplitMix64: short, and good enough for tests and simulations. It is not for
/// secrets: its numbers follow from earlier ones.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl TryRng for SplitMix64 {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [_, _, _, _, high @ ..] = self.next().to_le_bytes();
        Ok(u32::from_le_bytes(high))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut generator = SplitMix64(1_234_567);
        let numbers = [0; 3].map(|_: u64| generator.next());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn reading_and_sleeping_let_time_pass() {
        let clock = Clock::default();
        assert_eq!(HostWallClock::now(&clock), EPOCH);
        clock.pass(5);
        assert_eq!(HostMonotonicClock::now(&clock), 1_000_005);
        clock.pass(u64::MAX);
        assert_eq!(HostMonotonicClock::now(&clock), u64::MAX);
    }
}
