//! Errors in the arguments of a call.

use wxec::{Function, Parameter};

use crate::{
    output::command_error::CommandError,
    value::{mismatch::Mismatch, parse::parse, type_text::Type},
};

/// An error message shows at most this much of an argument.
const SHOWN_CHARS: usize = 60;

/// Returns the error for an argument that does not fit its parameter.
pub(crate) fn complaint(
    mismatch: Mismatch,
    wanted: &Type,
    given: &str,
    parameter: &Parameter,
    function: &Function,
) -> CommandError {
    let (name, path, type_name) = (&parameter.name, &function.path, &parameter.type_name);
    let article = if type_name.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'f', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    let subject = format!("argument `{name}` of {path} wants {article} {type_name}");
    match mismatch {
        Mismatch::OtherType => CommandError::usage(format!("{subject}, not {}", shown(given))),
        Mismatch::Within { path, found } => CommandError::usage(format!(
            "{subject}, but `{name}{path}` is {}",
            shown(&found)
        )),
        // The number is too large.
        Mismatch::Refused(_) if matches!(wanted, Type::Integer { .. }) => {
            CommandError::usage(format!("{subject}, not {}", shown(given)))
        }
        Mismatch::Refused(reason) => {
            CommandError::usage(format!("argument `{name}` of {path} is refused: {reason}"))
        }
        Mismatch::RefusedWithin {
            path: place,
            reason,
        } => CommandError::usage(format!(
            "argument `{name}` of {path} is refused, at `{name}{place}`: {reason}"
        )),
        Mismatch::File(reason) => {
            CommandError::usage(format!("argument `{name}` of {path}: {reason}"))
        }
        Mismatch::NotJson(_)
            if matches!(
                wanted,
                Type::Integer { .. } | Type::Float | Type::Bool | Type::Unit
            ) =>
        {
            CommandError::usage(format!("{subject}, not {}", shown(given)))
        }
        Mismatch::NotJson(reason) => {
            let error =
                CommandError::usage(format!("{subject} as JSON, not {}: {reason}", shown(given)));
            if may_be_text(wanted) {
                with_quoting(error, given)
            } else {
                error
            }
        }
    }
}

/// Adds a hint on how to quote a text, if `given` looks like one. Text that begins like JSON has
/// another fault, so it gets no hint.
pub(crate) fn with_quoting(error: CommandError, given: &str) -> CommandError {
    let is_like_json = |c: char| "{[\"-".contains(c) || c.is_ascii_digit();
    if given.trim_start().starts_with(is_like_json) {
        error
    } else {
        error.hint(r#"quote a text for JSON and for the shell, as in '"text"'"#)
    }
}

/// Returns true if JSON for `wanted` may be a text.
fn may_be_text(wanted: &Type) -> bool {
    match wanted {
        Type::Option(wanted) => may_be_text(wanted),
        wanted => matches!(wanted, Type::Text | Type::Char | Type::Bytes | Type::Any),
    }
}

/// Formats an argument for an error message: JSON as it is, anything else in quotes, cut after
/// [`SHOWN_CHARS`].
pub(crate) fn shown(given: &str) -> String {
    let text = if parse(given).is_ok() {
        given.trim().to_owned()
    } else {
        format!("{given:?}")
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
