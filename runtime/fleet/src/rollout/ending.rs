//! Ends of work on a host, and what a run may do about them.

use std::fmt;

use serde::{Deserialize, Serialize};
use wxec_controller::{
    CallError, CallErrorKind, Phase, Unreachable,
    transfer::{TransferError, TransferErrorKind},
};

/// Length of a reason in events and records: a screen of text. A task's error may have a MiB, a run
/// thousands of hosts.
const MAX_REASON_BYTES: usize = 4 << 10;

/// The final state of a host of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The work was done.
    Ok,
    /// The work failed.
    Failed,
    /// The task panicked, trapped, or hit a limit.
    Trapped,
    /// The work was not done within its timeout.
    Timeout,
    /// The work was refused: by a policy, or because it lacked a grant.
    Denied,
    /// No session with the host could be started.
    Unreachable,
    /// The host was lost after the work had begun: the outcome is unknown.
    Lost,
    /// The run ended the work.
    Cancelled,
    /// The run stopped before the work began.
    Skipped,
}

impl Ending {
    /// Returns true if it counts against a run's limit.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Ok | Self::Cancelled | Self::Skipped)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::Timeout => "timed out",
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Lost => "outcome unknown",
            Self::Cancelled => "cancelled",
            Self::Skipped => "not started",
        })
    }
}

/// The end of an attempt on one host, as its run sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The end of the attempt.
    pub ending: Ending,
    /// The error as text, for messages and records.
    pub error: Option<String>,
    pub(super) again: Again,
}

/// Chance that another attempt helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It would end the same way.
    No,
    /// It may help, and the work has not begun.
    Unbegun,
    /// It may help, if beginning the work twice does no harm.
    Idempotent,
}

impl Verdict {
    /// The work was done.
    pub fn ok() -> Self {
        Self {
            ending: Ending::Ok,
            error: None,
            again: Again::No,
        }
    }

    /// The work failed, for this reason.
    pub fn failed(error: impl Into<String>) -> Self {
        Self::new(Ending::Failed, Again::Idempotent, error.into())
    }

    /// A call or a command failed with this error.
    pub fn of_call<E>(error: &CallError<E>) -> Self {
        let (ending, again) = match &error.kind {
            CallErrorKind::Unreachable(failure) => of_unreachable(failure),
            CallErrorKind::Lost { .. } => (Ending::Lost, Again::Idempotent),
            CallErrorKind::Timeout { .. } => (Ending::Timeout, Again::Idempotent),
            CallErrorKind::Denied { .. } | CallErrorKind::PreviewRefused(_) => {
                (Ending::Denied, Again::No)
            }
            CallErrorKind::Panic { .. } | CallErrorKind::Trap { .. } => {
                (Ending::Trapped, Again::Idempotent)
            }
            CallErrorKind::Limit { .. } => (Ending::Trapped, Again::No),
            CallErrorKind::Task(_) | CallErrorKind::Failed(_) | CallErrorKind::Agent(_) => {
                (Ending::Failed, Again::Idempotent)
            }
            _ => (Ending::Failed, Again::No),
        };
        Self::new(ending, again, error.erase().kind.to_string())
    }

    /// A transfer failed with this error.
    pub fn of_transfer(error: &TransferError) -> Self {
        let (ending, again) = match &error.kind {
            TransferErrorKind::Unreachable(failure) => of_unreachable(failure),
            TransferErrorKind::Lost { .. } => (Ending::Lost, Again::Idempotent),
            TransferErrorKind::Timeout { .. } => (Ending::Timeout, Again::Idempotent),
            TransferErrorKind::SameTarget { .. } => (Ending::Failed, Again::No),
            _ => (Ending::Failed, Again::Idempotent),
        };
        Self::new(ending, again, error.kind.to_string())
    }

    /// Returns what this means for work of several steps: another attempt begins it again.
    pub(crate) fn of_several_steps(self) -> Self {
        let again = match self.again {
            Again::Unbegun => Again::Idempotent,
            again => again,
        };
        Self { again, ..self }
    }

    /// Another attempt may help.
    #[cfg(test)]
    pub(super) fn test(ending: Ending) -> Self {
        let again = match ending {
            Ending::Unreachable => Again::Unbegun,
            _ => Again::Idempotent,
        };
        Self::new(ending, again, "no".into())
    }

    fn new(ending: Ending, again: Again, error: String) -> Self {
        Self {
            ending,
            error: Some(shortened(error)),
            again,
        }
    }
}

/// Returns the beginning of a reason, as it stands in events and records.
pub(super) fn shortened(mut reason: String) -> String {
    if reason.len() > MAX_REASON_BYTES {
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        reason.push('…');
    }
    reason
}

/// Waiting does not bring a key, a password or a right; asking once more may lock the account.
fn of_unreachable(failure: &Unreachable) -> (Ending, Again) {
    match failure.phase {
        Phase::Policy => (Ending::Denied, Again::No),
        Phase::Address
        | Phase::Local
        | Phase::HostKey
        | Phase::Authentication
        | Phase::Privilege
        | Phase::Architecture => (Ending::Unreachable, Again::No),
        // The host ran out of something under the task.
        Phase::Run => (Ending::Unreachable, Again::Idempotent),
        _ => (Ending::Unreachable, Again::Unbegun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(phase: Phase) -> (Ending, Again) {
        let kind = CallErrorKind::Unreachable(Unreachable::new(phase, "no"));
        let verdict = Verdict::of_call(&CallError::<()>::new("web1".into(), kind));
        (verdict.ending, verdict.again)
    }

    #[test]
    fn a_reason_is_no_longer_than_a_screen() {
        let reason = |text: String| Verdict::failed(text).error.unwrap();
        assert_eq!(reason("é".repeat(2048)), "é".repeat(2048));
        assert_eq!(reason("é".repeat(1 << 20)), "é".repeat(2048) + "…");
    }

    #[test]
    fn a_refused_login_is_not_tried_again() {
        assert_eq!(
            unreachable(Phase::Connect),
            (Ending::Unreachable, Again::Unbegun)
        );
        assert_eq!(
            unreachable(Phase::Authentication),
            (Ending::Unreachable, Again::No)
        );
        assert_eq!(unreachable(Phase::Policy), (Ending::Denied, Again::No));
    }

    #[test]
    fn a_lost_host_may_have_done_the_work() {
        let kind = CallErrorKind::Lost {
            reason: "gone".into(),
            stderr_tail: String::new(),
        };
        let verdict = Verdict::of_call(&CallError::<()>::new("web1".into(), kind));
        assert_eq!(
            (verdict.ending, verdict.again),
            (Ending::Lost, Again::Idempotent)
        );
        assert_eq!(verdict.ending.to_string(), "outcome unknown");
    }
}
