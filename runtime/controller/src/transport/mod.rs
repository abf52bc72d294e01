//! The ways in. Each gives one ordered byte pipe in each direction, and the last lines of the other
//! end's stderr.
//!
//! Except for `local:` and a first `ssh:`, a way in is a program to run where the hop before ends,
//! here or on another machine. A [`Way`] holds the command line, the password prompt, and the
//! meanings of the program's complaints.

mod container;
mod doas;
mod exec;
mod kubectl;
mod limits;
pub(crate) mod local;
mod lxc;
mod machinectl;
mod nsenter;
mod place;
mod sockets;
pub(crate) mod ssh;
mod stderr;
mod su;
mod sudo;

use std::{
    fmt, io, os::unix::process::ExitStatusExt, pin::Pin, process::ExitStatus, time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    process::Child,
};
use wxec_protocol::{Command, Splice, StreamEnd};

pub(crate) use container::{NoShell, ShellLess, limited_by_container};
pub(crate) use limits::{Limit, limited};
pub(crate) use place::{Place, not_run};
pub(crate) use stderr::{StderrTail, printable};

use crate::{
    address::Hop,
    command::bytes,
    error::{Phase, Unreachable},
    options::Options,
    runtime,
    session::{ProcessHandle, Session},
    stream::StreamWriter,
};

/// Time limit for a program to end once its pipe is closed or it was told to.
const END_WITHIN: Duration = Duration::from_millis(500);

/// One ordered byte pipe in each direction.
pub(crate) struct Transport {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Writer,
    pub(crate) stderr: StderrTail,
    /// A terminal for a program that asks for passwords on no other channel.
    pub(crate) terminal: Option<Terminal>,
    pub(crate) process: Ending,
    /// The agent that passes this pipe's bytes on, if there is one.
    pub(crate) hop: Option<Session>,
}

/// Output and input of a terminal.
pub(crate) struct Terminal {
    pub(crate) screen: StderrTail,
    pub(crate) keyboard: StreamWriter,
}

/// The writing half of a pipe.
pub(crate) enum Writer {
    Pipe(Box<dyn AsyncWrite + Send + Unpin>),
    /// A stream of an agent, which can insert blobs that it holds.
    Stream(StreamWriter),
}

/// The process at this end of a pipe. Dropping this ends the process.
pub(crate) enum Ending {
    /// A child of this program.
    Child(ChildGroup),
    /// A process on another machine.
    Remote(ProcessHandle),
    /// A command of an ssh connection.
    Ssh(Box<ssh::RemoteChild>),
    /// Nothing any more, and how it ended, if that was told.
    Over(Option<StreamEnd>),
}

/// A child that leads a process group of its own. Dropping this ends the group.
pub(crate) struct ChildGroup(Option<Child>);

impl ChildGroup {
    pub(crate) fn new(child: Child) -> Self {
        Self(Some(child))
    }

    /// Waits for the child, no longer than `within`; returns its exit status if it ended. Other
    /// processes of its group may live on.
    async fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(within, self.0.as_mut()?.wait())
            .await
            .ok()?
            .ok()
    }

    /// Ends the group: first with SIGTERM, then with SIGKILL.
    async fn end(mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            if self.exit(END_WITHIN).await.is_some() {
                return;
            }
            self.signal(signal);
        }
        self.exit(END_WITHIN).await;
        // Nothing more can be done; keep `drop` from trying again.
        self.0 = None;
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self
            .0
            .as_ref()
            .and_then(Child::id)
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            // This fails if the process runs as another account by now, as sudo does. Then the end
            // of its stdin has to do.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        if let Some(child) = self.0.take().filter(|child| child.id().is_some()) {
            let group = Self::new(child);
            group.signal(Signal::TERM);
            runtime::spawn(group.end());
        }
    }
}

/// A program to run to get from one place to another.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Program and arguments, and variables to set for them.
    pub(crate) command: Command,
    /// Its password prompt, if it may ask.
    pub(crate) prompt: Option<Prompt>,
    /// Complaints that are understood.
    pub(crate) complaints: &'static [Complaint],
}

/// Password prompt of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// The text it prints.
    pub(crate) text: String,
    /// True if it prompts on a terminal of its own, false for stderr.
    pub(crate) on_terminal: bool,
}

/// A complaint of a program, with its meaning and advice.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// Words that occur in it.
    pub(crate) words: &'static str,
    pub(crate) phase: Phase,
    pub(crate) hint: &'static str,
}

/// The command that starts the bootstrap, a shell with our script: as a list of words, and as a
/// line for a shell.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) argv: Vec<String>,
    pub(crate) line: String,
}

