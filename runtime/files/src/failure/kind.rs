//! The reasons of failures.

use std::{fmt, io};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Reasons of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// The path or a directory above it does not exist.
    NotFound,
    /// A directory is where a file should be.
    IsADirectory,
    /// Something that is not a directory is where a directory should be.
    NotADirectory,
    /// A symbolic link is where a directory should be; transfers go through no links.
    IsALink,
    /// Symbolic links lead around in a circle.
    LinkLoop,
    /// It is neither a file nor a directory nor a link to one.
    Special,
    /// It is a symbolic link that leads nowhere.
    DanglingLink,
    /// Its name, or the path to it, is longer than file systems take.
    NameTooLong,
    /// The account lacks the permission.
    PermissionDenied,
    /// The file system is full, or a quota is reached.
    NoSpace,
    /// The file system cannot be written to.
    ReadOnly,
    /// It changed while it was read, twice.
    Changed,
    /// The bytes written are not the bytes sent.
    WrongDigest,
    /// There is no account or group of this name.
    UnknownAccount(String),
    /// The file is longer than the limit, in bytes.
    TooLong(u64),
    /// The other end sent a name that is not a valid file name.
    BadName,
    /// The source has no name to be put under.
    NoName,
    /// The transfer was given up.
    Cancelled,
    /// Something else.
    Other(String),
}

impl FailureKind {
    pub(super) fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::NOENT) => Self::NotFound,
            Some(Errno::ISDIR) => Self::IsADirectory,
            Some(Errno::NOTDIR) => Self::NotADirectory,
            Some(Errno::LOOP) => Self::IsALink,
            Some(Errno::ACCESS | Errno::PERM) => Self::PermissionDenied,
            Some(Errno::NAMETOOLONG) => Self::NameTooLong,
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace,
            Some(Errno::FBIG) => Self::Other("no file may be as large there".into()),
            Some(Errno::ROFS) => Self::ReadOnly,
            Some(Errno::CANCELED) => Self::Cancelled,
            // Omits the number that Rust adds.
            Some(errno) => {
                let text = errno.to_string();
                Self::Other(
                    text.split(" (os error")
                        .next()
                        .unwrap_or_default()
                        .to_lowercase(),
                )
            }
            None => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file or directory"),
            Self::IsADirectory => f.write_str("it is a directory"),
            Self::NotADirectory => f.write_str("it is not a directory"),
            Self::IsALink => f.write_str("it is a symbolic link, and transfers go through none"),
            Self::LinkLoop => f.write_str("symbolic links lead around in a circle"),
            Self::Special => f.write_str("it is neither a file nor a directory"),
            Self::DanglingLink => f.write_str("it is a symbolic link that leads nowhere"),
            Self::NameTooLong => f.write_str("its name or path is longer than file systems take"),
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::NoSpace => f.write_str("no space left there"),
            Self::ReadOnly => f.write_str("the file system is read-only"),
            Self::Changed => f.write_str("it changed while it was read"),
            Self::WrongDigest => f.write_str("what arrived is not what was sent"),
            Self::UnknownAccount(name) => write!(f, "there is no account or group `{name}`"),
            Self::TooLong(limit) => write!(f, "it is longer than {limit} bytes"),
            Self::BadName => f.write_str("that is no name of a file"),
            Self::NoName => f.write_str("it has no name of its own"),
            Self::Cancelled => f.write_str("given up"),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}
