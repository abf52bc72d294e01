//! Tips for what people type who come from other tools of this kind.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Adds a tip to a complaint about the command line, if there is one that helps more than clap's own.
pub(crate) fn with_tip(mut error: clap::Error) -> clap::Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => word(ContextKind::InvalidSubcommand).and_then(for_command),
        ErrorKind::UnknownArgument => word(ContextKind::InvalidArg).and_then(for_option),
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
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
        "-r" | "-R" | "--recursive" => "`put` and `get` copy a directory with all that is in it; leave this away",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn words_of_other_tools_are_understood() {
        for (words, tip) in [
            (&["put", "-r", "a", "h:b"][..], "copy a directory with all that is in it"),
            (&["get", "--recursive", "h:b", "a"], "copy a directory with all that is in it"),
            (&["cp", "a", "h:b"], "`wxec put SRC TARGET:DST` copies to hosts"),
            (&["ssh", "h"], "`wxec exec -t TARGET -- sh` is a shell"),
        ] {
            let error = Args::try_parse_from([&["wxec"], words].concat()).unwrap_err();
            let text = with_tip(error).to_string();
            assert!(text.contains(tip), "{text}");
            assert_eq!(text.matches("tip: ").count(), 1, "{text}");
        }
        let error = Args::try_parse_from(["wxec", "put", "--colour", "a", "h:b"]).unwrap_err();
        assert_eq!(with_tip(error).to_string().matches("copy a directory").count(), 0);
    }
}
