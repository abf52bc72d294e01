//! Failures of transfers: the path, the step that failed, and the reason.

use std::{fmt, io};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::{Summary, message::MAX_PATH_BYTES};

/// Entries of a tree that each end names when they could not be transferred. Further ones are
/// counted: no user reads a longer list, and all files of a tree may fail in the same way.
pub(crate) const MAX_LEFT_OUT: usize = 100;

/// Longer paths lose their middle in messages. A path with the longest name that file systems take
/// is shown whole, in any directory that people make.
const MAX_SHOWN_CHARS: usize = 400;

/// Bounds the reasons that the other end gives; a system's own error texts are much shorter.
const MAX_REASON_BYTES: usize = 1 << 10;

/// A failure at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The path, as it was named or found.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// The step that failed.
    pub step: Step,
    /// The reason.
    pub kind: FailureKind,
}

/// Steps of a transfer that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "their texts are below")]
pub enum Step {
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

impl Failure {
    pub(crate) fn new(step: Step, path: impl Into<Vec<u8>>, kind: FailureKind) -> Self {
        Self {
            path: path.into(),
            step,
            kind,
        }
    }

    pub(crate) fn io(step: Step, path: impl Into<Vec<u8>>, error: impl Into<io::Error>) -> Self {
        Self::new(step, path, FailureKind::of(&error.into()))
    }

    /// Makes a failure for a path whose links are followed. A single link is then allowed, so the
    /// error for a link means a loop of links.
    pub(crate) fn following(
        step: Step,
        path: impl Into<Vec<u8>>,
        error: impl Into<io::Error>,
    ) -> Self {
        let failure = Self::io(step, path, error);
        match failure.kind {
            FailureKind::IsALink => Self {
                kind: FailureKind::LinkLoop,
                ..failure
            },
            _ => failure,
        }
    }

    /// Returns true if the failure concerns this path alone, so that others of its tree may
    /// succeed.
    pub(crate) fn concerns_one_path(&self) -> bool {
        let is_of_all = matches!(
            self.kind,
            FailureKind::NoSpace
                | FailureKind::ReadOnly
                | FailureKind::Cancelled
                | FailureKind::UnknownAccount(_)
        );
        !is_of_all && self.step != Step::SettingOwner
    }

    /// Bounds the failure to the size that this end could produce.
    pub(crate) fn bounded(mut self) -> Self {
        // The path of a tree, and a path in it.
        self.path.truncate(2 * MAX_PATH_BYTES);
        if let FailureKind::Other(reason) | FailureKind::UnknownAccount(reason) = &mut self.kind {
            reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        }
        self
    }

    /// Returns advice, if wxec has any.
    pub fn hint(&self) -> Option<&'static str> {
        match (&self.kind, self.step) {
            (FailureKind::PermissionDenied, Step::SettingOwner) => {
                Some("only root may do that: go there by way of `sudo:`, as in `web1/sudo:`")
            }
            (FailureKind::PermissionDenied, _) => Some(
                "another account may be allowed to: `web1/sudo:` is root, `web1/sudo:app` is app",
            ),
            (FailureKind::IsADirectory, Step::Replacing) => {
                Some("to put it into a directory, end the directory's name with `/`")
            }
            (FailureKind::NoName, Step::Reading) => {
                Some("name the target itself, without a `/` at its end")
            }
            (FailureKind::NotFound, Step::Creating) => {
                Some("`--parents` makes missing directories")
            }
            (FailureKind::UnknownAccount(_), Step::Finding) => {
                Some("a file whose name begins like that is `./~name`")
            }
            (FailureKind::NoName, Step::Creating) => {
                Some("name the file itself, not only its directory")
            }
            (FailureKind::Special, _) => Some("`-` is for standard input and output"),
            (FailureKind::DanglingLink, Step::Replacing) => {
                Some("remove the link, or name what it leads to")
            }
            _ => None,
        }
    }

    /// Returns advice for a failure inside a tree.
    fn hint_inside(&self) -> Option<&'static str> {
        use FailureKind as Kind;
        match (&self.kind, self.step) {
            (
                Kind::IsADirectory | Kind::NotADirectory | Kind::IsALink | Kind::Special,
                Step::Replacing,
            ) => Some("`--delete` removes what is in the way, with all that is not in the source"),
            (Kind::PermissionDenied, _) => self.hint(),
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.step,
            short(&self.path),
            self.kind
        )
    }
}

impl std::error::Error for Failure {}

/// Shortens a path for messages.
pub(crate) fn short(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let count = text.chars().count();
    if count <= MAX_SHOWN_CHARS {
        return text.into_owned();
    }
    let (half, mark) = (
        MAX_SHOWN_CHARS / 2,
        format!("…({} characters)…", count - 2 * (MAX_SHOWN_CHARS / 2)),
    );
    text.chars()
        .take(half)
        .chain(mark.chars())
        .chain(text.chars().skip(count - half))
        .collect()
}

