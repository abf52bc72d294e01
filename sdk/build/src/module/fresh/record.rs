//! Records of builds, on this machine's disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use wxec_protocol::Digest;

use super::watched::Watched;
use crate::{PackageSource, cache::directory::create_private};

/// Most records kept, of some ten kilobytes each: more than a person works on.
const MAX_RECORDS: usize = 200;

/// A build, and the state of all that it was made of.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) package: String,
    /// The file that cargo left.
    pub(super) module: PathBuf,
    pub(super) digest: Digest,
    pub(super) source: PackageSource,
    pub(super) watched: Watched,
    pub(super) state: Digest,
}

impl Record {
    pub(super) fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Stores the record. A reader sees all of it or nothing.
    pub(super) fn store(&self, path: &Path) -> io::Result<()> {
        // Refuses paths that are not UTF-8, which leaves the decision to cargo.
        let bytes = serde_json::to_vec(self)?;
        let no_directory = || io::Error::other("a record is in a directory");
        let directory = path.parent().ok_or_else(no_directory)?;
        create_private(directory).map_err(io::Error::other)?;
        prune(directory)?;
        // The turn at the target directory is ours, so no other thread writes this file.
        let temporary = path.with_extension(std::process::id().to_string());
        fs::write(&temporary, bytes)?;
        fs::rename(temporary, path)
    }
}

/// Makes room for one more record by removing the oldest.
fn prune(directory: &Path) -> io::Result<()> {
    let mut records = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        records.push((entry.metadata()?.modified()?, entry.path()));
    }
    records.sort_unstable();
    let surplus = (records.len() + 1).saturating_sub(MAX_RECORDS);
    for (_, path) in &records[..surplus] {
        fs::remove_file(path)?;
    }
    Ok(())
}
