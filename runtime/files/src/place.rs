//! Directories as open file descriptors, not as names: a link that is put in a directory's place
//! cannot lead a transfer elsewhere.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fchmod, fstat, fstatfs,
        mkdirat, openat, readlinkat, statat, unlinkat,
    },
    io::{Errno, Result},
};

use crate::{message::Time, path::split};

/// Mode bits of files and of directories that travel. Directories also have the sticky bit, and the
/// setgid bit, which hands down their group.
pub(crate) const FILE_BITS: u32 = 0o777;
pub(crate) const DIRECTORY_BITS: u32 = 0o3777;

const DIRECTORY: OFlags = OFlags::RDONLY
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
            directory = Arc::new(match self.follow {
                true => openat(&directory, name, DIRECTORY, Mode::empty())?,
                false => open_inner(&directory, name)?,
            });
        }
        self.last = Some((path.to_vec(), directory.clone()));
        Ok(directory)
    }
}

/// The status of a file, directory or link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata(pub(crate) Stat);

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "types differ between architectures"
)]
impl Metadata {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.0.st_mode)
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.0.st_size).unwrap_or(0)
    }

    /// Returns the permission bits, without those that run a program as another account. On
    /// directories these bits mean something else.
    pub(crate) fn mode(&self) -> u32 {
        self.mode_with(if self.kind() == FileType::Directory {
            DIRECTORY_BITS
        } else {
            FILE_BITS
        })
    }

    /// Returns the permission bits that are in `bits`.
    pub(crate) fn mode_with(&self, bits: u32) -> u32 {
        self.0.st_mode as u32 & bits
    }

    pub(crate) fn modified(&self) -> Time {
        Time {
            seconds: self.0.st_mtime.into(),
            nanoseconds: u32::try_from(self.0.st_mtime_nsec).unwrap_or(0),
        }
    }

    /// Returns device and inode, which no other file has at the same time.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.0.st_dev.into(), self.0.st_ino.into())
    }
}

/// Returns the status of a name in a directory, or `None` if the name does not exist. Does not
/// follow links.
pub(crate) fn metadata(directory: &OwnedFd, name: &[u8]) -> Result<Option<Metadata>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Metadata(stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The kind of file that a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    FileOrDirectory,
    /// A device, a pipe or a socket; or a file that a process has open, as behind `/dev/stdout`,
    /// whatever its kind at the moment.
    Special,
    Nowhere,
    /// This account may not find out.
    Unknown,
}

/// The number of links in a row that Linux follows.
const MAX_LINKS: usize = 40;

/// Finds what the link `name` in `directory` leads to.
pub(crate) fn link_end(directory: &OwnedFd, name: &[u8]) -> LinkEnd {
    if leads_through_proc(directory, name).unwrap_or(false) {
        return LinkEnd::Special;
    }
    match statat(directory, name, AtFlags::empty()).map(|stat| Metadata(stat).kind()) {
        Ok(FileType::RegularFile | FileType::Directory) => LinkEnd::FileOrDirectory,
        Ok(_) => LinkEnd::Special,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => LinkEnd::Nowhere,
        Err(_) => LinkEnd::Unknown,
    }
}

/// Returns true if one of the links on the way is made up by the kernel.
fn leads_through_proc(directory: &OwnedFd, name: &[u8]) -> Result<bool> {
    let in_proc = |directory: &OwnedFd| Ok(fstatfs(directory)?.f_type == PROC_SUPER_MAGIC);
    if in_proc(directory)? {
        return Ok(true);
    }
    let mut target = readlinkat(directory, name, Vec::new())?.into_bytes();
    let mut at = openat(directory, ".", OFlags::PATH | DIRECTORY, Mode::empty())?;
    for _ in 0..MAX_LINKS {
        let Some((above, name)) = split(&target) else {
            return Ok(false);
        };
        at = openat(&at, &*above, OFlags::PATH | DIRECTORY, Mode::empty())?;
        if in_proc(&at)? {
            return Ok(true);
        }
        match readlinkat(&at, &*name, Vec::new()) {
            Ok(next) => target = next.into_bytes(),
            Err(_) => return Ok(false),
        }
    }
    Ok(false)
}

/// Makes a directory with this mode, but gives its owner all permissions for now. Returns the mode
/// to set later, if that mode gives the owner fewer. The directory keeps a setgid bit that it
/// inherits.
pub(crate) fn make(directory: &OwnedFd, name: &[u8], mode: u32) -> Result<Option<u32>> {
    mkdirat(directory, name, Mode::RWXU)?;
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
    fn links_lead_to_something_or_nowhere() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        symlink("/proc/self/fd", path("fd")).unwrap();
        let directory = open_named(place.path()).unwrap();
        for (to, end) in [
            ("file", LinkEnd::FileOrDirectory),
            (".", LinkEnd::FileOrDirectory),
            ("/", LinkEnd::FileOrDirectory),
            ("absent", LinkEnd::Nowhere),
            ("absent/file", LinkEnd::Nowhere),
            ("link", LinkEnd::Nowhere),
            ("/dev/null", LinkEnd::Special),
            // The stdin of this process may be anything, and file descriptor 987 is not open.
            ("/dev/stdin", LinkEnd::Special),
            ("fd/0", LinkEnd::Special),
            ("/proc/self/fd/987", LinkEnd::Special),
        ] {
            let _ = std::fs::remove_file(path("link"));
            symlink(to, path("link")).unwrap();
            assert_eq!(link_end(&directory, b"link"), end, "{to}");
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
