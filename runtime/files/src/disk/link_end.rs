//! The ends of symbolic links: the kind of file that a link leads to.

use std::os::fd::OwnedFd;

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat, statat},
    io::{Errno, Result},
};

use super::{Metadata, directory::DIRECTORY};
use crate::path::split;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::open_named;

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
}
