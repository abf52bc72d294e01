//! The error of a command: a message of one line, a separate hint, and an exit code.

use wxec::{
    CallError, CallErrorKind, Host,
    address::AddressError,
    call::Unreachable,
    history::RecordError,
    inventory::{InventoryError, TargetError},
    module::ModuleError,
    transfer::{TransferError, TransferErrorKind},
};

use crate::{
    base::{exit_code, verbosity::Verbosity},
    terminal::{interrupt::Interrupted, stderr::say},
};

/// Error that ends a command early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// Exit code of `wxec`.
    pub(crate) code: u8,
    /// The fault, in one line.
    message: String,
    /// Advice on how to fix it.
    hint: Option<String>,
    /// Output of compilers or ssh, or the guest's stack. May have many lines.
    details: String,
}

impl CommandError {
    pub(crate) fn new(code: u8, message: impl AsRef<str>) -> Self {
        Self {
            code,
            message: one_line(message.as_ref()),
            hint: None,
            details: String::new(),
        }
    }

    /// Returns the error for a fault in the command line or on this machine.
    pub(crate) fn usage(message: impl AsRef<str>) -> Self {
        Self::new(exit_code::USAGE, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the first line of `text` as the message, and the rest as details.
    pub(crate) fn from_text(code: u8, text: &str) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        Self {
            details: rest.trim_end().into(),
            ..Self::new(code, first)
        }
    }

    /// Converts the error of a call. The message does not name the host; the caller has to.
    pub(crate) fn of_call(error: &CallError, verbosity: Verbosity) -> Self {
        let code = exit_code::of_call(&error.kind);
        let text = error.kind.to_string();
        let mut this = match error.kind {
            CallErrorKind::Module { .. } => Self::from_text(code, &text),
            _ => Self::new(code, &text),
        };
        this.hint = hint(error);
        if verbosity >= Verbosity::Verbose {
            this.details.push_str(&details(&error.kind, &text));
        }
        this
    }

    /// Converts the error of a transfer. The message does not name the host; the caller has to.
    pub(crate) fn of_transfer(error: &TransferError, verbosity: Verbosity) -> Self {
        let mut this = Self::new(exit_code::of_transfer(&error.kind), error.kind.to_string());
        this.hint = match error.kind {
            TransferErrorKind::Timeout { .. } => Some("allow it more with --timeout".into()),
            _ => error.hint(),
        };
        if let TransferErrorKind::Incomplete { rest, .. } = &error.kind
            && (rest.left_out.len() > 1 || rest.more > 0)
        {
            this.details = rest
                .left_out
                .iter()
                .map(|one| format!("    {}\n", one_line(&one.to_string())))
                .collect();
            if rest.more > 0 {
                this.details
                    .push_str(&format!("    and {} more\n", rest.more));
            }
        }
        if let TransferErrorKind::Unreachable(failure) = &error.kind
            && verbosity >= Verbosity::Verbose
        {
            this.details = details(&CallErrorKind::Unreachable(failure.clone()), &this.message);
        }
        this
    }

    /// Puts `place` before the message.
    pub(crate) fn about(self, place: &Host) -> Self {
        Self {
            message: format!("{place}: {}", self.message),
            ..self
        }
    }

    /// Prints the error on stderr. `prefix` may name a host.
    pub(crate) fn print(&self, prefix: &str) {
        say(&format!("{prefix}{self}"));
        self.details.lines().for_each(say);
    }
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, "; {}", one_line(hint)))
    }
}

impl From<AddressError> for CommandError {
    fn from(error: AddressError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<RecordError> for CommandError {
    fn from(error: RecordError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<InventoryError> for CommandError {
    fn from(error: InventoryError) -> Self {
        Self::from_text(exit_code::USAGE, &error.to_string())
    }
}

impl From<TargetError> for CommandError {
    fn from(error: TargetError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::usage(error.to_string())
        }
    }
}

impl From<ModuleError> for CommandError {
    fn from(error: ModuleError) -> Self {
        Self {
            hint: error.hint(),
            ..Self::from_text(exit_code::USAGE, &with_sources(&error))
        }
    }
}

impl From<Interrupted> for CommandError {
    fn from(_: Interrupted) -> Self {
        Self::new(exit_code::INTERRUPTED, "interrupted")
    }
}

/// Returns the hint for a call that failed, in the words of the command line.
fn hint(error: &CallError) -> Option<String> {
    match &error.kind {
        CallErrorKind::Limit { which, .. } => which
            .option()
            .map(|option| format!("raise it with {option}")),
        // Denied calls name the options themselves.
        CallErrorKind::Decode(_) | CallErrorKind::Denied { .. } => None,
        CallErrorKind::Timeout { .. } => Some("allow it more with --timeout".into()),
        CallErrorKind::NoSuchFunction { .. } => {
            Some("`wxec inspect` lists a module's functions".into())
        }
        _ => error.hint(),
    }
}

/// Returns the lines that `-v` adds.
fn details(kind: &CallErrorKind, text: &str) -> String {
    // A text of a single line is in the message already.
    let whole = if text.trim().contains('\n') { text } else { "" };
    let parts: &[&str] = match kind {
        CallErrorKind::Panic { frames, .. } | CallErrorKind::Trap { frames, .. } => {
            let frames: Vec<_> = frames
                .iter()
                .map(|frame| format!("in {}", frame.function))
                .collect();
            &[whole, &frames.join("\n")]
        }
        CallErrorKind::Unreachable(failure) if failure.reason.trim().contains('\n') => {
            &[&failure.reason, &failure.stderr_tail]
        }
        CallErrorKind::Unreachable(Unreachable { stderr_tail, .. })
        | CallErrorKind::Lost { stderr_tail, .. } => &[stderr_tail],
        CallErrorKind::Module { .. } => &[],
        _ => &[whole],
    };
    parts
        .iter()
        .flat_map(|part| part.lines())
        .map(|line| format!("    {line}\n"))
        .collect()
}

/// Returns the message of `error` followed by those of its sources, without repetitions.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// Joins the lines of `text`: messages of guests and compilers often have several.
fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_hint() {
        let error =
            CommandError::usage("assertion failed\n  left: 1\n right: 2\n").hint("do\nthis");
        assert_eq!(
            error.to_string(),
            "assertion failed left: 1 right: 2; do this"
        );
    }

    #[test]
    fn what_a_compiler_said_follows() {
        let error =
            CommandError::from_text(2, "words does not build\nerror[E0425]\n --> src/lib.rs\n");
        assert_eq!(error.to_string(), "words does not build");
        assert_eq!(error.details, "error[E0425]\n --> src/lib.rs");
    }
}
