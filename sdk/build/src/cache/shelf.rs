//! A directory of built programs with their digests beside them. The digests guarantee that a
//! program taken from it is the one that was put there.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use wxec_protocol::{Digest, Hasher};

use crate::{BuildError, cache::directory::create_private};

/// The digests, as `sha256sum -c` reads them.
const SUMS: &str = "SHA256SUMS";

/// A directory of built programs.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    directory: PathBuf,
}

/// A file on a shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shelved {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
}

impl Shelf {
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Returns true if files were put here. Does not read them.
    pub(crate) fn is_there(&self) -> bool {
        self.directory.join(SUMS).is_file()
    }

    /// Returns the files `names`, if each of them is there and has the digest it was put there
    /// with.
    pub(crate) fn take<const N: usize>(&self, names: [&str; N]) -> Option<[Shelved; N]> {
        let sums = fs::read_to_string(self.directory.join(SUMS)).ok()?;
        let shelved: Option<Vec<Shelved>> = names
            .iter()
            .map(|name| {
                let path = self.directory.join(name);
                let (digest, bytes) = digest_of(&path).ok()?;
                let line = format!("{digest}  {name}");
                sums.lines().any(|known| known == line).then_some(Shelved {
                    path,
                    digest,
                    bytes,
                })
            })
            .collect();
        shelved?.try_into().ok()
    }

    /// Puts files here, executable for their owner. A reader finds all of them or, by their
    /// digests, none.
    pub(crate) fn put<const N: usize>(
        &self,
        files: [(&str, &[u8]); N],
    ) -> Result<[Shelved; N], BuildError> {
        create_private(&self.directory)?;
        let mut sums = String::new();
        let mut shelved = Vec::with_capacity(N);
        for (name, bytes) in files {
            let (path, digest) = (self.directory.join(name), Digest::of(bytes));
            replace(&path, bytes)?;
            sums.push_str(&format!("{digest}  {name}\n"));
            shelved.push(Shelved {
                path,
                digest,
                bytes: bytes.len() as u64,
            });
        }
        replace(&self.directory.join(SUMS), sums.as_bytes())?;
        Ok(shelved.try_into().expect("as many as there were files"))
    }
}

/// Returns the digest of a file, and its length. Each command does this, so it keeps no more of the
/// file than fits into a processor's cache.
fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let (mut file, mut hasher) = (File::open(path)?, Hasher::default());
    let mut buffer = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher.finish(), length)),
            read => {
                hasher.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.wxec-tmp", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.set_permissions(Permissions::from_mode(0o700))?;
        file.write_all(bytes)?;
        // The digest would reveal a file that a power cut left empty, but to build it again costs
        // minutes.
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(BuildError::io("write", path))
}

/// Removes all folders of `directory` but `current` and the `keep - 1` newest others.
pub(crate) fn prune(directory: &Path, current: &str, keep: usize) {
    let others = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut others: Vec<(SystemTime, PathBuf)> = others
        .filter(|entry| {
            entry.file_name() != current && entry.file_type().is_ok_and(|kind| kind.is_dir())
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    others.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in others.iter().skip(keep.saturating_sub(1)) {
        // If it cannot be removed now, the next build tries again.
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let place = tempfile::tempdir().expect("a temporary directory");
        let shelf = Shelf::new(place.path().join("0123/x86_64"));
        (place, shelf)
    }

    #[test]
    fn what_was_put_is_taken() {
        let (_place, shelf) = shelf();
        assert_eq!(shelf.take(["agent"]), None);
        assert!(!shelf.is_there());

        let put = shelf
            .put([("agent", b"ELF"), ("agent.gz", b"gz")])
            .expect("the shelf can be written");

        assert_eq!(shelf.take(["agent", "agent.gz"]).as_ref(), Some(&put));
        assert!(shelf.is_there());
        assert_eq!(put[0].digest, Digest::of(b"ELF"));
        assert_eq!(put[0].bytes, 3);
        let mode = fs::metadata(&put[0].path)
            .expect("it exists")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let names = fs::read_dir(&shelf.directory).expect("it exists").count();
        assert_eq!(names, 3, "nothing temporary is left");
    }

    #[test]
    fn a_changed_or_missing_file_is_not_taken() {
        let (_place, shelf) = shelf();
        let [agent, compressed] = shelf
            .put([("agent", b"ELF"), ("agent.gz", b"gz")])
            .expect("the shelf can be written");

        fs::write(&agent.path, b"FLE").expect("it can be written");
        assert_eq!(shelf.take(["agent", "agent.gz"]), None);
        assert!(shelf.take(["agent.gz"]).is_some());

        fs::remove_file(&compressed.path).expect("it exists");
        assert_eq!(shelf.take(["agent.gz"]), None);
    }

    #[test]
    fn digests_without_their_sums_are_worth_nothing() {
        let (_place, shelf) = shelf();
        shelf
            .put([("agent", b"ELF")])
            .expect("the shelf can be written");

        fs::write(shelf.directory.join(SUMS), "").expect("it can be written");

        assert_eq!(shelf.take(["agent"]), None);
    }

    #[test]
    fn the_newest_and_the_current_are_kept() {
        let place = tempfile::tempdir().expect("a temporary directory");
        for (age, name) in ["newest", "newer", "older", "oldest", "current"]
            .iter()
            .enumerate()
        {
            let folder = place.path().join(name);
            fs::create_dir(&folder).expect("it can be created");
            let modified = SystemTime::now() - Duration::from_secs(60 * age as u64);
            File::open(&folder)
                .and_then(|file| file.set_modified(modified))
                .expect("it is ours");
        }
        fs::write(place.path().join("lock"), "").expect("it can be written");

        prune(place.path(), "current", 3);

        let kept = ["newest", "newer", "older", "oldest", "current", "lock"]
            .map(|name| place.path().join(name).exists());
        assert_eq!(kept, [true, true, false, false, true, true]);
    }
}
