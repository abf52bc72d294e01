//! Kinds of failure of a call: their texts, their advice, and the faults that they stand for. A new
//! kind that agents report is added here and in [`Fault`].

use std::{convert::Infallible, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    fault::{Fault, Frame},
    text::last_line,
    unreachable::{Phase, Unreachable},
};
use crate::{
    guest::{
        abi::{Panic, TaskFailure},
        cbor::{self, DecodeError, EncodeError},
    },
    terms::{grants::Need, limits::LimitKind},
};

/// Kinds of failure of a call.
///
/// The answer to a guest's call of a task on another host is the CBOR of this type, with a
/// [`TaskFailure`] as `E`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        /// `file:line:column` of the panic, or `file:line`, if known.
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
    /// The task, or the call itself, asked for more than its limits allow.
    Limit {
        /// The limit that was hit.
        which: LimitKind,
        /// Amount that is allowed.
        limit: u64,
        /// Amount that was asked for.
        asked: u64,
    },
    /// The task lacks a grant that it needs: it was not called, or it gave up. Or the task that
    /// calls it was not granted its host.
    Denied {
        /// Missing grants.
        needs: Vec<Need>,
        /// The message of the called task when it gave up; empty if it was not called.
        message: String,
    },
    /// The call was to be a preview, and could have changed the host: it was not made. The text says
    /// by what.
    PreviewRefused(String),
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
        /// The last lines the host wrote to stderr. Tasks do not get them.
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
        stream: String,
        /// True if it is a pipe whose reader has gone.
        reader_gone: bool,
        /// The write error, as text.
        reason: String,
    },
    /// The module has no such function.
    NoSuchFunction {
        /// The function that was called.
        function: String,
        /// Reason why the module does not have it, if the sources of its package tell.
        hint: Option<String>,
    },
    /// The arguments do not fit the function.
    BadArguments(String),
    /// The module cannot be run there.
    BadModule(String),
    /// The module is not available: it does not build, or does not compile.
    Module {
        /// The reason. May have many lines, of a compiler.
        reason: String,
        /// Advice on the failure.
        hint: Option<String>,
    },
    /// The arguments cannot be encoded.
    Encode(EncodeError),
    /// The result is not of the expected type: caller and module do not agree on it.
    Decode(DecodeError),
    /// The agent failed: a bug in wxec, or a host out of memory.
    Agent(String),
}

impl<E> CallErrorKind<E> {
    /// Returns advice on the failure, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::Unreachable(failure) => return failure.hint.clone(),
            Self::Module { hint, .. }
            | Self::NoSuchFunction {
                hint: hint @ Some(_),
                ..
            } => return hint.clone(),
            Self::Limit { which, .. } => return raise(*which),
            Self::InstanceGone { .. } => "make another one with `Host::instance`",
            Self::Denied { needs, .. }
                if needs
                    .iter()
                    .any(|need| !matches!(need, Need::Clock | Need::Random)) =>
            {
                "declare it in `#[remote(…)]`, or grant it with `Call::grant`"
            }
            Self::Decode(_) | Self::NoSuchFunction { .. } => {
                "if the task changed, build the calling program again"
            }
            _ => return None,
        };
        Some(fixed.into())
    }

    /// Copies the kind for another error type of the task. `map` makes it of a task's own error.
    pub(super) fn map_task<F>(&self, map: impl FnOnce(&E) -> CallErrorKind<F>) -> CallErrorKind<F> {
        macro_rules! copy_others {
            ($($kind:ident $(($value:ident))? $({ $($field:ident),+ })?,)+) => {
                match self {
                    Self::Task(error) => map(error),
                    $(Self::$kind $(($value))? $({ $($field),+ })? => {
                        CallErrorKind::$kind $(($value.clone()))? $({ $($field: $field.clone()),+ })?
                    })+
                }
            };
        }
        copy_others! {
            Failed(failure),
            Panic { message, location, frames },
            Trap { reason, frames },
            Limit { which, limit, asked },
            Denied { needs, message },
            PreviewRefused(reason),
            Timeout { after, phase },
            Cancelled,
            Lost { reason, stderr_tail },
            Unreachable(failure),
            InstanceGone { reason },
            OtherModule { function, module },
            NotStarted { reason },
            CannotWrite { stream, reader_gone, reason },
            NoSuchFunction { function, hint },
            BadArguments(reason),
            BadModule(reason),
            Module { reason, hint },
            Encode(error),
            Decode(error),
            Agent(reason),
        }
    }
}

