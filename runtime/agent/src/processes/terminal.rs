//! Terminals for programs that require one: `doas` reads passwords nowhere else.
//!
//! A process gets its controlling terminal by opening one as the leader of its own session. Code
//! between `fork` and `exec` would have to be unsafe, so this program starts itself again: as
//! `HELPER` it opens the terminal and becomes the requested program.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt, process::CommandExt},
    },
    pin::Pin,
    process::Command,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};
use tokio::{io::AsyncWrite, net::unix::pipe};

use crate::ITSELF;

/// `argv[0]` of the helper. Its arguments are the terminal's path, then a program with its
/// arguments.
pub const HELPER: &str = "wxec-terminal";

/// A terminal, seen from the keyboard's side.
pub(crate) struct Terminal {
    keyboard: OwnedFd,
    path: OsString,
    /// The program's side, held open here as well: between two programs that use the terminal it
    /// must not seem to be gone.
    held_open: File,
}

/// Opens a terminal: with a size for interactive work, or without one for password prompts.
pub(crate) fn open(size: Option<Winsize>) -> io::Result<Terminal> {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let path = OsString::from_vec(ptsname(&keyboard, Vec::new())?.into_bytes());
    let held_open = rustix::fs::open(
        &*path,
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )?
    .into();
    if let Some(size) = size {
        tcsetwinsize(&keyboard, size)?;
    } else {
        // Typed text must not come back as output, even if a program forgets to turn echo off.
        let mut settings = tcgetattr(&keyboard)?;
        settings.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&keyboard, OptionalActions::Now, &settings)?;
    }
    // Both halves are polled.
    fcntl_setfl(&keyboard, fcntl_getfl(&keyboard)? | OFlags::NONBLOCK)?;
    Ok(Terminal {
        keyboard,
        path,
        held_open,
    })
}

impl Terminal {
    /// Returns a command that runs `argv` with this as its controlling terminal, in a session of
    /// its own.
    pub(crate) fn command<'a>(&self, argv: impl IntoIterator<Item = &'a OsStr>) -> Command {
        let mut command = Command::new(ITSELF);
        command.arg0(HELPER).arg(&self.path).args(argv);
        command
    }

    /// Returns the program's side three times, for stdin, stdout and stderr.
    pub(crate) fn files(&self) -> io::Result<[File; 3]> {
        Ok([
            self.held_open.try_clone()?,
            self.held_open.try_clone()?,
            self.held_open.try_clone()?,
        ])
    }

    /// Splits the terminal into its output, its input, a descriptor for settings and signals, and
    /// the file that holds it open.
    pub(crate) fn split(self) -> io::Result<(pipe::Receiver, pipe::Sender, OwnedFd, File)> {
        let Self {
            keyboard,
            held_open,
            ..
        } = self;
        let [screen, side] = [keyboard.try_clone()?, keyboard.try_clone()?];
        // Unchecked, because it is not a pipe; but it can be polled like one.
        Ok((
            pipe::Receiver::from_owned_fd_unchecked(screen)?,
            pipe::Sender::from_owned_fd_unchecked(keyboard)?,
            side,
            held_open,
        ))
    }
}

/// Types on a terminal that is a program's stdin. At the end of the input, it types the
/// end-of-input character.
pub(crate) struct Keyboard {
    side: pipe::Sender,
    ended: bool,
}

/// Ctrl-D at the beginning of a line, which ends the input of a program that reads lines.
const END_OF_INPUT: &[u8] = b"\x04";

impl Keyboard {
    pub(crate) fn new(side: pipe::Sender) -> Self {
        Self { side, ended: false }
    }
}

impl AsyncWrite for Keyboard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.side).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended {
            ready!(Pin::new(&mut self.side).poll_write(context, END_OF_INPUT))?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Runs the helper. Returns only if it fails.
pub fn become_program(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let (Some(terminal), Some(program)) = (arguments.next(), arguments.next()) else {
        return io::ErrorKind::InvalidInput.into();
    };
    match acquire(&terminal) {
        Ok(_terminal) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    }
}

/// Opens a terminal as a session leader. The first one that it opens becomes the session's
/// controlling terminal.
fn acquire(terminal: &OsStr) -> io::Result<File> {
    rustix::process::setsid()?;
    OpenOptions::new().read(true).write(true).open(terminal)
}