impl fmt::Display for Step {
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

/// The end of a transfer that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferEnd {
    /// Something at this end was in the way.
    #[error(transparent)]
    Here(Failure),
    /// Something at the other end was in the way.
    #[error(transparent)]
    There(Failure),
    /// Some of a tree was left out. The rest is in its place.
    #[error(transparent)]
    Incomplete(Box<Incomplete>),
    /// The link was cut.
    #[error("the link was cut")]
    Cut,
    /// The other end gave up without giving a reason.
    #[error("the other end gave up")]
    Closed,
    /// The other end violated the protocol.
    #[error("the other end broke the protocol: {0}")]
    Malformed(&'static str),
}

impl From<Failure> for TransferEnd {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

/// Some of a tree could not be transferred. The rest of it is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incomplete {
    /// The result for the rest.
    pub summary: Summary,
    /// The entries that were left out, with reasons: the first 100 of either end.
    pub left_out: Vec<LeftOut>,
    /// The number of further entries left out.
    pub more: u64,
}

/// An entry of a tree that could not be transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// Something at this end was in the way.
    Here(Failure),
    /// Something at the other end was in the way.
    There(Failure),
}

impl Incomplete {
    /// Returns advice, if wxec has any.
    pub fn hint(&self) -> Option<&'static str> {
        self.left_out.iter().find_map(|one| match one {
            LeftOut::Here(failure) if failure.kind == FailureKind::PermissionDenied => None,
            LeftOut::Here(failure) | LeftOut::There(failure) => failure.hint_inside(),
        })
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([one], 0) = (&*self.left_out, self.more) {
            return write!(f, "{one}; the rest of the tree is there");
        }
        let count = self.more.saturating_add(self.left_out.len() as u64);
        write!(f, "left out {count} of the tree; the rest is there")
    }
}

impl std::error::Error for Incomplete {}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(failure) => write!(f, "{failure} (on this machine)"),
            Self::There(failure) => failure.fmt(f),
        }
    }
}

/// The entries of a tree that one end has left out so far.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    pub(crate) named: Vec<Failure>,
    pub(crate) more: u64,
}

impl Failures {
    pub(crate) fn add(&mut self, failure: Failure) {
        match self.named.len() < MAX_LEFT_OUT {
            true => self.named.push(failure.bounded()),
            false => self.more += 1,
        }
    }
}

/// Returns the result of a transfer that ran to its end.
pub(crate) fn outcome(
    summary: Summary,
    here: Failures,
    there: Failures,
) -> Result<Summary, TransferEnd> {
    let more = here.more.saturating_add(there.more);
    let left_out = here
        .named
        .into_iter()
        .map(LeftOut::Here)
        .chain(there.named.into_iter().map(LeftOut::There));
    let left_out: Vec<_> = left_out.collect();
    match left_out.is_empty() && more == 0 {
        true => Ok(summary),
        false => Err(TransferEnd::Incomplete(Box::new(Incomplete {
            summary,
            left_out,
            more,
        }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_length_is_a_short_message() {
        let long = format!("/begin/{}/end", "é".repeat(4000));
        let shown = Failure::new(Step::Reading, long.as_bytes(), FailureKind::NotFound).to_string();
        assert!(shown.starts_with("cannot read /begin/é"), "{shown}");
        assert!(
            shown.ends_with("é/end: no such file or directory"),
            "{shown}"
        );
        assert!(
            shown.contains("…(3611 characters)…") && shown.chars().count() < MAX_SHOWN_CHARS + 100,
            "{shown}"
        );
        let whole = format!("/begin/{}", "n".repeat(255));
        assert!(
            Failure::new(
                Step::Reading,
                &*whole.clone().into_bytes(),
                FailureKind::NotFound
            )
            .to_string()
            .contains(&whole)
        );
    }

    #[test]
    fn hints_fit_where_it_happened() {
        let clash = |kind| Failure::new(Step::Replacing, "a", kind);
        assert!(
            clash(FailureKind::IsADirectory)
                .hint()
                .unwrap()
                .contains("end the directory's name with `/`")
        );
        let left_out = vec![LeftOut::There(clash(FailureKind::IsADirectory))];
        let incomplete = Incomplete {
            summary: Summary::default(),
            left_out,
            more: 0,
        };
        assert!(incomplete.hint().unwrap().contains("`--delete`"));
        assert_eq!(
            Failure::new(Step::Reading, "a", FailureKind::IsADirectory).hint(),
            None
        );
    }

    #[test]
    fn what_is_left_out_is_named_up_to_a_limit_and_then_counted() {
        let mut here = Failures::default();
        for index in 0..1000 {
            here.add(Failure::new(
                Step::Reading,
                index.to_string(),
                FailureKind::Other("x".repeat(10_000)),
            ));
        }
        let Err(TransferEnd::Incomplete(end)) =
            outcome(Summary::default(), here, Failures::default())
        else {
            panic!()
        };
        assert_eq!((end.left_out.len(), end.more), (MAX_LEFT_OUT, 900));
        assert!(
            end.left_out
                .iter()
                .all(|one| one.to_string().len() < 2 * MAX_REASON_BYTES)
        );
        assert_eq!(
            end.to_string(),
            "left out 1000 of the tree; the rest is there"
        );
    }
}
