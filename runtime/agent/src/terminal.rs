//! Terminals for programs that insist on one: `doas` reads passwords nowhere else.
//!
//! A process gets its controlling terminal by opening one as the leader of a session of its own. What runs between
//! `fork` and `exec` can only be written in unsafe code, so this program starts itself again: as [`HELPER`] it does that
//! and becomes the program that was asked for.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt, process::CommandExt},
    },
    process::Command,
};

use rustix::{
    fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr},
};
use tokio::net::unix::pipe;

/// `argv[0]` of the helper. Its arguments are the terminal's path, then a program with its arguments.
pub const HELPER: &str = "wxec-terminal";

/// This program, also when its file has no name any more.
pub const ITSELF: &str = "/proc/self/exe";

/// A terminal, seen from the side of whoever types.
pub(crate) struct Terminal {
    keyboard: OwnedFd,
    path: OsString,
    /// The program's side, open here as well: between two programs that use it a terminal must not seem to be gone.
    held_open: File,
}

pub(crate) fn open() -> io::Result<Terminal> {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let path = OsString::from_vec(ptsname(&keyboard, Vec::new())?.into_bytes());
    let held_open = rustix::fs::open(&*path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?.into();
    // What is typed must not come back, even if a program forgets to say so.
    let mut settings = tcgetattr(&keyboard)?;
    settings.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&keyboard, OptionalActions::Now, &settings)?;
    // Both halves of it are polled.
    fcntl_setfl(&keyboard, fcntl_getfl(&keyboard)? | OFlags::NONBLOCK)?;
    Ok(Terminal { keyboard, path, held_open })
}

impl Terminal {
    /// What runs `argv` with this as its controlling terminal, in a session of its own.
    pub(crate) fn command(&self, argv: &[String]) -> Command {
        let mut command = Command::new(ITSELF);
        command.arg0(HELPER).arg(&self.path).args(argv);
        command
    }

    /// What the terminal shows, what types on it, and what keeps it open.
    pub(crate) fn split(self) -> io::Result<(pipe::Receiver, pipe::Sender, File)> {
        let Self { keyboard, held_open, .. } = self;
        let screen = keyboard.try_clone()?;
        // Unchecked, because it is no pipe; but it can be polled like one.
        Ok((
            pipe::Receiver::from_owned_fd_unchecked(screen)?,
            pipe::Sender::from_owned_fd_unchecked(keyboard)?,
            held_open,
        ))
    }
}

/// What the helper does. Returns only if that fails.
pub fn become_program(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let (Some(terminal), Some(program)) = (arguments.next(), arguments.next()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    match take(&terminal) {
        Ok(_terminal) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    }
}

/// The first terminal that the leader of a session opens becomes the session's.
fn take(terminal: &OsStr) -> io::Result<File> {
    rustix::process::setsid()?;
    OpenOptions::new().read(true).write(true).open(terminal)
}
