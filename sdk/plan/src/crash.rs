//! Points where a run may die, for tests of what the next run does.

#[cfg(not(target_family = "wasm"))]
use std::cell::Cell;

#[cfg(not(target_family = "wasm"))]
thread_local! {
    /// Points that are left; 0 is none.
    static CRASH_AT: Cell<u64> = const { Cell::new(0) };
}

/// Ends the process at the `n`th point where a run may die.
#[cfg(not(target_family = "wasm"))]
pub fn crash_at(n: u64) {
    CRASH_AT.with(|left| left.set(n));
}

/// Ends the process, if this is the point that a test has chosen. Guests go on.
pub(crate) fn crash_point() {
    #[cfg(not(target_family = "wasm"))]
    CRASH_AT.with(|left| {
        if left.get() == 1 {
            std::process::abort();
        }
        left.set(left.get().saturating_sub(1));
    });
}
