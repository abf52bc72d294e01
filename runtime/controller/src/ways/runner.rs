//! Runners of programs that lead one hop further: this machine, or the machine of an agent.

use std::{
    borrow::Cow,
    ffi::OsStr,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command as OsCommand,
};
use wxec_protocol::{Command, StreamEnd};

use crate::{
    base::{open_files, text::printable},
    error::{Phase, Unreachable},
    options::secret_variables,
    session::{
        Process, Session,
        pipe::Pipe,
        stderr::StderrTail,
        transport::{ChildGroup, Ending, Reader, Terminal, Transport, Writer},
    },
};

/// Size limit for the answer of a program that is only asked something.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Time limit for the exit of a program that has closed its stdout.
const EXIT_WITHIN: Duration = Duration::from_secs(5);

/// Size limit for commands. Linux allows an argument no more than 128 KiB, and all of them together
/// some megabytes.
const MAX_COMMAND_BYTES: usize = 128 << 10;

/// Runs programs on the machine where a hop starts.
#[derive(Clone)]
pub(crate) enum Runner {
    /// On this machine, by this program.
    Here,
    /// Where an agent is, by that agent.
    Agent(Session),
}

impl Runner {
    /// Starts a program whose stdin and stdout are a pipe to the next hop.
    pub(crate) async fn start(
        &self,
        command: &Command,
        terminal: bool,
    ) -> Result<Transport, Unreachable> {
        let length: usize = command.words.iter().map(|word| word.len()).sum();
        if length > MAX_COMMAND_BYTES {
            return Err(Unreachable::new(
                Phase::Local,
                format!("a command of {length} bytes is too long"),
            ));
        }
        match self {
            Self::Here => start_here(command, Ground::Background)
                .map_err(|error| cannot_run(command, &error.to_string())),
            Self::Agent(session) => {
                let process = session.start_process(command.clone(), terminal).await;
                let process =
                    process.map_err(|error| Unreachable::new(Phase::Connect, error.to_string()))?;
                Ok(over_agent(process, session.clone()))
            }
        }
    }

    /// Runs a program to its end, with input from `feed`. Returns what it printed, or its complaint
    /// as an error.
    pub(crate) async fn run(
        &self,
        command: &Command,
        feed: impl AsyncFnOnce(&mut Writer) -> io::Result<()>,
    ) -> Result<String, Unreachable> {
        let mut transport = self.start(command, false).await?;
        // Ignore write errors: a program that stops reading says why on stderr.
        let _ = feed(&mut transport.writer).await;
        let _ = transport.writer.shutdown().await;
        let mut answer = String::new();
        let read = (&mut transport.reader)
            .take(MAX_ANSWER_BYTES)
            .read_to_string(&mut answer)
            .await;
        match (read, transport.exit(EXIT_WITHIN).await) {
            (Ok(_), Some(StreamEnd::Exited(0))) => Ok(answer.trim().into()),
            (_, Some(StreamEnd::NotStarted(reason))) => Err(not_run(&reason)),
            (_, exit) => {
                let program = program(command);
                let exit = exit.map_or_else(|| "no exit code".into(), |exit| exit.to_string());
                let failure =
                    Unreachable::new(Phase::Connect, format!("`{program}` failed ({exit})"));
                Err(failure.stderr(transport.stderr.settled().await))
            }
        }
    }

    /// Returns the session with the agent, if there is one.
    pub(crate) fn agent(&self) -> Option<&Session> {
        match self {
            Self::Here => None,
            Self::Agent(session) => Some(session),
        }
    }
}

fn cannot_run(command: &Command, reason: &str) -> Unreachable {
    let program = program(command);
    not_run(&format!("cannot run `{program}`: {reason}")).during(Phase::Local)
}

/// Returns the program of a command, for messages.
fn program(command: &Command) -> Cow<'_, str> {
    command
        .words
        .first()
        .map_or_else(|| "nothing".into(), |word| String::from_utf8_lossy(word))
}

