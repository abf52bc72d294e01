//! Artifacts on this machine's disk, named by module, target and build, and verified whenever they are loaded.

use std::{fs, io, path::PathBuf};

use bytes::Bytes;
use wxec_protocol::{BUILD, Digest, Target};

use crate::module::Artifact;

/// An entry is the artifact's digest, then the artifact.
const HEAD: usize = 32;

fn path(module: Digest, target: &Target) -> Option<PathBuf> {
    let cache = wxec_build::cache_directory().ok()?;
    Some(cache.join("artifacts").join(BUILD).join(target.to_string()).join(module.to_string()))
}

/// The artifact of `module`, if it is there and whole. A damaged entry is removed: it counts as missing.
pub(crate) fn load(module: Digest, target: &Target) -> Option<Artifact> {
    let path = path(module, target)?;
    let entry = Bytes::from(fs::read(&path).ok()?);
    let artifact = verify(entry);
    if artifact.is_none() {
        let _ = fs::remove_file(&path);
    }
    artifact
}

fn verify(entry: Bytes) -> Option<Artifact> {
    let digest = Digest::from_bytes(*entry.first_chunk::<HEAD>()?);
    let bytes = entry.slice(HEAD..);
    (Digest::of(&bytes) == digest).then_some(Artifact { digest, bytes })
}

/// Keeps an artifact for the next run. Whoever reads it sees all of it or nothing.
pub(crate) fn store(module: Digest, target: &Target, artifact: &Artifact) -> io::Result<()> {
    let path = path(module, target).ok_or_else(|| io::Error::other("there is no cache directory"))?;
    let directory = path.parent().ok_or_else(|| io::Error::other("an entry has a directory"))?;
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut file, artifact.digest.as_bytes())?;
    io::Write::write_all(&mut file, &artifact.bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_makes_an_entry_worthless() {
        let artifact = b"native code".as_slice();
        let entry = [Digest::of(artifact).as_bytes(), artifact].concat();
        assert!(verify(entry.clone().into()).is_some_and(|found| found.bytes == artifact));
        for bit in 0..entry.len() * 8 {
            let mut damaged = entry.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(damaged.into()).is_none(), "bit {bit}");
        }
        assert!(verify(entry[..10].to_vec().into()).is_none());
    }
}
