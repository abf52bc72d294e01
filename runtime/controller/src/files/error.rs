//! Errors of transfers.

use std::{fmt, sync::Arc, time::Duration};

use wxec_files::{Failure, Incomplete, TransferEnd};

use super::Transferred;
use crate::error::{Limit, Phase, Unreachable};

/// Files were not transferred, or not all. The target is as it was before, except for files of a
/// tree that were done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TransferError {
    /// Name of the host.
    pub host: Arc<str>,
    /// The reason.
    pub kind: TransferErrorKind,
}

/// Reasons why a transfer failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TransferErrorKind {
    /// Something on this machine was in the way.
    Here(Failure),
    /// Something on the host was in the way.
    There(Failure),
    /// Some of a tree could not be transferred. The rest of it was.
    Incomplete {
        /// The part that was transferred.
        done: Transferred,
        /// The entries that were not transferred.
        rest: Box<Incomplete>,
    },
    /// The host was lost, and did not come back in time.
    Lost {
        /// The sign of the loss.
        reason: String,
        /// The part of the unfinished file that is left at the receiving end, for the next transfer
        /// to go on with.
        part: Option<String>,
    },
    /// No session with the host could be started.
    Unreachable(Unreachable),
    /// It took longer than its timeout.
    Timeout {
        /// The timeout.
        after: Duration,
    },
    /// Two hosts would have had the same target.
    SameTarget {
        /// The other one.
        other: Arc<str>,
        /// The target of both.
        path: String,
    },
    /// The agent failed: a bug in wxec, or a malicious host.
    Agent(String),
}

impl TransferError {
    /// Creates an error of this kind on a host.
    pub fn new(host: Arc<str>, kind: TransferErrorKind) -> Self {
        Self { host, kind }
    }

    /// Returns advice, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            TransferErrorKind::Here(failure)
                if failure.kind == super::FailureKind::PermissionDenied =>
            {
                None
            }
            TransferErrorKind::Here(failure) | TransferErrorKind::There(failure) => {
                failure.hint().map(ToOwned::to_owned)
            }
            TransferErrorKind::Incomplete { rest, .. } => rest.hint().map(ToOwned::to_owned),
            TransferErrorKind::Unreachable(failure) => failure.hint.clone(),
            TransferErrorKind::SameTarget { .. } => {
                Some("write `{host}` where their names should stand".into())
            }
            TransferErrorKind::Lost {
                part: Some(part), ..
            } => Some(format!(
                "a part was left as {part}; the next transfer goes on with it"
            )),
            _ => None,
        }
    }
}

impl TransferErrorKind {
    /// Turns the end of a transfer that another attempt cannot help into an error.
    pub(super) fn of(end: TransferEnd, warnings: impl FnOnce() -> Vec<String>) -> Self {
        match end {
            TransferEnd::Incomplete(end) => Self::Incomplete {
                done: Transferred::new(end.summary, warnings()),
                rest: end,
            },
            TransferEnd::Here(failure) => Self::Here(failure),
            TransferEnd::There(failure) => Self::There(failure),
            TransferEnd::Cut => Self::Lost {
                reason: end.to_string(),
                part: None,
            },
            end => {
                let reason = end.to_string();
                match Limit::of_agent(&reason) {
                    Some(limit) => Self::Unreachable(limit.failure(&reason).during(Phase::Run)),
                    None => Self::Agent(reason),
                }
            }
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.kind)
    }
}

impl fmt::Display for TransferErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(failure) => write!(f, "{failure} (on this machine)"),
            Self::There(failure) => failure.fmt(f),
            Self::Incomplete { rest, .. } => rest.fmt(f),
            Self::Lost { reason, .. } => write!(f, "lost during the transfer: {reason}"),
            Self::Unreachable(failure) => failure.fmt(f),
            Self::Timeout { after } => write!(f, "the transfer was not done after {after:?}"),
            Self::SameTarget { other, path } => {
                write!(f, "{other} would have the same target, {path}")
            }
            Self::Agent(reason) => write!(f, "the agent failed: {reason}"),
        }
    }
}

impl std::error::Error for TransferError {}
