//! Directories as open file descriptors, not as names: a link that is put in a directory's place
//! cannot lead a transfer elsewhere.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat, unlinkat},
    io::{Errno, Result},
};

use super::{Metadata, metadata};

/// Flags to open a directory with.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Opens a directory that the user named, following links.
pub(crate) fn open_named(path: impl rustix::path::Arg) -> Result<OwnedFd> {
    openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Opens a directory in another one, unless it is a link.
pub(crate) fn open_inner(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    openat(directory, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(
        |error| match error {
            // Linux may report either error for a link.
            Errno::NOTDIR if is_link(directory, name) => Errno::LOOP,
            error => error,
        },
    )
}

fn is_link(directory: &OwnedFd, name: &[u8]) -> bool {
    metadata(directory, name)
        .is_ok_and(|found| found.is_some_and(|found| found.kind() == FileType::Symlink))
}

/// A tree, and the directory in it that was used last.
pub(crate) struct Tree {
    root: Arc<OwnedFd>,
    last: Option<(Vec<u8>, Arc<OwnedFd>)>,
    /// True if links between directories are followed: the tree is the user's own, and the user
    /// asked for it.
    follow: bool,
}

impl Tree {
    pub(crate) fn new(root: OwnedFd, follow: bool) -> Self {
        Self {
            root: Arc::new(root),
            last: None,
            follow,
        }
    }

    /// Opens the directory at `path`: names joined by `/`, empty for the root.
    pub(crate) fn open(&mut self, path: &[u8]) -> Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some((last, directory)) = &self.last
            && last == path
        {
            return Ok(directory.clone());
        }
        let mut directory = self.root.clone();
        for name in path.split(|byte| *byte == b'/') {
            directory = Arc::new(if self.follow {
                openat(&directory, name, DIRECTORY, Mode::empty())?
            } else {
                open_inner(&directory, name)?
            });
        }
        self.last = Some((path.to_vec(), directory.clone()));
        Ok(directory)
    }
}

/// Makes a directory with this mode, but gives its owner all permissions for now. Returns the mode
/// to set later, if that mode gives the owner fewer. The directory keeps a setgid bit that it
/// inherits. One that another transfer has made meanwhile is left as that made it.
pub(crate) fn make(directory: &OwnedFd, name: &[u8], mode: u32) -> Result<Option<u32>> {
    match mkdirat(directory, name, Mode::RWXU) {
        Err(Errno::EXIST) if open_inner(directory, name).is_ok() => return Ok(None),
        made => made?,
    }
    let made = open_inner(directory, name)?;
    let mode = mode | Metadata(fstat(&made)?).mode_with(0o2000);
    fchmod(&made, Mode::from_raw_mode(mode | 0o700))?;
    Ok((mode & 0o700 != 0o700).then_some(mode))
}

/// Returns the names in a directory.
pub(crate) fn names(directory: &OwnedFd) -> Result<impl Iterator<Item = Result<Vec<u8>>> + use<>> {
    let entries =
        Dir::read_from(directory)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
    Ok(entries.filter(|name| !matches!(name.as_deref(), Ok(b"." | b".."))))
}

/// Removes a file, a link, or a directory with everything in it. Returns the number of entries
/// removed.
pub(crate) fn remove(directory: &OwnedFd, name: &[u8]) -> Result<u64> {
    let refused = match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => return Ok(1),
        // POSIX lets systems report PERM for a directory. For other files, PERM is the real reason.
        Err(error @ (Errno::ISDIR | Errno::PERM)) => error,
        Err(error) => return Err(error),
    };
    let inner = open_inner(directory, name).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => refused,
        error => error,
    })?;
    let mut removed = 1;
    // Collects the names first, because removing entries would disturb the reading of the
    // directory.
    for name in names(&inner)?.collect::<Result<Vec<_>>>()? {
        removed += remove(&inner, &name)?;
    }
    unlinkat(directory, name, AtFlags::REMOVEDIR)?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_made_meanwhile_will_do_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let above = open_named(place.path()).unwrap();
        assert_eq!(make(&above, b"tree", 0o500), Ok(Some(0o500)));
        assert_eq!(make(&above, b"tree", 0o511), Ok(None));
        let mode = |name| metadata(&above, name).unwrap().unwrap().mode_with(0o777);
        assert_eq!(mode(b"tree"), 0o700, "the first one sets its mode later");
        std::fs::write(place.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("tree", place.path().join("link")).unwrap();
        for name in [&b"file"[..], b"link"] {
            assert_eq!(make(&above, name, 0o755), Err(Errno::EXIST));
        }
    }

    #[test]
    fn a_file_that_cannot_be_removed_is_not_said_to_be_no_directory() {
        // No account may remove anything there; root gets PERM.
        let process = open_named("/proc/self").unwrap();
        let error = remove(&process, b"status").unwrap_err();
        assert!(matches!(error, Errno::PERM | Errno::ACCESS), "{error}");
    }
}
