//! The folder of a plan's record: it stays on the host, in a place that the agent chooses.

use std::{env, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::PathBuf};

use wxec_protocol::{PathGrant, abi};

/// The folder for the state of root's programs.
const STATE_OF_ROOT: &str = "/var/lib";

/// The record that a guest was granted.
pub(crate) struct RecordFolder {
    pub(crate) name: String,
    /// True if the guest may write it, and the folder is made.
    pub(crate) write: bool,
}

impl RecordFolder {
    /// Returns the grant of its folder. Blocks.
    pub(crate) fn grant(&self) -> Option<PathGrant> {
        let folder = self.folder()?;
        if self.write {
            // If it cannot be made, the guest finds that it is not there.
            let _ = DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder);
        }
        Some(PathGrant {
            path: folder.to_str()?.to_owned(),
            guest_path: abi::RECORD_FOLDER.to_owned(),
            write: self.write,
        })
    }

    fn folder(&self) -> Option<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.:@+-".contains(c);
        if self.name.starts_with('.') || self.name.is_empty() || !self.name.chars().all(plain) {
            return None;
        }
        let state = if rustix::process::geteuid().is_root() {
            STATE_OF_ROOT.into()
        } else {
            let given =
                |name| Some(PathBuf::from(env::var_os(name)?)).filter(|at| at.is_absolute());
            given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?
        };
        Some(state.join("wxec/plans").join(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_other_folder() {
        let folder = |name: &str| {
            let (name, write) = (name.to_owned(), false);
            RecordFolder { name, write }.folder()
        };
        let found = folder("site::web-1").unwrap();
        assert!(found.ends_with("wxec/plans/site::web-1"), "{found:?}");
        for name in ["", ".", "..", "../x", "a/b", "/etc", "a\0b"] {
            assert_eq!(folder(name), None, "{name:?}");
        }
    }
}
