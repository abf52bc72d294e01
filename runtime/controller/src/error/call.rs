//! Errors of calls. The texts are for users; programs match on the types.

use std::{convert::Infallible, fmt, io, sync::Arc, time::Duration};

use wxec_protocol::{
    Fault, Frame, LimitKind, Need,
    abi::TaskFailure,
    cbor::{DecodeError, EncodeError},
};

use super::{Limit, ModuleError, Phase, Unreachable};
use crate::base::text::{last_line, with_sources};

/// A call failed on a host. `E` is the task's own error type.
///
/// ```
/// # use wxec_controller as wxec;
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
    more: Option<Box<More>>,
}

/// Details that the kind of error has no room for.
#[derive(Debug, Clone)]
enum More {
    /// The task's error as text, kept for callers that cannot print `E`.
    Failure(TaskFailure),
    /// Reason why the module does not have the function.
    Absence(String),
}

/// Kinds of failure of a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CallErrorKind<E = Infallible> {
    /// The task returned its error, of a type that travels.
    Task(E),
    /// The task returned an error of a type that does not travel, such as `anyhow::Error`: its
    /// type, text and sources.
    Failed(TaskFailure),
    /// The task panicked.
    Panic {
        /// The panic's message.
        message: String,
        /// `file:line:column` of the panic, if known.
        location: Option<String>,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The task's code trapped.
    Trap {
        /// Kind of the trap.
        reason: String,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The task asked for more than its limits allow.
    Limit {
        /// The limit that was hit.
        which: LimitKind,
        /// Amount that is allowed.
        limit: u64,
        /// Amount that was asked for.
        asked: u64,
    },
    /// The task lacks a grant that it needs: it was not called, or it gave up.
    Denied {
        /// Grants that the task lacks.
        needs: Vec<Need>,
        /// The task's message when it gave up, if it was called.
        message: String,
    },
    /// The deadline passed.
    Timeout {
        /// The deadline.
        after: Duration,
        /// The step that was under way.
        phase: Phase,
    },
    /// The call was cancelled.
    Cancelled,
    /// The host was lost while the call was open. The task may or may not have run to its end.
    Lost {
        /// Description of the loss.
        reason: String,
        /// The last lines the host wrote to stderr.
        stderr_tail: String,
    },
    /// No session with the host could be started.
    Unreachable(Unreachable),
    /// The instance that was called has ended, and its memory is lost: an earlier call that did not
    /// return ended it, or the connection to its host has ended.
    InstanceGone {
        /// Reason why it ended.
        reason: String,
    },
    /// The task is not in the module of the instance it was called on.
    OtherModule {
        /// The task.
        function: String,
        /// The instance's module.
        module: String,
    },
    /// A program could not be started on the host: it is not there, may not be run, or its
    /// directory is not there.
    NotStarted {
        /// The program, and the reason why it was not started.
        reason: String,
    },
    /// This process could not write the program's output to its own stdout or stderr, so it ended
    /// the program.
    CannotWrite {
        /// Target of the output: `stdout` or `stderr`.
        stream: &'static str,
        /// Kind of the write error. `BrokenPipe`: the reader of the pipe has gone.
        kind: io::ErrorKind,
        /// The write error, as text.
        reason: String,
    },
    /// The module has no such function.
    NoSuchFunction {
        /// The function that was called.
        function: String,
    },
    /// The arguments do not fit the function.
    BadArguments(String),
    /// The module cannot be run there.
    BadModule(String),
    /// The module is not available: it does not build, or does not compile.
    Module(ModuleError),
    /// The arguments cannot be encoded.
    Encode(EncodeError),
    /// The result is not of the expected type: caller and module do not agree on it.
    Decode(DecodeError),
    /// The agent failed: a bug in wxec, or a host out of memory.
    Agent(String),
}

impl<E> CallError<E> {
    /// Creates an error of this kind on a host.
    pub fn new(host: Arc<str>, kind: CallErrorKind<E>) -> Self {
        Self {
            host,
            kind,
            more: None,
        }
    }

    pub(crate) fn task(
        host: Arc<str>,
        failure: TaskFailure,
        decode: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        match decode(failure.clone()) {
            Ok(error) => Self {
                host,
                kind: CallErrorKind::Task(error),
                more: Some(Box::new(More::Failure(failure))),
            },
            Err(failure) => Self::new(host, CallErrorKind::Failed(failure)),
        }
    }

    fn failure(&self) -> Option<&TaskFailure> {
        match self.more.as_deref() {
            Some(More::Failure(failure)) => Some(failure),
            _ => None,
        }
    }

    /// Returns the same error for callers that do not know the task's error type: a `Task` becomes
    /// `Failed`.
    pub fn erase(self) -> CallError {
        self.erased()
    }

    /// As [`erase`](Self::erase), but copies.
    pub(crate) fn erased(&self) -> CallError {
        use CallErrorKind as Kind;

        let kind = match &self.kind {
            Kind::Task(_) => Kind::Failed(self.failure().cloned().unwrap_or_else(|| TaskFailure {
                type_name: String::new(),
                message: "the task failed".into(),
                chain: Vec::new(),
                data: None,
            })),
            Kind::Failed(failure) => Kind::Failed(failure.clone()),
            Kind::Panic {
                message,
                location,
                frames,
            } => Kind::Panic {
                message: message.clone(),
                location: location.clone(),
                frames: frames.clone(),
            },
            Kind::Trap { reason, frames } => Kind::Trap {
                reason: reason.clone(),
                frames: frames.clone(),
            },
            Kind::Limit {
                which,
                limit,
                asked,
            } => Kind::Limit {
                which: *which,
                limit: *limit,
                asked: *asked,
            },
            Kind::Denied { needs, message } => Kind::Denied {
                needs: needs.clone(),
                message: message.clone(),
            },
            Kind::Timeout { after, phase } => Kind::Timeout {
                after: *after,
                phase: *phase,
            },
            Kind::Cancelled => Kind::Cancelled,
            Kind::Lost {
                reason,
                stderr_tail,
            } => Kind::Lost {
                reason: reason.clone(),
                stderr_tail: stderr_tail.clone(),
            },
            Kind::Unreachable(failure) => Kind::Unreachable(failure.clone()),
            Kind::InstanceGone { reason } => Kind::InstanceGone {
                reason: reason.clone(),
            },
            Kind::OtherModule { function, module } => Kind::OtherModule {
                function: function.clone(),
                module: module.clone(),
            },
            Kind::NotStarted { reason } => Kind::NotStarted {
                reason: reason.clone(),
            },
            Kind::CannotWrite {
                stream,
                kind,
                reason,
            } => Kind::CannotWrite {
                stream,
                kind: *kind,
                reason: reason.clone(),
            },
            Kind::NoSuchFunction { function } => Kind::NoSuchFunction {
                function: function.clone(),
            },
            Kind::BadArguments(reason) => Kind::BadArguments(reason.clone()),
            Kind::BadModule(reason) => Kind::BadModule(reason.clone()),
            Kind::Module(error) => Kind::Module(error.clone()),
            Kind::Encode(error) => Kind::Encode(error.clone()),
            Kind::Decode(error) => Kind::Decode(error.clone()),
            Kind::Agent(reason) => Kind::Agent(reason.clone()),
        };
        // The kind now contains a failure; only an absence is still needed.
        let more = self
            .more
            .as_ref()
            .filter(|more| matches!(***more, More::Absence(_)))
            .cloned();
        CallError {
            more,
            ..CallError::new(self.host.clone(), kind)
        }
    }

    /// Adds the reason why the module does not have the function, if it is known.
    pub(crate) fn because(self, absence: Option<String>) -> Self {
        Self {
            more: absence.map(|absence| Box::new(More::Absence(absence))),
            ..self
        }
    }

    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        if let Some(More::Absence(absence)) = self.more.as_deref() {
            return Some(absence.clone());
        }
        match &self.kind {
            CallErrorKind::Unreachable(failure) => failure.hint.clone(),
            CallErrorKind::Module(error) => error.hint(),
            CallErrorKind::InstanceGone { .. } => {
                Some("make another one with `Host::instance`".into())
            }
            CallErrorKind::Limit {
                which: LimitKind::Memory,
                ..
            } => Some("raise it with `Limits::memory_bytes` or `--memory`".into()),
            CallErrorKind::Limit {
                which: LimitKind::Output,
                ..
            } => Some("raise it with `Limits::output_bytes` or `--output`".into()),
            CallErrorKind::Limit {
                which: LimitKind::Input,
                ..
            } => Some("raise it with `Limits::input_bytes`".into()),
            CallErrorKind::Limit {
                which: LimitKind::Fuel,
                ..
            } => Some("raise it with `Limits::fuel` or `--fuel`".into()),
            CallErrorKind::Limit {
                which: LimitKind::OpenFiles,
                ..
            } => Some("raise it with `Limits::open_files` or `--open-files`".into()),
            CallErrorKind::Limit {
                which: LimitKind::Children,
                ..
            } => Some("raise it with `Limits::children` or `--children`".into()),
            CallErrorKind::Denied { needs, .. }
                if needs
                    .iter()
                    .any(|need| !matches!(need, Need::Clock | Need::Random)) =>
            {
                Some("declare it in `#[remote(…)]`, or grant it with `Call::grant`".into())
            }
            CallErrorKind::Decode(_) | CallErrorKind::NoSuchFunction { .. } => {
                Some("if the task changed, build the calling program again".into())
            }
            _ => None,
        }
    }
}

