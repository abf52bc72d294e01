//! The verbs: one file each, with what can be typed after it and one function that does it.

pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod facts;
pub(crate) mod get;
pub(crate) mod inspect;
pub(crate) mod put;
pub(crate) mod rsh;
pub(crate) mod run;

use crate::{
    args::{Args, Command},
    command_error::CommandError,
};

/// Runs the command that the user typed. Returns the exit code.
pub(crate) fn run(args: Args) -> Result<u8, CommandError> {
    let verbosity = args.verbosity();
    match args.command {
        Command::Call(args) => call::run(args, verbosity),
        Command::Exec(args) => exec::run(&args, verbosity),
        Command::Run(args) => run::run(&args, verbosity),
        Command::Put(args) => put::run(&args, verbosity),
        Command::Get(args) => get::run(&args, verbosity),
        Command::Facts(args) => facts::run(&args, verbosity),
        // Reached only if an option of `wxec` itself stands before `rsh`: see `main`.
        Command::Rsh(args) => Ok(crate::rsh::main(args.words)),
        Command::Inspect(args) => inspect::run(&args, verbosity),
        Command::Build(args) => build::run(&args),
        Command::Explain(args) => explain::run(&args, verbosity),
        Command::Doctor(args) => doctor::run(&args, verbosity),
        Command::Completions(args) => completions::run(&args),
    }
}
