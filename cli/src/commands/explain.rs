//! `wxec explain`: prints the commands that connecting to an address would run. Connects to
//! nothing.

use crate::{
    args::{connect_args::ConnectArgs, target},
    base::{exit_code, shell_words::quote, verbosity::Verbosity},
    output::command_error::CommandError,
    terminal::stdout::print_line,
};

/// Placeholder for the script that starts the agent.
const SCRIPT: &str = "SCRIPT";

/// Show the command line of each step that reaches an address, without connecting
///
/// Each line begins with the place where it runs. SCRIPT stands for the text that starts the agent,
/// which `-v` shows; TOKEN stands for a random number that is made when it is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:` or `ssh:bastion/ssh:inner/sudo:app`, or a name of the inventory
    address: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec explain deploy@web1:2222
  wxec explain bastion/ssh:inner/sudo:app";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let script = (verbosity < Verbosity::Verbose).then_some(SCRIPT);
    let address = target::address(&args.address, &args.connect)?;
    let options = args.connect.options_to_explain();
    for step in wxec::host::explain(&address, &options, script) {
        let words: Vec<_> = step.argv.iter().map(|word| quote(word)).collect();
        let line = format!(
            "{}: {}",
            step.hop.as_deref().unwrap_or("here"),
            words.join(" ")
        );
        print_line(&line);
    }
    Ok(exit_code::OK)
}
