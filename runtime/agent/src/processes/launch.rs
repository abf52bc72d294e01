//! Starts a process from a command, and connects its files to streams.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command as OsCommand, Stdio},
    time::Duration,
};

use tokio::{net::unix::pipe, sync::watch, task::JoinHandle};
use wxec_protocol::{Command, ProcessStreams, StreamId};

use super::{
    supervise::Supervision,
    terminal::{self, Keyboard, Terminal},
    winsize,
};
use crate::streams::{Drained, Exit, Streams};

/// A process that was started.
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) supervision: Supervision,
    pub(super) pty: Option<OwnedFd>,
}

/// Starts a process, or returns an error text that names the program and the reason.
pub(super) fn launch(
    ids: ProcessStreams,
    command: &Command,
    streams: &mut Streams,
) -> Result<Launched, String> {
    let program = command
        .words
        .first()
        .map_or_else(|| "nothing".into(), |word| String::from_utf8_lossy(word));
    let cannot = |error: io::Error| format!("cannot run `{program}`: {error}");
    let directory = command.directory.as_ref().map(|directory| {
        // Checked here, because the error of `spawn` would look as if the program did not exist.
        resolve_directory(directory).map_err(|error| {
            let directory = String::from_utf8_lossy(directory);
            format!("cannot run `{program}` in `{directory}`: {error}")
        })
    });
    let directory = directory.transpose()?;
    let launch = Launch::of(ids, command).map_err(cannot)?;
    let mut os_command = launch.command(command).map_err(cannot)?;
    set_environment(&mut os_command, command);
    if let Some(directory) = directory {
        os_command.current_dir(directory);
    }
    let mut child = os_command.spawn().map_err(cannot)?;
    // Closes the command's copies of the terminal's own side.
    drop(os_command);
    match launch.connect(&mut child, ids, streams, command) {
        Ok((supervision, pty)) => Ok(Launched {
            child,
            supervision,
            pty,
        }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(cannot(error))
        }
    }
}

fn set_environment(os_command: &mut OsCommand, command: &Command) {
    if command.clear_env {
        os_command.env_clear();
    }
    os_command.envs(
        command
            .env
            .iter()
            .map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))),
    );
}

/// A way to launch a process, by the kind of its stdin, stdout and stderr.
enum Launch {
    /// Three pipes.
    Pipes,
    /// Three pipes, and a controlling terminal that is none of them.
    PipesAndTerminal(StreamId, Terminal),
    /// A terminal for all three.
    Terminal(Terminal),
}

impl Launch {
    fn of(ids: ProcessStreams, command: &Command) -> io::Result<Self> {
        Ok(match (command.pty, ids.terminal) {
            (Some(size), _) => Self::Terminal(terminal::open(Some(winsize(size)))?),
            (None, Some(id)) => Self::PipesAndTerminal(id, terminal::open(None)?),
            (None, None) => Self::Pipes,
        })
    }

    fn command(&self, command: &Command) -> io::Result<OsCommand> {
        let mut words = command.words.iter().map(|word| OsStr::from_bytes(word));
        let mut os_command = match self {
            Self::PipesAndTerminal(_, terminal) | Self::Terminal(terminal) => {
                terminal.command(words)
            }
            Self::Pipes => {
                let mut os_command =
                    OsCommand::new(words.next().ok_or(io::ErrorKind::InvalidInput)?);
                // Gives the process a group of its own, so that it can be ended with everything
                // that it starts.
                os_command.args(words).process_group(0);
                os_command
            }
        };
        match self {
            Self::Terminal(terminal) => {
                let [stdin, stdout, stderr] = terminal.files()?;
                os_command.stdin(stdin).stdout(stdout).stderr(stderr);
            }
            Self::Pipes | Self::PipesAndTerminal(..) => {
                os_command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
            }
        }
        Ok(os_command)
    }

    /// Connects a process' files to its streams.
    fn connect(
        self,
        child: &mut Child,
        ids: ProcessStreams,
        streams: &mut Streams,
        command: &Command,
    ) -> io::Result<(Supervision, Option<OwnedFd>)> {
        let (exited, exit) = watch::channel(None);
        // `never` tells no exit, so an output that uses it is read to its end.
        let (never_exits, never) = watch::channel(None);
        let until = if command.wait_output { &never } else { &exit };
        let deadline = command.deadline_ms.map(Duration::from_millis);
        let mut outputs = connect_pipes(child, ids, streams, until)?;
        let (mut held_open, mut pty): (Option<File>, _) = (None, None);
        match self {
            Self::Pipes => {}
            Self::PipesAndTerminal(id, terminal) => {
                let (screen, keyboard, _, open) = terminal.split()?;
                streams.feed(id, keyboard);
                streams.drain(id, screen, exit);
                held_open = Some(open);
            }
            Self::Terminal(terminal) => {
                // Drops our hold on the program's side, so that the screen ends when every program
                // has closed it.
                let (screen, keyboard, other_side, _) = terminal.split()?;
                streams.feed(ids.stdio, Keyboard::new(keyboard));
                outputs.push(streams.drain(ids.stdio, screen, exit));
                pty = Some(other_side);
            }
        }
        Ok((
            Supervision {
                exited,
                outputs,
                deadline,
                _never_exits: never_exits,
                _held_open: held_open,
            },
            pty,
        ))
    }
}

/// Connects a process' pipes, if it has any, to its streams. Returns the tasks that carry its output.
fn connect_pipes(
    child: &mut Child,
    ids: ProcessStreams,
    streams: &mut Streams,
    until: &Exit,
) -> io::Result<Vec<JoinHandle<Drained>>> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Ok(Vec::new());
    };
    streams.feed(ids.stdio, pipe::Sender::from_owned_fd(stdin.into())?);
    let stdout = pipe::Receiver::from_owned_fd(stdout.into())?;
    let stdout = streams.drain(ids.stdio, stdout, until.clone());
    let stderr = pipe::Receiver::from_owned_fd(stderr.into())?;
    let stderr = streams.drain(ids.stderr, stderr, until.clone());
    Ok(vec![stdout, stderr])
}

/// Returns the directory to run in, with `~` as the account's home.
fn resolve_directory(directory: &[u8]) -> io::Result<PathBuf> {
    let path = Path::new(OsStr::from_bytes(directory));
    let path = match path.strip_prefix("~") {
        Ok(rest) => {
            let home = std::env::var_os("HOME")
                .ok_or_else(|| io::Error::other("the account has no HOME"))?;
            Path::new(&home).join(rest)
        }
        Err(_) => path.into(),
    };
    if !std::fs::metadata(&path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    // Checked here, because the error of `spawn` would look as if the program were not executable.
    rustix::fs::accessat(
        rustix::fs::CWD,
        &path,
        rustix::fs::Access::EXEC_OK,
        rustix::fs::AtFlags::EACCESS,
    )?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt, thread};

    use super::*;

    #[test]
    fn a_directory_that_nobody_may_enter_is_named() {
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), Permissions::from_mode(0o600)).unwrap();
        let path = place.path().as_os_str().as_bytes();
        // Root may enter it, so the thread gives up root first. Accounts are per thread.
        let ask = || {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::process::Uid::from_raw(65534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            resolve_directory(path).unwrap_err().kind()
        };
        assert_eq!(
            thread::scope(|scope| scope.spawn(ask).join().unwrap()),
            io::ErrorKind::PermissionDenied
        );
        std::fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(resolve_directory(path).unwrap(), place.path());
    }
}
