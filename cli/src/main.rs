//! The `wxec` command: calls functions on other machines from a shell. It is a thin layer over the library of the same
//! name: what is typed becomes calls, what comes back becomes lines and an exit code.

mod access;
mod args;
mod arguments;
mod capabilities;
mod command_error;
mod commands;
mod everywhere;
mod exit_code;
mod grants;
mod interrupt;
mod limits;
mod module;
mod output;
mod progress;
mod quantity;
mod rsh;
mod stats;
mod streaming;
mod target;
mod terminal;
mod tips;
mod transfer;
mod value;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    exit_code::install_panic_hook();
    if let Some(words) = rsh::words() {
        return rsh::main(words).into();
    }
    let args = args::Args::try_parse().unwrap_or_else(|error| tips::with_tip(error).exit());
    if let Err(error) = interrupt::watch() {
        output::say(&format!("warning: Ctrl-C will leave things behind: {error}"));
    }
    progress::install(args.verbosity());
    let result = commands::run(args);
    progress::clear();
    match result {
        Ok(code) => code.into(),
        // Whatever failed, failed because of that.
        Err(_) if interrupt::happened() => fail(&interrupt::Interrupted.into()),
        Err(error) => fail(&error),
    }
}

fn fail(error: &command_error::CommandError) -> ExitCode {
    error.print("error: ");
    error.code.into()
}
