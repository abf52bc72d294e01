//! The `wxec` command: calls functions on other machines from a shell. It is a thin layer over the library of the same
//! name: what is typed becomes calls, what comes back becomes lines and an exit code.

mod access;
mod args;
mod arguments;
mod capabilities;
mod closed_files;
mod command_error;
mod commands;
mod environment;
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
mod transfer;
mod value;

use std::process::ExitCode;

use clap::Parser;

use command_error::CommandError;
use interrupt::Interrupted;

fn main() -> ExitCode {
    exit_code::install_panic_hook();
    closed_files::keep_closed();
    if let Some(words) = rsh::words() {
        return rsh::main(words).into();
    }
    let args = match args::Args::try_parse_from(arguments::with_negative_numbers(std::env::args_os())) {
        Ok(args) => args,
        Err(error) => return end(Ok(output::print_clap(&error))),
    };
    if let Err(error) = interrupt::watch() {
        output::say(&format!("warning: Ctrl-C will leave things behind: {error}"));
    }
    progress::install(args.verbosity());
    let result = commands::run(args);
    progress::clear();
    end(result)
}

fn end(result: Result<u8, CommandError>) -> ExitCode {
    let result = match (output::failure(), result) {
        // Whatever else failed, failed because of that.
        (_, Err(_)) if interrupt::happened() => Err(Interrupted.into()),
        (Some(failure), _) => Err(failure),
        (None, result) => result,
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            error.print("error: ");
            error.code.into()
        }
    }
}
