//! Artifacts on this machine's disk, named by module, target and build, and verified whenever they
//! are loaded.

use std::{fs, io, path::PathBuf};

use wxec_protocol::{BUILD, Digest, Target};

use crate::module::artifact::Artifact;

fn path(module: Digest, target: &Target) -> Option<PathBuf> {
    let cache = wxec_build::cache_directory().ok()?;
    Some(
        cache
            .join("artifacts")
            .join(BUILD)
            .join(target.to_string())
            .join(module.to_string()),
    )
}

/// Loads the artifact of `module`, if it is there and intact. A damaged entry is removed: it counts
/// as missing.
pub(crate) fn load(module: Digest, target: &Target) -> Option<Artifact> {
    let path = path(module, target)?;
    let artifact = Artifact::from_entry(fs::read(&path).ok()?.into());
    if artifact.is_none() {
        let _ = fs::remove_file(&path);
    }
    artifact
}

/// Stores an artifact for the next run. A reader sees all of it or nothing.
pub(crate) fn store(module: Digest, target: &Target, artifact: &Artifact) -> io::Result<()> {
    let path =
        path(module, target).ok_or_else(|| io::Error::other("there is no cache directory"))?;
    let directory = path
        .parent()
        .ok_or_else(|| io::Error::other("an entry has a directory"))?;
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    for piece in artifact.entry() {
        io::Write::write_all(&mut file, piece)?;
    }
    file.persist(path)?;
    Ok(())
}