impl<E> CallErrorKind<E> {
    /// Converts the error of an unavailable module. A module that is too large hits a limit, like
    /// anything else that is too large.
    #[doc(hidden)]
    pub fn from_module(error: ModuleError) -> Self {
        match error {
            ModuleError::TooLarge { size, limit, .. } => Self::Limit {
                which: LimitKind::Module,
                limit,
                asked: size,
            },
            error => Self::Module(error),
        }
    }

    /// The agent failed: because of a limit of the host, or for a reason of its own.
    pub(crate) fn of_agent(reason: String) -> Self {
        match Limit::of_agent(&reason) {
            Some(limit) => Self::Unreachable(limit.failure(&reason).during(Phase::Run)),
            None => Self::Agent(reason),
        }
    }

    /// Turns a fault from the wire into its kind for callers. A task's own error is not among them.
    pub(crate) fn from_fault(fault: Fault) -> Self {
        match fault {
            Fault::Task(_) => Self::Agent("a task's error arrived where none belongs".into()),
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
                phase: Phase::Run,
            },
            Fault::Cancelled => Self::Cancelled,
            Fault::InstanceGone { reason } => Self::InstanceGone { reason },
            Fault::NoSuchFunction { function } => Self::NoSuchFunction { function },
            Fault::BadArguments(reason) => Self::BadArguments(reason),
            Fault::BadModule(reason) => Self::BadModule(reason),
            Fault::Agent(reason) => Self::of_agent(reason),
            other => Self::Agent(format!("an unknown fault: {other:?}")),
        }
    }
}

