//! A controller whose agent's words are changed, repeated, lost or swapped on their way: a call ends at most once and is not heard of again, nothing is told of what
//! was never opened, no stream brings more than was asked for, no limit is passed, and memory stays bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::{End, Steps, talk};

fuzz_target!(|steps: Steps| {
    // Refusing is right, and so is not noticing: what is told was checked.
    let _ = talk(&steps.0, Some(End::Agent));
});
