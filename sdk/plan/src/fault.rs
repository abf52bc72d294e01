//! Reasons why a plan ends before its last step.

use std::{fmt, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::difference::Difference;

/// The reason why a step failed. The plan ends with it, unless its code goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The step, by its path in the plan, such as `site/blog/file /etc/motd`. Empty outside of
    /// steps.
    #[serde(default)]
    pub step: String,
    /// The path on the host, if one is to blame.
    #[serde(default)]
    pub path: Option<String>,
    /// The kind of reason.
    pub kind: FaultKind,
    /// The reason in words.
    pub message: String,
    /// For [`FaultKind::NotSettled`], the differences that are left.
    #[serde(default)]
    pub rest: Vec<Difference>,
}

/// The kind of a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The host refused an operation.
    Io,
    /// The step would do harm, or asks for the impossible: a file in place of a folder, a device, a
    /// relative path.
    Refused,
    /// Something that the step needs is not there.
    Missing,
    /// Several lines match where one was meant.
    Ambiguous,
    /// A file is too large to be looked at.
    TooLarge,
    /// Another program changed the host between a look and an action. Nothing was overwritten.
    ChangedMeanwhile,
    /// The step did all it had planned, and is not settled.
    NotSettled,
    /// The prefab cannot tell what it would do, which is an answer in a preview only.
    Undecided,
    /// A program failed, or cannot be started.
    Command,
    /// The host lacks what the step works with, such as a service manager.
    Unsupported,
    /// A preview cannot foresee it: a command has made it, by then.
    Unforeseen,
    /// Another run is under way on this host, or a program holds a lock.
    Busy,
    /// The host's record of the plan cannot be read or written.
    Record,
    /// The host is not as the preview saw it that is to be applied.
    Moved,
    /// The run was cancelled, or its controller is gone. The steps before were taken to their end.
    Cancelled,
    /// A check of the plan failed.
    Verify,
    /// A step has the name of an earlier one, or a name that cannot be shown.
    Name,
    /// An error of the plan's own code.
    Other,
}

impl Fault {
    /// Makes a fault of the plan's own code.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::of(FaultKind::Other, message)
    }

    /// Makes a fault of a kind.
    pub fn of(kind: FaultKind, message: impl fmt::Display) -> Self {
        Self {
            step: String::new(),
            path: None,
            kind,
            message: message.to_string(),
            rest: Vec::new(),
        }
    }

    /// Adds the path on the host that is to blame.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().display().to_string());
        self
    }

    /// Makes a function that turns an error of the host into a fault.
    pub fn io<'a>(
        doing: &'a str,
        path: impl AsRef<Path> + 'a,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |error| Self::of(FaultKind::Io, format_args!("{doing}: {error}")).at(path)
    }

    /// Makes a fault of kind [`FaultKind::Refused`].
    pub(crate) fn refused(path: impl AsRef<Path>, message: impl fmt::Display) -> Self {
        Self::of(FaultKind::Refused, message).at(path)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::of(FaultKind::Io, error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.step.is_empty() {
            write!(f, "step `{}`: ", self.step)?;
        }
        if let Some(path) = &self.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)?;
        self.rest
            .iter()
            .try_for_each(|difference| write!(f, "; {difference}"))
    }
}

impl std::error::Error for Fault {}
