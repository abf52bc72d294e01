//! Detects misplaced words, such as a function or a module in place of a target that the user
//! forgot. A word that may be the name of a host is never taken for anything else.

use std::net::Ipv6Addr;

use wxec::{address::Address, inventory::split_outside_brackets};

use crate::{
    args::module_name::split_function, base::shell_words::quote,
    output::command_error::CommandError,
};

/// Returns the error if a function stands in place of the target, before `next`.
pub(crate) fn function_for_target(target: &str, next: &str) -> Option<CommandError> {
    is_function(target).then(|| first_is_no_target("call", target, next))
}

/// Returns the error if a module stands in place of the target, before `next`.
pub(crate) fn module_for_target(target: &str, next: &str) -> Option<CommandError> {
    if is_function(target) {
        let error = CommandError::usage(format!(
            "there is no target before `{}`",
            target.escape_debug()
        ));
        return Some(error.hint(format!(
            "`wxec call TARGET {}` calls a function",
            quote(target)
        )));
    }
    let is_swapped = is_address(next) && !is_address(target);
    (is_module_file(target) || is_swapped).then(|| first_is_no_target("run", target, next))
}

fn first_is_no_target(command: &str, first: &str, next: &str) -> CommandError {
    let shown = quote(first);
    let error = CommandError::usage(format!(
        "there is no target before `{}`",
        first.escape_debug()
    ));
    error.hint(if is_address(next) {
        format!("write `wxec {command} {} {shown} …`", quote(next))
    } else {
        format!("write `wxec {command} local: {shown} …`, or a host in place of `local:`")
    })
}

/// Returns a hint if `target` looks like an argument of `function`: JSON, a number, or text with
/// spaces. Only a hint, because a number may also be the name of a host.
pub(crate) fn argument_for_target(
    target: &str,
    function: &str,
    arguments: &[String],
) -> Option<String> {
    let is_argument = has_spaces(target)
        || serde_json::from_str::<serde_json::Value>(target).is_ok()
        || target.parse::<f64>().is_ok_and(f64::is_finite);
    is_argument.then(|| {
        let words = [function, target]
            .into_iter()
            .chain(arguments.iter().map(String::as_str));
        let words: Vec<_> = words.map(quote).collect();
        format!(
            "if `{}` is an argument, the target is missing: `wxec call TARGET {}`",
            target.escape_debug(),
            words.join(" ")
        )
    })
}

/// Returns true if there are spaces inside of a word, not only around the separators of a target.
fn has_spaces(target: &str) -> bool {
    split_outside_brackets(target, ',')
        .flat_map(|part| split_outside_brackets(part, '&'))
        .any(|word| {
            word.trim_start_matches('!')
                .trim()
                .contains(char::is_whitespace)
        })
}

/// Returns the error if a function stands in place of a module.
pub(crate) fn function_for_module(module: &str) -> Option<CommandError> {
    let (own, function) = module.rsplit_once(".wasm::").map_or_else(
        || {
            module
                .split_once("::")
                .map(|(own, function)| (own.to_owned(), function))
        },
        |(own, function)| Some((format!("{own}.wasm"), function)),
    )?;
    (is_function(module) && !function.is_empty()).then(|| {
        let error = CommandError::usage(format!(
            "`{}` is a function, not a module",
            module.escape_debug()
        ));
        let (own, whole) = (quote(&own), quote(module));
        error.hint(format!(
            "its module is {own}; `wxec call TARGET {whole}` calls it"
        ))
    })
}

/// Returns a tip for a command that ends before its second word, perhaps because the user forgot
/// the target.
pub(crate) fn only_word(command: &str, word: &str) -> Option<String> {
    match command {
        "call" if is_function(word) => Some(format!(
            "the target comes first: `wxec call TARGET {}`",
            quote(word)
        )),
        "run" if is_module_file(word) => Some(format!(
            "the target comes first: `wxec run TARGET {}`",
            quote(word)
        )),
        _ => None,
    }
}

