//! Items that the output of `#[plan]` names. Other code must not use them: they change without
//! notice.

pub use wxec;

/// Ends the process at the `n`th point where a run may die, for tests of what the next run does.
#[cfg(not(target_family = "wasm"))]
pub fn crash_at(n: u64) {
    CRASH_AT.with(|left| left.set(n));
}

#[cfg(not(target_family = "wasm"))]
thread_local! {
    /// Points that are left; 0 is none.
    static CRASH_AT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn crash_point() {
    CRASH_AT.with(|left| {
        if left.get() == 1 {
            std::process::abort();
        }
        left.set(left.get().saturating_sub(1));
    });
}
