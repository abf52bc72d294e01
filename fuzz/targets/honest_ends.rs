//! Any conversation of two ends that keep the rules: neither reports a broken rule, everything
//! arrives as it was sent, and after the goodbye nothing is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::{Conversation, Steps, talk};

fuzz_target!(|steps: Steps| {
    talk(&steps.0, None)
        .and_then(Conversation::close)
        .expect("both ends keep the rules");
});
