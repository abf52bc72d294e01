//! Errors of calls that a task makes on other hosts, with the names of the controlling side.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use wxec_protocol::{
    AskError, Fault, Frame, LimitKind, MAX_ASK_BYTES, Need,
    abi::{HostError, TaskFailure},
    cbor::{self, DecodeError, EncodeError},
};

/// Return type of a task that calls others.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Anything that can go wrong with a call, for tasks that pass it on with `?`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A text is not a valid address.
    Address(AddressError),
    /// A call failed.
    Call(Box<CallError>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl<E> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        Self::Call(Box::new(error.erase()))
    }
}

/// A text is not a valid address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    /// The text.
    pub address: String,
    /// The reason why it is not valid.
    pub reason: String,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a valid address: {}",
            self.address.escape_debug(),
            self.reason
        )
    }
}

impl std::error::Error for AddressError {}

/// A call failed on a host. `E` is the task's own error type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallError<E = Infallible> {
    /// Name of the host.
    pub host: Arc<str>,
    /// The kind of failure.
    pub kind: CallErrorKind<E>,
    /// The task's error as text, kept for callers that cannot print `E`.
    failure: Option<Box<TaskFailure>>,
}

/// The kinds of failure of a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CallErrorKind<E = Infallible> {
    /// The task returned its error, of a type that travels.
    Task(E),
    /// The task returned an error of a type that does not travel: its type, text and sources.
    Failed(TaskFailure),
    /// The task panicked.
    #[non_exhaustive]
    Panic {
        /// The panic's message.
        message: String,
        /// `file:line:column` of the panic, if known.
        location: Option<String>,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The task's code trapped.
    #[non_exhaustive]
    Trap {
        /// The kind of trap.
        reason: String,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The task, or the call itself, asked for more than it may have.
    #[non_exhaustive]
    Limit {
        /// The limit that was hit.
        which: LimitKind,
        /// The amount that is allowed.
        limit: u64,
        /// The amount that was asked for.
        asked: u64,
    },
    /// This task was not granted the host, or the task it called was not granted something it
    /// needs.
    #[non_exhaustive]
    Denied {
        /// The missing grants.
        needs: Vec<Need>,
        /// The text with which the called task gave up; empty if it was not called.
        message: String,
    },
    /// The deadline passed.
    #[non_exhaustive]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// The call was cancelled.
    Cancelled,
    /// The host was lost while the call was open. The task may or may not have run to its end.
    #[non_exhaustive]
    Lost {
        /// The sign by which the loss was noticed.
        reason: String,
    },
    /// No session with the host could be started.
    Unreachable(Unreachable),
    /// The module has no such function.
    #[non_exhaustive]
    NoSuchFunction {
        /// The function that was called.
        function: String,
    },
    /// The arguments do not fit the function.
    BadArguments(String),
    /// The module cannot be run there.
    BadModule(String),
    /// The arguments cannot be encoded.
    Encode(EncodeError),
    /// The result is not of the expected type.
    Decode(DecodeError),
    /// wxec failed.
    Agent(String),
}

/// The reason why no session with a host could be started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreachable {
    /// The hop that failed, if it is not the last one.
    pub hop: Option<Box<str>>,
    /// The reason.
    pub reason: String,
    /// A hint that may help.
    pub hint: Option<String>,
    /// The step that was under way, in a few words.
    phase: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreachable ")?;
        self.hop
            .as_ref()
            .map_or(Ok(()), |hop| write!(f, "at {hop} "))?;
        write!(f, "({}): {}", self.phase, self.reason)
    }
}

impl<E> CallError<E> {
    pub(super) fn new(host: &str, kind: CallErrorKind<E>) -> Self {
        Self {
            host: host.into(),
            kind,
            failure: None,
        }
    }

    /// Makes an error of the controller's answer, if that is no value.
    pub(super) fn from_answer(
        host: &str,
        error: AskError,
        decode: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        let AskError::Fault(Fault::Task(failure)) = &error else {
            return Self::new(host, CallErrorKind::from_ask_error(error));
        };
        match cbor::decode::<TaskFailure>(failure).map(|failure| (decode(failure.clone()), failure))
        {
            Ok((Ok(error), failure)) => Self {
                failure: Some(Box::new(failure)),
                ..Self::new(host, CallErrorKind::Task(error))
            },
            Ok((Err(failure), _)) => Self::new(host, CallErrorKind::Failed(failure)),
            Err(error) => Self::new(host, CallErrorKind::Decode(error)),
        }
    }