/// Returns the way in for `hop`; `None` for `local:`, which takes more than a program to run.
pub(crate) fn way(hop: &Hop, shell: &Shell, options: &Options, token: &str) -> Option<Way> {
    Some(match hop {
        Hop::Local => return None,
        Hop::Ssh(address) => ssh::way(address, shell, options),
        Hop::Sudo(user) => sudo::way(user.as_deref(), shell, options, token),
        Hop::Su(user) => su::way(user, shell, options),
        Hop::Doas(user) => doas::way(user.as_deref(), shell, options),
        Hop::Container(engine, name) => container::way(*engine, name, shell, options),
        Hop::ContainerRun(engine, image) => container::way_to_fresh(*engine, image, shell, options),
        Hop::Kubectl {
            context,
            namespace,
            pod,
            container,
        } => kubectl::way(
            context.as_deref(),
            namespace,
            pod,
            container.as_deref(),
            shell,
            options,
        ),
        Hop::Nsenter(pid) => nsenter::way(*pid, shell, options),
        Hop::Lxc(name) => lxc::way(name, shell, options),
        Hop::Machinectl(name) => machinectl::way(name, shell, options),
        Hop::Exec(argv) => exec::way(argv, shell),
    })
}

impl Way {
    /// Creates a way in from a command line. Messages are in English, because their meaning is
    /// looked up by their text.
    pub(crate) fn new(argv: impl IntoIterator<Item = String>) -> Self {
        let mut command = Command::new(argv);
        command.env.push((bytes("LC_ALL"), bytes("C")));
        Self {
            command,
            ..Self::default()
        }
    }

    pub(crate) fn complaints(self, complaints: &'static [Complaint]) -> Self {
        Self { complaints, ..self }
    }
}

/// Interprets a failure by what the program said: a line that contains a known complaint becomes
/// the reason.
pub(crate) fn classify(failure: Unreachable, complaints: &[&'static [Complaint]]) -> Unreachable {
    // Beyond the shell the way in is not at fault, whatever its program printed.
    if matches!(
        failure.phase,
        Phase::Exec | Phase::Protocol | Phase::Architecture
    ) {
        return failure;
    }
    for Complaint { words, phase, hint } in complaints.iter().copied().flatten() {
        let said = failure
            .stderr_tail
            .lines()
            .rev()
            .chain(failure.reason.lines())
            .find(|line| line.contains(words));
        if let Some(line) = said.map(|line| line.trim().to_owned()) {
            return Unreachable {
                phase: *phase,
                reason: line,
                ..failure
            }
            .hint(*hint);
        }
    }
    failure
}

/// Hint for an account whose shell refuses logins, with a message (nologin) or without one
/// (/bin/false).
pub(crate) const NO_LOGIN_HINT: &str = "the account has no shell to log in with (/sbin/nologin, /bin/false): choose another \
                                        account, or give it a shell there (`usermod --shell`)";

/// Complaints of any shell, on any way.
pub(crate) const SHELL_COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "account is currently not available",
        phase: Phase::Policy,
        hint: NO_LOGIN_HINT,
    },
    Complaint {
        words: "This service allows sftp connections only",
        phase: Phase::Policy,
        hint: "the account may only transfer files; choose another account",
    },
    Complaint {
        words: ": restricted",
        phase: Phase::Policy,
        hint: "the account's login shell is a restricted one; choose another account",
    },
];

impl Transport {
    /// Ends the process at this end, gently at first; within two seconds.
    pub(crate) async fn end(self) {
        let Self {
            writer,
            process,
            reader,
            hop,
            ..
        } = self;
        drop((writer, reader));
        match process {
            Ending::Child(group) => group.end().await,
            Ending::Remote(mut process) => {
                let _ = tokio::time::timeout(END_WITHIN, process.ended()).await;
            }
            // The ssh master ends with its command.
            Ending::Ssh(child) => drop(child),
            Ending::Over(_) => {}
        }
        drop(hop);
    }

    /// Waits for the process at this end, no longer than `within`; returns how it ended, if it did.
    pub(crate) async fn exit(&mut self, within: Duration) -> Option<StreamEnd> {
        match &mut self.process {
            Ending::Child(group) => {
                let status = group.exit(within).await?;
                match (status.code(), status.signal()) {
                    (Some(code), _) => Some(StreamEnd::Exited(code)),
                    (None, signal) => Some(StreamEnd::Signalled(signal.unwrap_or_default())),
                }
            }
            Ending::Remote(process) => tokio::time::timeout(within, process.ended())
                .await
                .ok()?
                .ok(),
            Ending::Over(end) => end.clone(),
            Ending::Ssh(_) => {
                // The exit status can be had once, and takes the command away.
                let Ending::Ssh(child) = std::mem::replace(&mut self.process, Ending::Over(None))
                else {
                    return None;
                };
                let status = tokio::time::timeout(within, child.wait())
                    .await
                    .ok()?
                    .ok()?;
                let code = status.code().map(StreamEnd::Exited);
                let end = code.or_else(|| status.signal().map(StreamEnd::Signalled));
                self.process = Ending::Over(end.clone());
                end
            }
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl Writer {
    /// Has the agent at the start of the pipe insert a part of a blob that it holds.
    pub(crate) async fn splice(&mut self, splice: Splice) -> io::Result<()> {
        match self {
            Self::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::Stream(stream) => stream.splice(splice).await,
        }
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Pipe(pipe) => Pin::new(&mut **pipe),
            Self::Stream(stream) => Pin::new(stream),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.inner().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