impl<E> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.host)?;
        match (&self.kind, self.failure()) {
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
            Self::Timeout { after, phase } => write!(f, "no answer after {after:?} ({phase})"),
            Self::Denied { needs, message } => {
                let flags = needs
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ");
                write!(f, "not granted: needs {flags}")?;
                if message.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (the task gave up: {message})")
                }
            }
            Self::Cancelled => f.write_str("the call was cancelled"),
            Self::Lost {
                reason,
                stderr_tail,
            } => {
                write!(
                    f,
                    "lost while the call was open, its outcome is unknown: {reason}"
                )?;
                last_line(stderr_tail).map_or(Ok(()), |line| write!(f, " (its last line: {line})"))
            }
            Self::Unreachable(failure) => failure.fmt(f),
            Self::InstanceGone { reason } => write!(f, "the instance is gone: {reason}"),
            Self::OtherModule { function, module } => {
                write!(
                    f,
                    "`{function}` is not in {module}, of which the instance is one"
                )
            }
            Self::NotStarted { reason } => f.write_str(reason),
            Self::CannotWrite { stream, reason, .. } => {
                write!(f, "cannot write to {stream}: {reason}")
            }
            Self::NoSuchFunction { function } => {
                write!(f, "the module has no function `{function}`")
            }
            Self::BadArguments(reason) => write!(f, "the arguments do not fit: {reason}"),
            Self::BadModule(reason) => write!(f, "the module cannot be run: {reason}"),
            Self::Module(error) => f.write_str(&with_sources(error)),
            Self::Encode(error) => write!(f, "an argument {error}"),
            Self::Decode(error) => write!(f, "the result is not of the expected type: {error}"),
            Self::Agent(reason) => write!(f, "the agent failed: {reason}"),
        }
    }
}

impl<E: fmt::Debug> std::error::Error for CallError<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_is_gone_says_why_and_what_may_help() {
        let kind = CallErrorKind::<Infallible>::from_fault(Fault::InstanceGone {
            reason: "it trapped".into(),
        });
        let error = CallError::new("web1".into(), kind);
        assert_eq!(error.to_string(), "web1: the instance is gone: it trapped");
        assert_eq!(
            error.hint().as_deref(),
            Some("make another one with `Host::instance`")
        );
        assert!(matches!(
            error.erase().kind,
            CallErrorKind::InstanceGone { .. }
        ));
    }

    #[test]
    fn only_what_was_measured_is_said() {
        let limit = |which| {
            CallErrorKind::<Infallible>::Limit {
                which,
                limit: 10,
                asked: 11,
            }
            .to_string()
        };
        assert_eq!(limit(LimitKind::Stack), "stack limit of 10 bytes hit");
        assert_eq!(limit(LimitKind::Fuel), "fuel limit of 10 units hit");
        assert_eq!(
            limit(LimitKind::Memory),
            "memory limit of 10 bytes hit: 11 bytes were asked for"
        );
    }
}
