//! Any bytes as the file of a cached artifact: they are accepted only if they are an entry that was
//! stored. A stored entry is accepted, but not with a byte changed or missing.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[path = "../../runtime/controller/src/module/artifact.rs"]
mod artifact;

use artifact::Artifact;

fuzz_target!(|bytes: &[u8]| {
    if let Some(artifact) = Artifact::from_entry(Bytes::copy_from_slice(bytes)) {
        assert_eq!(artifact.entry().concat(), bytes);
    }
    let [high, low, change, stored @ ..] = bytes else {
        return;
    };
    let artifact = Artifact::new(Bytes::copy_from_slice(stored));
    let entry = artifact.entry().concat();
    let found = Artifact::from_entry(entry.clone().into()).expect("what was stored");
    assert!(found.digest == artifact.digest && found.bytes == stored);

    let at = usize::from(u16::from_be_bytes([*high, *low])) % entry.len();
    assert!(
        Artifact::from_entry(entry[..at].to_vec().into()).is_none(),
        "an entry that was cut"
    );
    let mut damaged = entry;
    damaged[at] ^= change.max(&1);
    assert!(
        Artifact::from_entry(damaged.into()).is_none(),
        "an entry that was changed"
    );
});
