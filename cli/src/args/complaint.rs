//! Errors in the arguments of a call.

use wxec::module::{Function, Parameter};

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
    let (name, path) = (&parameter.name, &function.path);
    let subject = format!("argument `{name}` of {path}");
    let wants = format!("{subject} wants {}", with_article(&parameter.type_name));
    let message = match &mismatch {
        Mismatch::OtherType => format!("{wants}, not {}", shown(given)),
        Mismatch::Within { path, found } => {
            format!("{wants}, but `{name}{path}` is {}", shown(found))
        }
        // The number is too large.
        Mismatch::Refused(_) if matches!(wanted, Type::Integer { .. }) => {
            format!("{wants}, not {}", shown(given))
        }
        Mismatch::Refused(reason) => format!("{subject} is refused: {reason}"),
        Mismatch::RefusedWithin { path, reason } => {
            format!("{subject} is refused, at `{name}{path}`: {reason}")
        }
        Mismatch::File(reason) => format!("{subject}: {reason}"),
        Mismatch::NotJson(_) if is_plain(wanted) => format!("{wants}, not {}", shown(given)),
        Mismatch::NotJson(reason) => format!("{wants} as JSON, not {}: {reason}", shown(given)),
    };
    let error = CommandError::usage(message);
    match mismatch {
        Mismatch::NotJson(_) if may_be_text(wanted) => with_quoting(error, given),
        _ => error,
    }
}

/// Returns the name of a type after `a` or `an`.
fn with_article(type_name: &str) -> String {
    let begins_with_vowel = type_name.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'f', 'i', 'o']);
    let article = if begins_with_vowel { "an" } else { "a" };
    format!("{article} {type_name}")
}

/// Returns true for types whose values are words without quotes.
fn is_plain(wanted: &Type) -> bool {
    matches!(
        wanted,
        Type::Integer { .. } | Type::Float | Type::Bool | Type::Unit
    )
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
