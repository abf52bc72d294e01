//! Tips for users of similar tools, who type those tools' commands and options.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::misplaced;

/// Adds a tip to clap's error about the command line `words`, if there is one that helps more than
/// clap's own.
pub(crate) fn with_tip(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => word(ContextKind::InvalidSubcommand)
            .and_then(for_command)
            .map(str::to_owned),
        ErrorKind::UnknownArgument => word(ContextKind::InvalidArg)
            .and_then(for_option)
            .map(str::to_owned),
        ErrorKind::MissingRequiredArgument => for_end(words),
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

/// Returns a tip for a command line that ends too early.
fn for_end(words: &[OsString]) -> Option<String> {
    let mut words = words
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .skip_while(|word| word.starts_with('-'));
    let command = words.next()?;
    match words.next()? {
        "--" if command == "exec" => {
            Some("the target comes first: `wxec exec TARGET -- CMD`".into())
        }
        word => misplaced::only_word(command, word),
    }
}

fn for_command(command: &str) -> Option<&'static str> {
    Some(match command {
        "cp" | "copy" | "scp" | "sync" | "rsync" => {
            "`wxec put SRC TARGET:DST` copies to hosts, `wxec get TARGET:SRC DST` from them"
        }
        "ssh" | "sh" | "shell" | "login" => {
            "`wxec exec -t TARGET -- sh` is a shell on a host, `wxec rsh` takes ssh's words"
        }
        _ => return None,
    })
}

fn for_option(option: &str) -> Option<&'static str> {
    Some(match option {
        "-r" | "-R" | "--recursive" => {
            "`put` and `get` copy a directory with all that is in it; leave this away"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::command_line::Args;

    fn said(words: &[&str]) -> String {
        let words = [&["wxec"], words].concat();
        let error = Args::try_parse_from(&words).unwrap_err();
        with_tip(error, &words.iter().map(Into::into).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn a_target_that_was_forgotten_is_told() {
        for (words, tip) in [
            (
                &["call", "words::count"][..],
                "the target comes first: `wxec call TARGET words::count`",
            ),
            (
                &["-q", "run", "prog.wasm"],
                "the target comes first: `wxec run TARGET prog.wasm`",
            ),
            (
                &["exec", "--", "uptime"],
                "the target comes first: `wxec exec TARGET -- CMD`",
            ),
        ] {
            let text = said(words);
            assert!(text.contains(tip), "{text}");
        }
        for words in [
            &["call", "h1"][..],
            &["run", "h1"],
            &["run", "local:"],
            &["exec", "h1"],
            &["call"],
        ] {
            let text = said(words);
            assert!(!text.contains("tip: "), "{text}");
        }
    }

    #[test]
    fn words_of_other_tools_are_understood() {
        for (words, tip) in [
            (
                &["put", "-r", "a", "h:b"][..],
                "copy a directory with all that is in it",
            ),
            (
                &["get", "--recursive", "h:b", "a"],
                "copy a directory with all that is in it",
            ),
            (
                &["cp", "a", "h:b"],
                "`wxec put SRC TARGET:DST` copies to hosts",
            ),
            (&["ssh", "h"], "`wxec exec -t TARGET -- sh` is a shell"),
        ] {
            let text = said(words);
            assert!(text.contains(tip), "{text}");
            assert_eq!(text.matches("tip: ").count(), 1, "{text}");
        }
        assert!(!said(&["put", "--colour", "a", "h:b"]).contains("copy a directory"));
    }
}
