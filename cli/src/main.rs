//! The `wxec` command: calls functions on other machines from a shell. It is a thin layer over the
//! library of the same name: it turns a command line into calls, and their results into lines and
//! an exit code.

mod access;
mod args;
mod arguments;
mod capabilities;
mod command_error;
mod commands;
mod environment;
mod everywhere;
mod exit_code;
mod features;
mod grants;
mod interrupt;
mod limits;
mod misplaced;
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

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;

fn main() -> ExitCode {
    exit_code::install_panic_hook();
    output::keep_closed();
    if let Some(words) = rsh::words() {
        return rsh::main(words).into();
    }
    let words = arguments::with_negative_numbers(std::env::args_os());
    let args = match args::Args::try_parse_from(&words) {
        Ok(args) => args,
        Err(said) => return answer(&tips::with_tip(said, &words)).into(),
    };
    if let Err(error) = interrupt::watch() {
        output::say(&format!(
            "warning: Ctrl-C will leave things behind: {error}"
        ));
    }
    progress::install(args.verbosity());
    let result = commands::run(args);
    progress::clear();
    output::check(result, fail).into()
}

/// Prints the help, the version, or the error in the command line. Returns the exit code.
fn answer(said: &clap::Error) -> u8 {
    let code = u8::try_from(said.exit_code()).unwrap_or(exit_code::USAGE);
    if said.use_stderr() || io::stdout().is_terminal() {
        // `print` uses colors, `render` does not.
        let _ = said.print();
    } else {
        output::print_bytes(said.render().to_string().as_bytes());
    }
    output::check(Ok(code), fail)
}

fn fail(error: &command_error::CommandError) -> u8 {
    error.print("error: ");
    error.code
}
