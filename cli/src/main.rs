//! The `wxec` command: calls functions on other machines from a shell. It is a thin layer over the
//! library of the same name: it turns a command line into calls, and their results into lines and
//! an exit code.

// From the bottom up: a module uses only those above it in this list.
/// Exit codes, verbosity, times and sizes, the words of a shell.
mod base;
/// Values, from JSON or from words that people type, and to JSON.
mod value;
/// This process's terminal, its streams, and the signals that end it.
mod terminal;
/// Results, errors and guests' output, as they are printed.
mod output;
/// Runs on many hosts, in words and as a page.
mod history;
/// Operands and options that several commands have.
mod args;
/// Modules that a command names, and the functions in them.
mod module;
/// Work on hosts: on many at once, with channels, with a terminal.
mod hosts;
/// Plans: their settings, and their reports in words.
mod plans;
/// The transfers of `put` and `get`.
mod transfer;
/// Projects that are started here: their languages, and their files.
mod project;
/// ssh's command line, over any address.
mod rsh;
/// The verbs, one file each.
mod commands;
/// The command line as a whole.
mod command_line;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};

use args::{negative_numbers, tips};
use base::exit_code;
use command_line::Args;
use output::{command_error::CommandError, exit};
use terminal::{interrupt, progress, spinner, stdout};

fn main() -> ExitCode {
    exit::install_panic_hook();
    stdout::keep_closed();
    if let Some(words) = rsh::run::words() {
        return rsh::run::main(words, Args::command).into();
    }
    let words = negative_numbers::with_negative_numbers(std::env::args_os());
    let args = match Args::try_parse_from(&words) {
        Ok(args) => args,
        Err(said) => return answer(&tips::with_tip(said, &words)).into(),
    };
    interrupt::watch();
    progress::install(args.verbosity());
    let result = args.run();
    spinner::clear_all();
    exit::check(result, fail).into()
}

/// Prints the help, the version, or the error in the command line. Returns the exit code.
fn answer(said: &clap::Error) -> u8 {
    let code = u8::try_from(said.exit_code()).unwrap_or(exit_code::USAGE);
    if said.use_stderr() || io::stdout().is_terminal() {
        // `print` uses colors, `render` does not.
        let _ = said.print();
    } else {
        stdout::print_bytes(said.render().to_string().as_bytes());
    }
    exit::check(Ok(code), fail)
}

fn fail(error: &CommandError) -> u8 {
    error.print("error: ");
    error.code
}
