//! The command line as a whole, as clap parses it, and the way from each command to its function.
//! Each command interprets its own arguments.

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use crate::{
    base::verbosity::Verbosity,
    commands::{
        apply, build, call, completions, doctor, exec, explain, facts, get, history, hosts,
        inspect, new, plan, put, rsh, run,
    },
    output::command_error::CommandError,
};

/// Calls Rust functions on other machines, each in a sandbox; nothing is installed there
#[derive(Debug, Parser)]
#[command(name = "wxec", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}\n\n{ENVIRONMENT}"))]
pub(crate) struct Args {
    #[command(flatten)]
    loudness: Loudness,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Returns how much to print on stderr.
    pub(crate) fn verbosity(&self) -> Verbosity {
        match self.loudness {
            Loudness { quiet: true, .. } => Verbosity::Quiet,
            Loudness { verbose: 0, .. } => Verbosity::Normal,
            Loudness { verbose: 1, .. } => Verbosity::Verbose,
            Loudness { .. } => Verbosity::Debug,
        }
    }

    /// Runs the command that the user typed. Returns the exit code.
    pub(crate) fn run(self) -> Result<u8, CommandError> {
        let verbosity = self.verbosity();
        match self.command {
            Command::Call(args) => call::run(args, verbosity),
            Command::Exec(args) => exec::run(&args, verbosity),
            Command::Run(args) => run::run(&args, verbosity),
            Command::Put(args) => put::run(&args, verbosity),
            Command::Get(args) => get::run(&args, verbosity),
            Command::Facts(args) => facts::run(&args, verbosity),
            // Reached only if an option of `wxec` itself stands before `rsh`: see `main`.
            Command::Rsh(args) => Ok(rsh::run(args, Self::command)),
            Command::Apply(args) => apply::run(&args, verbosity),
            Command::Validate(args) => apply::validate(&args, verbosity),
            Command::Plan(args) => plan::run(&args, verbosity),
            Command::Hosts(args) => hosts::run(&args),
            Command::Inspect(args) => inspect::run(&args, verbosity),
            Command::Build(args) => build::run(&args),
            Command::New(args) => new::run(&args),
            Command::History(args) => history::run(&args),
            Command::Explain(args) => explain::run(&args, verbosity),
            Command::Doctor(args) => doctor::run(&args, verbosity),
            Command::Completions(args) => completions::run(&args, Self::command()),
        }
    }
}

#[derive(Debug, clap::Args)]
struct Loudness {
    /// Print less: nothing about builds, and only warnings and errors of guests' logs
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 90
    )]
    quiet: bool,
    /// Print more: the stack of a failed guest, the output of ssh; with `-vv` also each compiled
    /// crate
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 91)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Call(call::Args),
    Run(run::Args),
    Put(put::Args),
    Get(get::Args),
    Exec(exec::Args),
    Facts(facts::Args),
    Apply(apply::Args),
    Validate(apply::ValidateArgs),
    Plan(plan::Args),
    History(history::Args),
    Rsh(rsh::Args),
    Hosts(hosts::Args),
    Inspect(inspect::Args),
    Build(build::Args),
    New(new::Args),
    Explain(explain::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
}

const EXAMPLES: &str = "\
Examples:
  wxec call local: words::count \"to be or not to be\"
  wxec call web1,web2 ./words.wasm::top '\"a b a\"' 1
  wxec put site web1:/srv/www --delete
  wxec exec web1,web2 -- uptime
  wxec facts web1
  wxec inspect words
  wxec doctor

`wxec COMMAND --help` has more.";

const EXIT_CODES: &str = "\
Exit codes:
    0  everything was done
    1  a task failed, panicked, trapped or hit a limit; or a transfer failed
    2  the command line, a module, its arguments or this machine is at fault
    3  a host was unreachable, or was lost
    4  refused by a policy, or for want of a grant
   70  a bug in wxec
  124  a call or a transfer was not done at its deadline
  130  interrupted
  141  nobody reads stdout any more, as in `wxec … | head -1`: the rest was cancelled, on all hosts
Output that cannot be written is 2. On several hosts the first of 70, 130, 4, 124, 3, 1 that occurred.";

const ENVIRONMENT: &str = "\
Environment:
  WXEC_INVENTORY   the inventory, in place of a `wxec.toml` here or above
  WXEC_SSH_CONFIG  a configuration file for ssh, in place of ~/.ssh/config
  WXEC_CACHE       where agents and compiled modules are kept, in place of ~/.cache/wxec
  WXEC_STATE       where records of runs are kept, in place of ~/.local/state/wxec";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    /// Compares all of `--help` with a file; `WXEC_BLESS=1` writes the file anew.
    #[test]
    fn help_reads_well() {
        const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/help.txt");
        let mut wxec = Args::command().term_width(100);
        wxec.build();
        let mut help = wxec.render_long_help().to_string();
        for command in wxec
            .get_subcommands_mut()
            .filter(|command| command.get_name() != "help")
        {
            help += &format!("\n\n# {}\n\n", command.get_name());
            help += &command.render_long_help().to_string();
        }
        // Clap leaves spaces on empty lines.
        let help = help
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
            + "\n";
        if std::env::var_os("WXEC_BLESS").is_some() {
            std::fs::write(KEPT, &help).unwrap();
        }
        assert_eq!(help, std::fs::read_to_string(KEPT).unwrap());
    }
}
