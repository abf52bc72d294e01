//! This terminal while a program on a host works at it: every key goes there, and back it is as it was before.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
    thread,
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::{consts::SIGWINCH, iterator::Signals};
use wxec::{ChildRemote, WindowSize};

/// Of a terminal that does not say, and of none.
const USUAL: WindowSize = WindowSize { rows: 24, columns: 80 };

/// How the terminal was, while it is not.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The size of this terminal.
pub(crate) fn size() -> WindowSize {
    match tcgetwinsize(io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => WindowSize { rows: size.ws_row, columns: size.ws_col },
        _ => USUAL,
    }
}

/// The terminal passes on every key until this is dropped.
pub(crate) struct Raw;

impl Raw {
    /// Nothing if there is no terminal.
    pub(crate) fn enter() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        Some(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was. For those who end the program from elsewhere, too.
pub(crate) fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Tells a program whenever this terminal has another size, for as long as this process runs.
pub(crate) fn follow_size(program: ChildRemote) -> io::Result<()> {
    let mut signals = Signals::new([SIGWINCH])?;
    thread::Builder::new().name("size".into()).spawn(move || {
        for _ in signals.forever() {
            program.resize(size());
        }
    })?;
    Ok(())
}
