//! This terminal while a program on a host uses it: every key goes to the program, and afterwards
//! the terminal gets its settings back.

use std::{
    io::{self, IsTerminal},
    sync::Mutex,
    thread,
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::{consts::SIGWINCH, iterator::Signals};
use wxec::command::{ChildRemote, WindowSize};

use crate::base::sync::lock;

/// Size used if the terminal reports none, or there is no terminal.
const USUAL: WindowSize = WindowSize {
    rows: 24,
    columns: 80,
};

/// The terminal's own settings, while others are in force.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Returns the size of this terminal.
pub(crate) fn size() -> WindowSize {
    match tcgetwinsize(io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => WindowSize {
            rows: size.ws_row,
            columns: size.ws_col,
        },
        _ => USUAL,
    }
}

/// Returns the width of the terminal that stderr goes to, in columns.
pub(crate) fn columns() -> usize {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => USUAL.columns.into(),
    }
}

/// Makes the terminal pass on every key until this is dropped.
pub(crate) struct Raw;

impl Raw {
    /// Returns `None` if stdin is no terminal, or its settings cannot be changed.
    pub(crate) fn enter() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        *lock(&BEFORE) = Some(before);
        Some(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal its settings back. Also for code that ends the program without dropping
/// [`Raw`].
pub(crate) fn restore() {
    if let Some(before) = lock(&BEFORE).take() {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Tells `program` each new size of this terminal, for as long as this process runs.
pub(crate) fn follow_size(program: ChildRemote) -> io::Result<()> {
    let mut signals = Signals::new([SIGWINCH])?;
    thread::Builder::new().name("size".into()).spawn(move || {
        for _ in signals.forever() {
            program.resize(size());
        }
    })?;
    Ok(())
}
