//! The error of a call: its host, and the kind of failure.

use std::{convert::Infallible, fmt, sync::Arc};

use super::{fault::Fault, kind::CallErrorKind};
use crate::guest::abi::TaskFailure;

/// A call failed on a host. `E` is the task's own error type.
///
/// ```
/// # use wxec_protocol::__docs as wxec;
/// # use wxec::{CallError, CallErrorKind};
/// fn is_worth_a_retry<E>(error: &CallError<E>) -> bool {
///     matches!(error.kind, CallErrorKind::Unreachable(_) | CallErrorKind::Lost { .. })
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallError<E = Infallible> {
    /// Name of the host.
    pub host: Arc<str>,
    /// Kind of the failure.
    pub kind: CallErrorKind<E>,
    /// The task's error as text, kept for callers that cannot print `E`.
    failure: Option<Box<TaskFailure>>,
}

impl<E> CallError<E> {
    /// Makes the error of a call on `host`.
    pub fn new(host: Arc<str>, kind: CallErrorKind<E>) -> Self {
        Self {
            host,
            kind,
            failure: None,
        }
    }

    /// Makes the error of a fault on `host`. `decode` returns failures that are not an `E`.
    pub fn from_fault(
        host: Arc<str>,
        fault: Fault,
        decode: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        // A task that was refused something may return its own error; a caller that knows its type
        // gets it.
        if let Fault::Denied {
            failure: Some(failure),
            ..
        } = &fault
        {
            let returned = Fault::Task(failure.clone()).into();
            let error = CallError::new(host.clone(), returned).decode_task(decode);
            if matches!(error.kind, CallErrorKind::Task(_)) {
                return error;
            }
        }
        CallError::new(host, fault.into()).decode_task(decode)
    }

    /// Returns the same error for callers that do not know the task's error type: a `Task` becomes
    /// `Failed`.
    pub fn erase(&self) -> CallError {
        let kind = self.kind.map_task(|_| {
            let failure = self.failure.as_deref().cloned();
            CallErrorKind::Failed(failure.unwrap_or_else(|| TaskFailure {
                type_name: String::new(),
                message: "the task failed".into(),
                chain: Vec::new(),
                data: None,
            }))
        });
        CallError::new(self.host.clone(), kind)
    }

    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        self.kind.hint()
    }
}

impl CallError<TaskFailure> {
    /// Returns the same error for a caller that may know the type of the task's error. `decode`
    /// returns failures that are not an `E`; these become `Failed`.
    pub fn decode_task<E>(self, decode: fn(TaskFailure) -> Result<E, TaskFailure>) -> CallError<E> {
        let mut text = None;
        let kind = self.kind.map_task(|failure| match decode(failure.clone()) {
            Ok(error) => {
                text = Some(Box::new(failure.clone()));
                CallErrorKind::Task(error)
            }
            Err(failure) => CallErrorKind::Failed(failure),
        });
        CallError {
            failure: text,
            ..CallError::new(self.host, kind)
        }
    }
}

impl<E> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.host)?;
        match (&self.kind, &self.failure) {
            (CallErrorKind::Task(_), Some(failure)) => write!(f, "the task failed: {failure}"),
            (kind, _) => kind.fmt(f),
        }
    }
}

impl<E: fmt::Debug> std::error::Error for CallError<E> {}
