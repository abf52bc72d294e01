//! The end of this process: its exit code, also after lost output, an interrupt or a panic.

use crate::{
    base::exit_code,
    output::command_error::CommandError,
    terminal::{
        interrupt,
        stderr::{self, say},
        stdout::{self, Failure},
    },
};

/// Returns the exit code of a command that ended with `result`, and reports its error by
/// `say_error`. Lost output is an error even if the command succeeded; a pipe closed by its reader
/// is not reported.
pub(crate) fn check(
    result: Result<u8, CommandError>,
    say_error: impl FnOnce(&CommandError) -> u8,
) -> u8 {
    if interrupt::happened() {
        // After an interrupt, every failure is a consequence of it.
        return result.unwrap_or_else(|_| say_error(&interrupt::Interrupted.into()));
    }
    match (stdout::failure(), result) {
        (Some(Failure::Closed), _) => exit_code::BROKEN_PIPE,
        (Some(Failure::Failed(reason)), _) => say_error(&CommandError::usage(format!(
            "cannot write to stdout: {reason}"
        ))),
        (None, Ok(exit_code::OK)) if stderr::has_failed() => exit_code::USAGE,
        (None, Ok(code)) => code,
        (None, Err(error)) => say_error(&error),
    }
}

/// Returns the exit code of this program after a command that ended with `code`: an interrupt and lost
/// output have codes of their own.
pub(crate) fn final_code(code: u8) -> u8 {
    check(Ok(code), |error| error.code)
}

/// From now on, makes a panic print that it is a bug in wxec, and exit with [`exit_code::BUG`].
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        say(&format!(
            "error: this is a bug in wxec, please report it: {panic} (thread {thread})"
        ));
        std::process::exit(exit_code::BUG.into());
    }));
}
