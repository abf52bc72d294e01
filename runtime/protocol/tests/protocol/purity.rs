//! What the crate's sources must not mention: whatever moves bytes, starts something or reads a clock.

use std::{fs, path::Path};

const IMPURE: [&str; 8] =
    ["std::io", "std::net", "std::fs", "std::process", "std::thread", "Instant", "SystemTime", "tokio"];

#[test]
fn the_protocol_does_no_io_and_reads_no_clock() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    for entry in fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let source = fs::read_to_string(&path).unwrap();
        for word in IMPURE {
            assert!(!source.contains(word), "{} mentions {word}", path.display());
        }
        read += 1;
    }
    assert!(read > 5, "the sources are here");
}
