//! The metadata of files, directories and links, as the system reports it.

use std::os::fd::OwnedFd;

use rustix::{
    fs::{AtFlags, FileType, Stat, statat},
    io::{Errno, Result},
};

use crate::wire::Time;

/// Mode bits of files and of directories that travel. Directories also have the sticky bit, and the
/// setgid bit, which hands down their group.
pub(crate) const FILE_BITS: u32 = 0o777;
pub(crate) const DIRECTORY_BITS: u32 = 0o3777;

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
