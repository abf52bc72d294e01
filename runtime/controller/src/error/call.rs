//! Errors of calls, where more is known here than by the agent or the protocol.

use std::sync::Arc;

use wxec_protocol::{CallError, CallErrorKind, Fault, LimitKind, Phase, abi::TaskFailure};

use super::{Limit, ModuleError};
use crate::base::text::with_sources;

/// Turns a fault into an error, for a caller that may know the type of the task's error.
pub(crate) fn fault_error<E>(
    host: Arc<str>,
    fault: Fault,
    decode: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> CallError<E> {
    match fault {
        Fault::Agent(reason) => CallError::new(host, agent_failed(reason)),
        fault => CallError::from_fault(host, fault, decode),
    }
}

/// The agent failed: because of a limit of the host, or for a reason of its own.
pub(crate) fn agent_failed<E>(reason: String) -> CallErrorKind<E> {
    match Limit::of_agent(&reason) {
        Some(limit) => CallErrorKind::Unreachable(limit.failure(&reason).during(Phase::Run)),
        None => CallErrorKind::Agent(reason),
    }
}

/// A module that is too large hits a limit, like anything else that is too large.
impl<E> From<ModuleError> for CallErrorKind<E> {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::TooLarge { size, limit, .. } => Self::Limit {
                which: LimitKind::Module,
                limit,
                asked: size,
            },
            error => Self::Module {
                reason: with_sources(&error),
                hint: error.hint(),
            },
        }
    }
}
