//! Tests that cannot run here say so.

use std::{env, fs::File, io::Write, thread};

/// Names a file that collects the reasons; `tests/run` prints it at the end.
const SKIPS_VARIABLE: &str = "WXEC_TEST_SKIPS";

/// Tells that the test that calls this cannot run on this machine. The test returns right after.
pub(crate) fn skip(reason: &str) {
    let line = format!("skipped: {}: {reason}\n", thread::current().name().unwrap_or("a test"));
    eprint!("{line}");
    if let Some(path) = env::var_os(SKIPS_VARIABLE) {
        let file = File::options().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of skips can be written");
    }
}
