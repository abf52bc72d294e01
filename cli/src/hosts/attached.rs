//! Programs on a host that use this terminal.

use std::io::{self, IsTerminal};

use wxec::{
    CallError,
    command::{Attach, Command, ExitStatus},
};

use crate::terminal::{
    interrupt::{self, Interrupted},
    raw,
    stderr::say,
};

/// Gives `command` a terminal of the kind and size of this one.
pub(crate) fn on_terminal(command: Command) -> Command {
    let command = match std::env::var_os("TERM") {
        Some(kind) => command.env("TERM", kind),
        None => command,
    };
    command.pty(raw::size())
}

/// Runs a program that has a terminal. If stdin is a terminal, its keys and sizes are passed on.
pub(crate) fn at_terminal(command: Command) -> Result<Result<ExitStatus, CallError>, Interrupted> {
    let child = match interrupt::block_on(command.spawn())? {
        Ok(child) => child,
        Err(error) => return Ok(Err(error)),
    };
    if io::stdin().is_terminal()
        && let Err(error) = raw::follow_size(child.remote())
    {
        say(&format!(
            "warning: the program will not learn of another size of this terminal: {error}"
        ));
    }
    let _raw = raw::Raw::enter();
    interrupt::block_on(child.run(Attach::Here))
}
