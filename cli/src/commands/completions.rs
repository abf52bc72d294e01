//! `wxec completions`: scripts that let shells complete what is typed after `wxec`.

use clap_complete::Shell;

use crate::{base::exit_code, output::command_error::CommandError, terminal::stdout::print_line};

/// Print a script that lets a shell complete wxec's commands and options
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell that the script is for
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  wxec completions bash >~/.local/share/bash-completion/completions/wxec
  wxec completions fish >~/.config/fish/completions/wxec.fish";

/// Prints the script for `wxec`, the whole command line.
pub(crate) fn run(args: &Args, mut wxec: clap::Command) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut wxec, "wxec", &mut script);
    let script = String::from_utf8_lossy(&script);
    print_line(script.trim_end());
    Ok(exit_code::OK)
}