/// Returns true for `MODULE::FUNC`. IPv6 addresses have such colons as well, but in brackets, or
/// with digits on one side.
fn is_function(text: &str) -> bool {
    let is_name =
        |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic() || "_./~".contains(c));
    let names = text
        .rsplit_once("::")
        .is_some_and(|(module, function)| is_name(module) && is_name(function));
    names && split_function(text).is_ok() && text.parse::<Ipv6Addr>().is_err()
}

fn is_module_file(text: &str) -> bool {
    text.ends_with(".wasm")
        || ["./", "../", "/", "~/"]
            .iter()
            .any(|start| text.starts_with(start))
}

/// Returns true if `text` can only be an address: the name of a module has no colon.
fn is_address(text: &str) -> bool {
    text.contains(':')
        && !is_function(text)
        && text.split(',').all(|one| one.parse::<Address>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_in_the_place_of_the_target_is_told() {
        let said = |target, next| function_for_target(target, next).map(|error| error.to_string());
        assert_eq!(
            said("words::count", "h1").unwrap(),
            "there is no target before `words::count`; write `wxec call local: words::count …`, or a host in place of \
             `local:`"
        );
        for next in ["local:", "ssh:web1", "web1:22,docker:web"] {
            assert_eq!(
                said("words::count", next).unwrap(),
                format!(
                    "there is no target before `words::count`; write `wxec call {next} words::count …`"
                )
            );
        }
        assert!(said("./m.wasm::stats::top", "").is_some());
        for target in [
            "web1",
            "local:",
            "ssh:[fe80::1]:22",
            "::1",
            "fe80::1",
            "fe80::a",
            "web1/sudo:app",
        ] {
            assert_eq!(said(target, "words::count"), None, "{target}");
        }
    }

    #[test]
    fn a_module_in_the_place_of_the_target_is_told() {
        let said = |target, next| module_for_target(target, next).map(|error| error.to_string());
        assert_eq!(
            said("prog.wasm", "h1").unwrap(),
            "there is no target before `prog.wasm`; write `wxec run local: prog.wasm …`, or a host in place of `local:`"
        );
        assert_eq!(
            said("commands", "local:").unwrap(),
            "there is no target before `commands`; write `wxec run local: commands …`"
        );
        assert_eq!(
            said("words::count", "a").unwrap(),
            "there is no target before `words::count`; `wxec call TARGET words::count` calls a function"
        );
        assert!(said("./target/prog", "x").is_some());
        for target in ["web1", "local:", "ssh:web1", "web1/sudo:app"] {
            assert_eq!(said(target, "prog.wasm"), None, "{target}");
            assert_eq!(said(target, "commands"), None, "{target}");
        }
        for target in ["local:", "ssh:web1"] {
            assert_eq!(said(target, "local:"), None, "{target}");
        }
    }

    #[test]
    fn an_argument_in_the_place_of_the_target_is_told() {
        let said = |target, arguments: &[&str]| {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect();
            argument_for_target(target, "words::top", &arguments)
        };
        assert_eq!(
            said("4", &["a b"]).unwrap(),
            "if `4` is an argument, the target is missing: `wxec call TARGET words::top 4 'a b'`"
        );
        for target in ["-1e-3", "to be", "\"a\"", "[1,2]", "{}", "true"] {
            assert!(said(target, &[]).is_some(), "{target}");
        }
        for target in [
            "web1",
            "local:",
            "nan",
            "10.0.0.1",
            "user@host",
            "inf",
            "@web & ! db, web1",
        ] {
            assert_eq!(said(target, &[]), None, "{target}");
        }
    }

    #[test]
    fn a_function_in_the_place_of_a_module_is_told() {
        let said = |module| function_for_module(module).map(|error| error.to_string());
        assert_eq!(
            said("words::stats::top").unwrap(),
            "`words::stats::top` is a function, not a module; its module is words; \
             `wxec call TARGET words::stats::top` calls it"
        );
        assert!(
            said("./m.wasm::top")
                .unwrap()
                .contains("; its module is ./m.wasm; ")
        );
        for module in ["words", "./m.wasm", "a::", "::b", "local:"] {
            assert_eq!(said(module), None, "{module}");
        }
    }
}
