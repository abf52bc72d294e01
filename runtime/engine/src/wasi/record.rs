//! The folder of a plan's record: it stays on the host, in a place that the agent chooses.

use std::{env, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::PathBuf};

use wxec_protocol::{PathGrant, RECORD};

/// The state folder of root, where the environment names no other.
const STATE_OF_ROOT: &str = "/var/lib/wxec";

/// Lets the grant of a record lead to its folder, and makes that if it may be written. Blocks.
pub(super) fn resolve(grant: &mut PathGrant) {
    let Some(name) = grant.path.strip_prefix(RECORD) else {
        return;
    };
    // Without a folder, the guest finds that there is nothing.
    let folder = folder(name).unwrap_or_default();
    if grant.write {
        let _ = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
    }
    grant.path = folder.to_string_lossy().into_owned();
}

fn folder(name: &str) -> Option<PathBuf> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"_.:@+-".contains(&c);
    if name.starts_with('.') || name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let places = [
        ("WXEC_STATE", ""),
        ("XDG_STATE_HOME", "wxec"),
        ("HOME", ".local/state/wxec"),
    ];
    let state = places.into_iter().find_map(|(variable, below)| {
        if variable == "HOME" && rustix::process::geteuid().is_root() {
            return Some(STATE_OF_ROOT.into());
        }
        let folder = PathBuf::from(env::var_os(variable)?);
        folder.is_absolute().then(|| folder.join(below))
    });
    Some(state?.join("plans").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_other_folder() {
        let found = folder("site::web-1").unwrap();
        assert!(found.ends_with("plans/site::web-1"), "{found:?}");
        for name in ["", ".", "..", "../x", "a/b", "/etc", "a\0b"] {
            assert_eq!(folder(name), None, "{name:?}");
        }
    }
}
