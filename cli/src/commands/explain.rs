//! `wxec explain`: what connecting to an address would run. Connects to nothing.

use crate::{command_error::CommandError, exit_code, output::print_line, target};

/// Show the command line of each step that reaches an address, without connecting
///
/// SOCKET and TOKEN stand for a path and a random number that are made when they are needed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:` or `ssh:deploy@web1:2222`
    address: String,
}

const EXAMPLES: &str = "\
Examples:
  wxec explain deploy@web1:2222";

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    for step in wxec::explain(&target::parse(&args.address)?) {
        let words: Vec<_> = step.iter().map(|word| quote(&word.to_string_lossy())).collect();
        print_line(&words.join(" ")).map_err(|error| CommandError::usage(format!("cannot print it: {error}")))?;
    }
    Ok(exit_code::OK)
}

/// A word as a POSIX shell takes it.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted) in [
            ("-o", "-o"),
            ("a=b", "a=b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$x", "'$x'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
