//! An agent whose controller's messages are changed, repeated, lost or swapped on their way: each
//! call arrives once, modules and blobs match their digests, no stream brings more than its window,
//! no limit is passed, and memory stays bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::{End, Steps, talk};

fuzz_target!(|steps: Steps| {
    // An error is right, and so is none: every event was checked.
    let _ = talk(&steps.0, Some(End::Controller));
});
