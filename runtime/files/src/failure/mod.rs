//! Failures of transfers: the path, the step that failed, and the reason.

mod end;
mod kind;
#[cfg(test)]
mod tests;

use std::{fmt, io};

use serde::{Deserialize, Serialize};

pub(crate) use self::end::{Failures, MAX_LEFT_OUT, outcome};
pub use self::{
    end::{Incomplete, LeftOut, TransferEnd},
    kind::FailureKind,
};
use crate::path::MAX_PATH_BYTES;

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