/// Makes the error for a program that could not be started; the reason names the program.
pub(crate) fn not_run(reason: &str) -> Unreachable {
    Unreachable::new(Phase::Exec, printable(reason))
        .hint("install it there, or say where it is: `ConnectOptions::tool`, `--tool NAME=PATH`")
}

/// The process group of a program on this machine, in terms of the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// A group of its own. A Ctrl-C on the terminal is for the controller, which then ends
    /// everything properly.
    Background,
    /// The controller's group, so that the program may ask at the terminal. It ignores the signals
    /// that come from there, for the same reason.
    Foreground,
}

/// Has a shell ignore the terminal's signals and become the program that its arguments name.
const UNSIGNALLED: [&str; 4] = [
    "sh",
    "-c",
    r#"trap "" HUP INT QUIT
command -v "$1" >/dev/null || { echo "there is no program $1" >&2; exit 255; }
exec "$@""#,
    "sh",
];

/// Complaint of that shell.
pub(super) const NOT_FOUND: &str = "there is no program ";

/// Starts a program on this machine.
pub(super) fn start_here(command: &Command, ground: Ground) -> io::Result<Transport> {
    let before: &[&str] = match ground {
        Ground::Background => &[],
        Ground::Foreground => &UNSIGNALLED,
    };
    let words = command.words.iter().map(|word| OsStr::from_bytes(word));
    let mut words = before.iter().map(OsStr::new).chain(words);
    let mut os_command = OsCommand::new(words.next().ok_or(io::ErrorKind::InvalidInput)?);
    let variables = command
        .env
        .iter()
        .map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)));
    os_command.args(words).envs(variables);
    secret_variables(|name| _ = os_command.env_remove(name));
    if ground == Ground::Background {
        os_command.process_group(0);
    }
    let mut child = os_command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let missing = || io::Error::other("a pipe is missing");
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let stdin = child.stdin.take().ok_or_else(missing)?;
    open_files::make_room(stdin.as_fd());
    Ok(Transport {
        reader: Reader::Pipe(Pipe::reader(stdout.into_owned_fd()?)?),
        writer: Writer::Pipe(Pipe::writer(stdin.into_owned_fd()?)?),
        stderr: StderrTail::collect(child.stderr.take().ok_or_else(missing)?),
        terminal: None,
        process: Ending::Child(match ground {
            Ground::Background => ChildGroup::new(child),
            Ground::Foreground => ChildGroup::of_one(child),
        }),
        hop: None,
    })
}

fn over_agent(process: Process, session: Session) -> Transport {
    let Process {
        reader,
        writer,
        stderr,
        terminal,
        handle,
    } = process;
    Transport {
        reader: Reader::Stream(reader),
        writer: Writer::Stream(writer),
        stderr: StderrTail::collect(stderr),
        terminal: terminal.map(|(screen, keyboard)| Terminal {
            screen: StderrTail::collect(screen),
            keyboard,
        }),
        process: Ending::Remote(handle),
        hop: Some(session),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn said(words: &[&str]) -> (String, String, Option<StreamEnd>) {
        let command = Command::new(words.iter().copied());
        let mut transport = start_here(&command, Ground::Foreground).unwrap();
        let mut said = String::new();
        transport.reader.read_to_string(&mut said).await.unwrap();
        let exit = transport.exit(Duration::from_secs(60)).await;
        (said, transport.stderr.settled().await, exit)
    }

    #[tokio::test]
    async fn a_program_that_shares_the_terminal_outlives_its_signals() {
        let script = "for signal in INT QUIT HUP; do kill -$signal $$; done; echo lives";
        let (said, _, exit) = said(&["sh", "-c", script]).await;
        assert_eq!((&*said, exit), ("lives\n", Some(StreamEnd::Exited(0))));
    }

    #[tokio::test]
    async fn a_program_that_shares_the_terminal_may_be_missing() {
        let (_, words, exit) = said(&["/no/ssh", "-x"]).await;
        assert_eq!(
            (words, exit),
            (format!("{NOT_FOUND}/no/ssh"), Some(StreamEnd::Exited(255)))
        );
    }
}
