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

/// Opens a terminal: of some size to work at, or without one to be asked for passwords on.
pub(crate) fn open(size: Option<Winsize>) -> io::Result<Terminal> {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let path = OsString::from_vec(ptsname(&keyboard, Vec::new())?.into_bytes());
    let held_open = rustix::fs::open(&*path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?.into();
    if let Some(size) = size {
        tcsetwinsize(&keyboard, size)?;
    } else {
        // What is typed must not come back, even if a program forgets to say so.
        let mut settings = tcgetattr(&keyboard)?;
        settings.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&keyboard, OptionalActions::Now, &settings)?;
    }
    // Both halves of it are polled.
    fcntl_setfl(&keyboard, fcntl_getfl(&keyboard)? | OFlags::NONBLOCK)?;
    Ok(Terminal { keyboard, path, held_open })
}

impl Terminal {
    /// What runs `argv` with this as its controlling terminal, in a session of its own.
    pub(crate) fn command<'a>(&self, argv: impl IntoIterator<Item = &'a OsStr>) -> Command {
        let mut command = Command::new(ITSELF);
        command.arg0(HELPER).arg(&self.path).args(argv);
        command
    }

    /// The program's side of it, three times.
    pub(crate) fn files(&self) -> io::Result<[File; 3]> {
        Ok([self.held_open.try_clone()?, self.held_open.try_clone()?, self.held_open.try_clone()?])
    }

    /// What the terminal shows, what types on it, the side of both, and what keeps it open.
    pub(crate) fn split(self) -> io::Result<(pipe::Receiver, pipe::Sender, OwnedFd, File)> {
        let Self { keyboard, held_open, .. } = self;
        let [screen, side] = [keyboard.try_clone()?, keyboard.try_clone()?];
        // Unchecked, because it is no pipe; but it can be polled like one.
        Ok((
            pipe::Receiver::from_owned_fd_unchecked(screen)?,
            pipe::Sender::from_owned_fd_unchecked(keyboard)?,
            side,
            held_open,
        ))
    }
}

/// What types on a terminal that is a program's stdin. Where the input ends, it types what says so.
pub(crate) struct Keyboard {
    side: pipe::Sender,
    ended: bool,
}

/// Ctrl-D, which ends the input of whoever reads lines, if it comes at the beginning of one.
const END_OF_INPUT: &[u8] = b"\x04";

impl Keyboard {
    pub(crate) fn new(side: pipe::Sender) -> Self {
        Self { side, ended: false }
    }
}

impl AsyncWrite for Keyboard {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
