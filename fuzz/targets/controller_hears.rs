//! A controller whose agent's messages are changed, repeated, lost or swapped on their way: each
//! call ends at most once and has no events afterwards, no event names anything that was never
//! opened, no stream brings more than its window, no limit is passed, and memory stays bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::{End, Steps, talk};

fuzz_target!(|steps: Steps| {
    // An error is right, and so is none: every event was checked.
    let _ = talk(&steps.0, Some(End::Agent));
});