    /// Returns the same error for callers that do not know the task's error type: a `Task` becomes
    /// `Failed`.
    pub fn erase(self) -> CallError {
        let kind = match self.kind {
            CallErrorKind::Task(_) => match self.failure {
                Some(failure) => CallErrorKind::Failed(*failure),
                None => CallErrorKind::Agent("the task failed".into()),
            },
            CallErrorKind::Failed(failure) => CallErrorKind::Failed(failure),
            CallErrorKind::Panic {
                message,
                location,
                frames,
            } => CallErrorKind::Panic {
                message,
                location,
                frames,
            },
            CallErrorKind::Trap { reason, frames } => CallErrorKind::Trap { reason, frames },
            CallErrorKind::Limit {
                which,
                limit,
                asked,
            } => CallErrorKind::Limit {
                which,
                limit,
                asked,
            },
            CallErrorKind::Denied { needs, message } => CallErrorKind::Denied { needs, message },
            CallErrorKind::Timeout { after } => CallErrorKind::Timeout { after },
            CallErrorKind::Cancelled => CallErrorKind::Cancelled,
            CallErrorKind::Lost { reason } => CallErrorKind::Lost { reason },
            CallErrorKind::Unreachable(failure) => CallErrorKind::Unreachable(failure),
            CallErrorKind::NoSuchFunction { function } => {
                CallErrorKind::NoSuchFunction { function }
            }
            CallErrorKind::BadArguments(reason) => CallErrorKind::BadArguments(reason),
            CallErrorKind::BadModule(reason) => CallErrorKind::BadModule(reason),
            CallErrorKind::Encode(error) => CallErrorKind::Encode(error),
            CallErrorKind::Decode(error) => CallErrorKind::Decode(error),
            CallErrorKind::Agent(reason) => CallErrorKind::Agent(reason),
        };
        CallError::new(&self.host, kind)
    }
}

impl<E> CallErrorKind<E> {
    /// Makes an error of the agent's refusal to pass on the call. `input_bytes` is the length of
    /// the arguments.
    pub(super) fn from_refusal(error: HostError, input_bytes: usize) -> Self {
        let (limit, asked) = (MAX_ASK_BYTES as u64, input_bytes as u64);
        match error.need {
            Some(need) => Self::Denied {
                needs: vec![need],
                message: String::new(),
            },
            None if asked > limit => Self::Limit {
                which: LimitKind::Input,
                limit,
                asked,
            },
            None => Self::Agent(error.message),
        }
    }

    fn from_ask_error(error: AskError) -> Self {
        let unreachable = |hop: Option<String>, phase: String, reason, hint| {
            Self::Unreachable(Unreachable {
                hop: hop.map(Into::into),
                reason,
                hint,
                phase,
            })
        };
        match error {
            AskError::Fault(fault) => Self::from_fault(fault),
            AskError::Address(reason) => {
                unreachable(None, "reading its address".into(), reason, None)
            }
            AskError::Unreachable {
                hop,
                phase,
                reason,
                hint,
            } => unreachable(hop, phase, reason, hint),
            AskError::Lost(reason) => Self::Lost { reason },
            other => Self::Agent(format!("an unknown error: {other:?}")),
        }
    }

    fn from_fault(fault: Fault) -> Self {
        match fault {
            Fault::Panic { panic, frames } => {
                let location = panic
                    .file
                    .map(|file| format!("{file}:{}:{}", panic.line, panic.column));
                Self::Panic {
                    message: panic.message,
                    location,
                    frames,
                }
            }
            Fault::Trap { reason, frames } => Self::Trap { reason, frames },
            Fault::Limit {
                which,
                limit,
                asked,
            } => Self::Limit {
                which,
                limit,
                asked,
            },
            Fault::Denied { needs, message, .. } => Self::Denied { needs, message },
            Fault::Deadline { after_ms } => Self::Timeout {
                after: Duration::from_millis(after_ms),
            },
            Fault::Cancelled => Self::Cancelled,
            Fault::NoSuchFunction { function } => Self::NoSuchFunction { function },
            Fault::BadArguments(reason) => Self::BadArguments(reason),
            Fault::BadModule(reason) => Self::BadModule(reason),
            Fault::Agent(reason) => Self::Agent(reason),
            other => Self::Agent(format!("an unknown fault: {other:?}")),
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

impl<E> fmt::Display for CallErrorKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(_) => f.write_str("the task failed"),
            Self::Failed(failure) => write!(f, "the task failed: {failure}"),
            Self::Panic {
                message,
                location: Some(location),
                ..
            } => {
                write!(f, "the task panicked at {location}: {message}")
            }
            Self::Panic {
                message,
                location: None,
                ..
            } => write!(f, "the task panicked: {message}"),
            Self::Trap { reason, .. } => write!(f, "the task trapped: {reason}"),
            Self::Limit {
                which,
                limit,
                asked,
            } => f.write_str(&which.describe_hit(*limit, *asked)),
            Self::Denied { needs, message } => {
                f.write_str("not granted: needs")?;
                needs.iter().try_for_each(|need| write!(f, " {need}"))?;
                if message.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (the task gave up: {message})")
                }
            }
            Self::Timeout { after } => write!(f, "no answer after {after:?}"),
            Self::Cancelled => f.write_str("the call was cancelled"),
            Self::Lost { reason } => {
                write!(
                    f,
                    "lost while the call was open, its outcome is unknown: {reason}"
                )
            }
            Self::Unreachable(failure) => failure.fmt(f),
            Self::NoSuchFunction { function } => {
                write!(f, "the module has no function `{function}`")
            }
            Self::BadArguments(reason) => write!(f, "the arguments do not fit: {reason}"),
            Self::BadModule(reason) => write!(f, "the module cannot be run: {reason}"),
            Self::Encode(error) => write!(f, "an argument {error}"),
            Self::Decode(error) => write!(f, "the result is not of the expected type: {error}"),
            Self::Agent(reason) => write!(f, "wxec failed: {reason}"),
        }
    }
}

impl<E: fmt::Debug> std::error::Error for CallError<E> {}
