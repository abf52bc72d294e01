//! Why transfers fail: which path, what was being done to it, and what was in the way.

use std::{fmt, io};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::options::Shown;

/// Something about a path is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The path, as it was named or found.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// What was being done.
    pub doing: Doing,
    /// What was in the way.
    pub kind: FailureKind,
}

/// What was being done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "their texts are below")]
pub enum Doing {
    Finding,
    Reading,
    Creating,
    Writing,
    SettingOwner,
    SettingMode,
    SettingTimes,
    Syncing,
    Replacing,
    Deleting,
}

/// What was in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// It is not there, or a directory above it is not.
    NotFound,
    /// A directory is where a file should be.
    IsADirectory,
    /// Something else is where a directory should be.
    NotADirectory,
    /// A symbolic link is where a directory should be; transfers go through none.
    IsALink,
    /// It is neither a file nor a directory nor a link.
    Special,
    /// The account may not do that.
    PermissionDenied,
    /// The file system is full, or a quota or a limit on the size of files is reached.
    NoSpace,
    /// The file system cannot be written to.
    ReadOnly,
    /// It changed while it was read, twice.
    Changed,
    /// What was written is not what was sent.
    WrongDigest,
    /// There is no account or group of this name.
    UnknownAccount(String),
    /// It is longer than it may be, in bytes.
    TooLong(u64),
    /// The other end named something that is no name of a file.
    BadName,
    /// It has no name to be put under.
    NoName,
    /// The transfer was given up.
    Cancelled,
    /// Something else.
    Other(String),
}

impl Failure {
    pub(crate) fn new(doing: Doing, path: impl Into<Vec<u8>>, kind: FailureKind) -> Self {
        Self { path: path.into(), doing, kind }
    }

    pub(crate) fn io(doing: Doing, path: impl Into<Vec<u8>>, error: impl Into<io::Error>) -> Self {
        Self::new(doing, path, FailureKind::of(&error.into()))
    }

    /// What may help, if wxec knows.
    pub fn hint(&self) -> Option<&'static str> {
        match (&self.kind, self.doing) {
            (FailureKind::PermissionDenied, Doing::SettingOwner) => {
                Some("only root may do that: go there by way of `sudo:`, as in `web1/sudo:`")
            }
            (FailureKind::PermissionDenied, _) => {
                Some("another account may be allowed to: `web1/sudo:` is root, `web1/sudo:app` is app")
            }
            (FailureKind::IsADirectory, _) => Some("to put it into a directory, end the directory's name with `/`"),
            (FailureKind::NoName, Doing::Reading) => Some("name the target itself, without a `/` at its end"),
            (FailureKind::NotFound, Doing::Creating) => Some("`--parents` makes missing directories"),
            _ => None,
        }
    }
}

impl FailureKind {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::NOENT) => Self::NotFound,
            Some(Errno::ISDIR) => Self::IsADirectory,
            Some(Errno::NOTDIR) => Self::NotADirectory,
            Some(Errno::LOOP) => Self::IsALink,
            Some(Errno::ACCESS | Errno::PERM) => Self::PermissionDenied,
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::NoSpace,
            Some(Errno::ROFS) => Self::ReadOnly,
            Some(Errno::CANCELED) => Self::Cancelled,
            // Without the number that Rust adds.
            Some(errno) => {
                let text = errno.to_string();
                Self::Other(text.split(" (os error").next().unwrap_or_default().to_lowercase())
            }
            None => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, Shown(&self.path), self.kind)
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finding => "find",
            Self::Reading => "read",
            Self::Creating => "create",
            Self::Writing => "write",
            Self::SettingOwner => "set the owner of",
            Self::SettingMode => "set the mode of",
            Self::SettingTimes => "set the time of",
            Self::Syncing => "flush",
            Self::Replacing => "replace",
            Self::Deleting => "delete",
        })
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file or directory"),
            Self::IsADirectory => f.write_str("it is a directory"),
            Self::NotADirectory => f.write_str("it is not a directory"),
            Self::IsALink => f.write_str("it is a symbolic link, and transfers go through none"),
            Self::Special => f.write_str("it is neither a file nor a directory"),
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

/// How a transfer ended, if not well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferEnd {
    /// Something at this end was in the way.
    #[error(transparent)]
    Here(Failure),
    /// Something at the other end was in the way.
    #[error(transparent)]
    There(Failure),
    /// The link was cut.
    #[error("the link was cut")]
    Cut,
    /// The other end gave up without a word.
    #[error("the other end gave up")]
    Closed,
    /// The other end broke the rules.
    #[error("the other end broke the protocol: {0}")]
    Malformed(&'static str),
}

impl From<Failure> for TransferEnd {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}
