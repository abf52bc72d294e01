//! Finds a function in a module, and says what there is instead.

use wxec::{
    Module,
    module::{AbsenceReason, AbsentTask, Function},
};

use crate::output::command_error::CommandError;

/// Least similarity at which an unknown name counts as a misspelling of a known one.
const ALIKE: f64 = 0.8;

/// Most functions that an error lists: as many as fit a line or two.
const MAX_LISTED: usize = 8;

/// Returns the function `name`, or `None` if the module exports it without a description. Fails if
/// the module has no such function.
pub(crate) fn find_function<'a>(
    module: &'a Module,
    name: &str,
) -> Result<Option<&'a Function>, CommandError> {
    match module.function(name) {
        Some(function) => Ok(Some(function)),
        None if module.exports().any(|export| export == name) => Ok(None),
        None if is_plain_library(module) => Err(plain_library(module)),
        None => {
            let message = format!(
                "{} has no function `{}`",
                module.name(),
                name.escape_debug()
            );
            // The `main` of a program is its entry point, not a task that lacks `#[remote]`.
            if let Some(absent) = module
                .why_absent(name)
                .filter(|absent| absent.path != "main")
            {
                return Err(CommandError::usage(message).hint(absence(&absent)));
            }
            if module.is_program() && module.exports().next().is_none() {
                let hint = "it is a program: `wxec run TARGET MODULE` runs it";
                return Err(CommandError::usage(message).hint(hint));
            }
            let names: Vec<_> = module
                .exports()
                .map(|export| inside_crate(module, export))
                .collect();
            Err(CommandError::usage(message).hint(suggestion(name, &names)))
        }
    }
}

/// Explains why a function is not in the module, and how to include it.
fn absence(absent: &AbsentTask) -> String {
    match &absent.reason {
        AbsenceReason::Features(features) => {
            format!("{absent}: add `--features {}`", features.join(","))
        }
        _ => absent.to_string(),
    }
}

/// Returns true if the module offers only functions in a form that wxec cannot call.
pub(crate) fn is_plain_library(module: &Module) -> bool {
    !module.is_program()
        && module.exports().next().is_none()
        && module.plain_exports().next().is_some()
}

/// Returns the error for running or calling such a module.
pub(crate) fn plain_library(module: &Module) -> CommandError {
    let names: Vec<_> = module
        .plain_exports()
        .take(MAX_LISTED + 1)
        .map(|name| name.escape_debug().to_string())
        .collect();
    let message = format!(
        "{} is a library of functions that wxec cannot call ({}), and no program",
        module.name(),
        listed(&names)
    );
    CommandError::usage(message).hint(
        "wxec runs programs, which export `_start`, and calls functions marked with #[remote]",
    )
}

/// Returns the shortest name by which `module` knows the function at `path`: usually its path
/// inside the crate.
pub(crate) fn inside_crate<'a>(module: &Module, path: &'a str) -> &'a str {
    let inside = path.split_once("::").map_or(path, |(_, inside)| inside);
    if module
        .function(inside)
        .is_some_and(|function| function.path == path)
    {
        inside
    } else {
        path
    }
}

/// Suggests the function that `name` is probably a misspelling of, else lists the functions.
fn suggestion(name: &str, names: &[&str]) -> String {
    let likeness = |candidate: &&str| {
        strsim::jaro_winkler(name, candidate).max(last_segments_alike(name, candidate))
    };
    let best = names
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best {
        None => "mark a function with #[remote], and see that its crate is a cdylib".into(),
        Some(best) if likeness(&best) >= ALIKE => format!("did you mean `{best}`?"),
        Some(_) => format!("it has {}", listed(names)),
    }
}

/// Lists the first [`MAX_LISTED`] names.
fn listed(names: &[impl AsRef<str>]) -> String {
    let first = names.iter().take(MAX_LISTED).map(AsRef::as_ref);
    let first = first.collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED {
        format!("{first}, …")
    } else {
        first
    }
}

/// Returns 1 if the last segments are equal, so that `lengths` suggests `stats::lengths`.
fn last_segments_alike(a: &str, b: &str) -> f64 {
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    if last(a) == last(b) { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_functions_are_guessed() {
        let names = ["count", "stats::lengths", "top"];
        assert_eq!(suggestion("cuont", &names), "did you mean `count`?");
        assert_eq!(
            suggestion("lengths", &names),
            "did you mean `stats::lengths`?"
        );
        assert_eq!(
            suggestion("reboot", &names),
            "it has count, stats::lengths, top"
        );
        assert_eq!(
            suggestion("reboot", &["a"; 20]),
            "it has a, a, a, a, a, a, a, a, …"
        );
    }
}