/// Returns advice on how to raise a limit, if a caller can.
fn raise(which: LimitKind) -> Option<String> {
    let field = which.field()?;
    let option = which
        .option()
        .map_or_else(String::new, |option| format!(" or `{option}`"));
    Some(format!("raise it with `Limits::{field}`{option}"))
}

impl From<Fault> for CallErrorKind<TaskFailure> {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Task(failure) => cbor::decode(&failure).map_or_else(Self::Decode, Self::Task),
            Fault::Panic { panic, frames } => Self::Panic {
                location: location(&panic),
                message: panic.message,
                frames,
            },
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
            Fault::PreviewRefused(reason) => Self::PreviewRefused(reason),
            Fault::Deadline { after_ms } => Self::Timeout {
                after: Duration::from_millis(after_ms),
                phase: Phase::Run,
            },
            Fault::Cancelled => Self::Cancelled,
            Fault::InstanceGone { reason } => Self::InstanceGone { reason },
            Fault::NoSuchFunction { function } => Self::NoSuchFunction {
                function,
                hint: None,
            },
            Fault::BadArguments(reason) => Self::BadArguments(reason),
            Fault::BadModule(reason) => Self::BadModule(reason),
            Fault::Agent(reason) => Self::Agent(reason),
        }
    }
}

fn location(panic: &Panic) -> Option<String> {
    let file = panic.file.as_ref()?;
    // Compilers of some languages know no columns.
    Some(match panic.column {
        0 => format!("{file}:{}", panic.line),
        column => format!("{file}:{}:{column}", panic.line),
    })
}

impl<E> fmt::Display for CallErrorKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(_) => f.write_str("the task failed"),
            Self::Failed(failure) => write!(f, "the task failed: {failure}"),
            Self::Panic {
                message, location, ..
            } => {
                f.write_str("the task panicked")?;
                if let Some(location) = location {
                    write!(f, " at {location}")?;
                }
                write!(f, ": {message}")
            }
            Self::Trap { reason, .. } => write!(f, "the task trapped: {reason}"),
            Self::Limit {
                which,
                limit,
                asked,
            } => f.write_str(&which.describe_hit(*limit, *asked)),
            Self::Timeout { after, phase } => write!(f, "no answer after {after:?} ({phase})"),
            Self::Denied { needs, message } => {
                f.write_str("not granted: needs")?;
                needs.iter().try_for_each(|need| write!(f, " {need}"))?;
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
            Self::CannotWrite { stream, reason, .. } => {
                write!(f, "cannot write to {stream}: {reason}")
            }
            Self::NoSuchFunction { function, .. } => {
                write!(f, "the module has no function `{function}`")
            }
            Self::PreviewRefused(reason) => write!(f, "refused as a preview: {reason}"),
            Self::BadArguments(reason) => write!(f, "the arguments do not fit: {reason}"),
            Self::BadModule(reason) => write!(f, "the module cannot be run: {reason}"),
            Self::NotStarted { reason } | Self::Module { reason, .. } => f.write_str(reason),
            Self::Encode(error) => write!(f, "an argument {error}"),
            Self::Decode(error) => write!(f, "the result is not of the expected type: {error}"),
            Self::Agent(reason) => write!(f, "the agent failed: {reason}"),
        }
    }
}
