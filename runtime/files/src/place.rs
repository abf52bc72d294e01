//! Directories by what they are, not by what their names lead to at the moment: a link that somebody puts in a directory's
//! place leads no transfer anywhere else.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat, fchmod, fstat, fstatfs, mkdirat, openat,
        readlinkat, statat, unlinkat,
    },
    io::{Errno, Result},
};

use crate::{message::Time, path::split};

/// Bits of a file's mode that travel, and those of a directory's: sticky, and that what is made in it has its group.
pub(crate) const FILE_BITS: u32 = 0o777;
pub(crate) const DIRECTORY_BITS: u32 = 0o3777;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a directory that the user named, links and all.
pub(crate) fn open_named(path: impl rustix::path::Arg) -> Result<OwnedFd> {
    openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Opens a directory in another one, unless it is a link.
pub(crate) fn open_inner(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    openat(directory, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
        // Linux says both of a link.
        Errno::NOTDIR if is_link(directory, name) => Errno::LOOP,
        error => error,
    })
}

fn is_link(directory: &OwnedFd, name: &[u8]) -> bool {
    look(directory, name).is_ok_and(|found| found.is_some_and(|found| found.kind() == FileType::Symlink))
}

/// A tree, and the directory in it that was used last.
pub(crate) struct Tree {
    root: Arc<OwnedFd>,
    last: Option<(Vec<u8>, Arc<OwnedFd>)>,
    /// Links between directories are followed: it is the user's own tree, and they asked for it.
    follow: bool,
}

impl Tree {
    pub(crate) fn new(root: OwnedFd, follow: bool) -> Self {
        Self { root: Arc::new(root), last: None, follow }
    }

    /// The directory at `path`: names joined by `/`, nothing for the root.
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

/// What is known of a file, directory or link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found(pub(crate) Stat);

#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "types differ between architectures")]
impl Found {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.0.st_mode)
    }

    pub(crate) fn size(&self) -> u64 {
        u64::try_from(self.0.st_size).unwrap_or(0)
    }

    /// Permission bits, but for those that give a program another account. On a directory they mean something else.
    pub(crate) fn mode(&self) -> u32 {
        self.mode_with(if self.kind() == FileType::Directory { DIRECTORY_BITS } else { FILE_BITS })
    }

    /// These of its permission bits.
    pub(crate) fn mode_with(&self, bits: u32) -> u32 {
        self.0.st_mode as u32 & bits
    }

    pub(crate) fn modified(&self) -> Time {
        Time { seconds: self.0.st_mtime.into(), nanoseconds: u32::try_from(self.0.st_mtime_nsec).unwrap_or(0) }
    }

    /// What no other file has at the same time.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.0.st_dev.into(), self.0.st_ino.into())
    }
}

/// What is there under a name, if anything. Links stand for themselves.
pub(crate) fn look(directory: &OwnedFd, name: &[u8]) -> Result<Option<Found>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Found(stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    FileOrDirectory,
    /// A device, a pipe or a socket; or what a process has open, as behind `/dev/stdout`, whatever that is at the moment.
    Special,
    Nowhere,
    /// That is not for this account to know.
    Unknown,
}

/// As many links one after the other as Linux follows.
const MAX_LINKS: usize = 40;

/// Finds what the link `name` in `directory` leads to.
pub(crate) fn link_end(directory: &OwnedFd, name: &[u8]) -> LinkEnd {
    if leads_through_proc(directory, name).unwrap_or(false) {
        return LinkEnd::Special;
    }
    match statat(directory, name, AtFlags::empty()).map(|stat| Found(stat).kind()) {
        Ok(FileType::RegularFile | FileType::Directory) => LinkEnd::FileOrDirectory,
        Ok(_) => LinkEnd::Special,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => LinkEnd::Nowhere,
        Err(_) => LinkEnd::Unknown,
    }
}

/// Whether one of the links from there on is one that the kernel makes up.
fn leads_through_proc(directory: &OwnedFd, name: &[u8]) -> Result<bool> {
    let in_proc = |directory: &OwnedFd| Ok(fstatfs(directory)?.f_type == PROC_SUPER_MAGIC);
    if in_proc(directory)? {
        return Ok(true);
    }
    let mut target = readlinkat(directory, name, Vec::new())?.into_bytes();
    let mut at = openat(directory, ".", OFlags::PATH | DIRECTORY, Mode::empty())?;
    for _ in 0..MAX_LINKS {
        let Some((above, name)) = split(&target) else { return Ok(false) };
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

/// Makes a directory with this mode, in which its owner may do everything for now. Returns the mode to give it later, if that
/// does not allow as much. It keeps the group of the one it is in where that one says so.
pub(crate) fn make(directory: &OwnedFd, name: &[u8], mode: u32) -> Result<Option<u32>> {
    mkdirat(directory, name, Mode::RWXU)?;
    let made = open_inner(directory, name)?;
    let mode = mode | Found(fstat(&made)?).mode_with(0o2000);
    fchmod(&made, Mode::from_raw_mode(mode | 0o700))?;
    Ok((mode & 0o700 != 0o700).then_some(mode))
}

/// The names in a directory.
pub(crate) fn names(directory: &OwnedFd) -> Result<impl Iterator<Item = Result<Vec<u8>>> + use<>> {
    let entries = Dir::read_from(directory)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
    Ok(entries.filter(|name| !matches!(name.as_deref(), Ok(b"." | b".."))))
}

/// Removes a file, a link, or a directory and all that is in it. Returns how many of them there were.
pub(crate) fn remove(directory: &OwnedFd, name: &[u8]) -> Result<u64> {
    let refused = match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => return Ok(1),
        // POSIX has systems say PERM of a directory. Others mean it.
        Err(error @ (Errno::ISDIR | Errno::PERM)) => error,
        Err(error) => return Err(error),
    };
    let inner = open_inner(directory, name).map_err(|error| match error {
        Errno::NOTDIR | Errno::LOOP => refused,
        error => error,
    })?;
    let mut removed = 1;
    // Names are taken before anything is removed, which would upset the reading of them.
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
            // Of this process, stdin may be anything; and there is no such file open.
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
        // Nobody may remove anything there; root is told so by PERM.
        let process = open_named("/proc/self").unwrap();
        let error = remove(&process, b"status").unwrap_err();
        assert!(matches!(error, Errno::PERM | Errno::ACCESS), "{error}");
    }
}
