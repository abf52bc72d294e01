//! Runs programs that are installed on a host, without a shell in between and without a sandbox.

mod attach;
mod child;
mod exit_status;
mod program;

use std::{ffi::OsStr, fmt, path::Path, time::Duration};

use bytes::Bytes;
use wxec_protocol::{Command as ProcessCommand, StreamEnd, WindowSize};

use self::child::Running;
pub use self::{
    attach::Attach,
    child::{Child, ChildRemote, ChildStdin, ChildStdout},
    exit_status::ExitStatus,
    program::{Program, ProgramOutput},
};
use crate::{
    base::{
        operation::Operation,
        runtime,
        text::{bytes, last_line},
        time::duration_ms,
    },
    error::{CallError, CallErrorKind, Limit, Phase, agent_failed},
    host::Host,
    process::attach::{AbortOnDrop, Input, Sink, drain, feed},
    session::{
        Loss, Process,
        stream::{StreamReader, StreamWriter},
    },
};

/// Time after a process' deadline before its host counts as failed. Meanwhile the agent tells the
/// process to end, then kills it, and the rest of its output arrives as fast as its reader takes
/// it.
const END_WITHIN: Duration = Duration::from_secs(60);

/// Size limit for the arguments, variables and directory of a process, so that they fit into one
/// frame.
const MAX_WORDS_BYTES: usize = 512 << 10;

/// A program to run on a host, modelled on std's `Command`. Nothing happens until it is
/// [run](Self::run) or [spawned](Self::spawn), or its [output](Self::output) is asked for.
///
/// It runs as the account that the host's address leads to, in a process group of its own. Dropping
/// the running operation or child, a [timeout](Self::timeout), and the end of the session end that
/// group. Processes that it leaves running when it exits live on, as after `ssh`.
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use wxec::Host;
///
/// let host = Host::new("web1")?;
/// let uptime = host.command("uptime").arg("-p").output("").wait()?;
/// println!("{}", String::from_utf8_lossy(&uptime.stdout));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a command does nothing until it is run"]
pub struct Command {
    host: Host,
    process: ProcessCommand,
}

/// Exit status and output of a command.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandOutput {
    /// The exit status.
    pub status: ExitStatus,
    /// Its output on stdout.
    pub stdout: Vec<u8>,
    /// Its output on stderr.
    pub stderr: Vec<u8>,
}

impl Host {
    /// Creates a command that runs `program` on this host. The host looks in its `PATH`, unless
    /// `program` has a `/`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command {
            host: self.clone(),
            process: ProcessCommand::default(),
        }
        .arg(program)
    }

    /// Creates a command that runs `text` with the host's `sh`.
    pub fn shell(&self, text: impl AsRef<OsStr>) -> Command {
        self.command("sh").arg("-c").arg(text)
    }
}

impl Command {
    /// Adds an argument: any bytes but NUL.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.process.words.push(bytes(argument));
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.process.words.extend(arguments.into_iter().map(bytes));
        self
    }

    /// Sets an environment variable, beside those of the agent.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.process.env.push((bytes(name), bytes(value)));
        self
    }

    /// Leaves out the environment variables of the agent.
    pub fn env_clear(mut self) -> Self {
        self.process.clear_env = true;
        self
    }

    /// Runs it in `directory` rather than where the login begins. A leading `~` or `~/` is the
    /// account's home.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.process.directory = Some(bytes(directory.as_ref()));
        self
    }

    /// Ends the process and its group if it still runs when `after` has passed since its start.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.process.deadline_ms = Some(duration_ms(after));
        self
    }

    /// Waits, as ssh does, until all processes have closed the command's stdout and stderr.
    /// Otherwise output of processes that it left running is read for half a second after its end,
    /// and [`GuestOutput::Held`](crate::GuestOutput::Held) says that some may be missing. With a
    /// [terminal](Self::pty) it does not wait, as with ssh.
    pub fn wait_output(mut self) -> Self {
        self.process.wait_output = true;
        self
    }

    /// Allocates a terminal of this size, for editors, `top` and shells. Stdin, stdout and stderr
    /// of the process are that terminal, and everything it shows arrives as stdout.
    pub fn pty(mut self, size: WindowSize) -> Self {
        self.process.pty = Some(size);
        self
    }

    /// Runs it to its end.
    pub fn run(self, attach: Attach) -> Operation<Result<ExitStatus, CallError>> {
        let (name, handler) = (self.host.shared_name(), self.host.output());
        Operation::new(async move {
            let (stdin, stdout, stderr) = attach.ends(&name, &handler);
            self.drive(stdin, stdout, stderr)
                .await
                .map(|(status, ..)| status)
        })
    }

    /// Runs it to its end with `input` on its stdin, and keeps what it writes, up to 128 MiB of
    /// each stream.
    pub fn output(self, input: impl Into<Bytes>) -> Operation<Result<CommandOutput, CallError>> {
        let input = Input::bytes(input);
        Operation::new(async move {
            let kept = || Sink::Kept(Vec::new());
            let (status, stdout, stderr) = self.drive(input, kept(), kept()).await?;
            Ok(CommandOutput {
                status,
                stdout: stdout.into_kept(),
                stderr: stderr.into_kept(),
            })
        })
    }

    /// Starts it, for callers that talk to it while it runs.
    pub fn spawn(self) -> Operation<Result<Child, CallError>> {
        Operation::new(async move {
            let process = self.start().await?;
            Ok(Child::new(&self.host, process, self.timeout_of()))
        })
    }

    async fn drive(
        self,
        stdin: Input,
        stdout: Sink,
        stderr: Sink,
    ) -> Result<(ExitStatus, Sink, Sink), CallError> {
        let Process {
            reader,
            writer,
            stderr: errors,
            handle,
            ..
        } = self.start().await?;
        let running = Running::new(self.host.clone(), handle, self.timeout_of());
        let streams = Streams {
            writer: Some(writer),
            reader: Some(reader),
            errors: Some(errors),
        };
        carry(running, streams, stdin, stdout, stderr).await
    }

    async fn start(&self) -> Result<Process, CallError> {
        let failed = |kind| CallError::new(self.host.shared_name(), kind);
        let ProcessCommand {
            words,
            env,
            directory,
            pty,
            ..
        } = &self.process;
        let words = words
            .iter()
            .chain(env.iter().flat_map(|(name, value)| [name, value]))
            .map(|word| word.len());
        let bytes =
            words.sum::<usize>() + directory.as_ref().map_or(0, |directory| directory.len());
        if bytes > MAX_WORDS_BYTES {
            let reason =
                format!("a command of {bytes} bytes, more than the {MAX_WORDS_BYTES} allowed");
            return Err(failed(CallErrorKind::BadArguments(reason)));
        }
        debug_assert!(
            pty.is_none_or(|size| size.rows > 0),
            "a terminal that shows nothing"
        );
        let session = self
            .host
            .session()
            .await
            .map_err(|error| failed(CallErrorKind::Unreachable(error)))?;
        let started = session.start_process(self.process.clone(), false).await;
        started.map_err(|_| failed(lost(Loss::after_the_end())))
    }

    fn timeout_of(&self) -> Option<Duration> {
        self.process.deadline_ms.map(Duration::from_millis)
    }
}

/// The streams of a process that are still attached.
struct Streams {
    writer: Option<StreamWriter>,
    reader: Option<StreamReader>,
    errors: Option<StreamReader>,
}

/// Carries input and output of a process until it ends.
async fn carry(
    running: Running,
    Streams {
        writer,
        reader,
        errors,
    }: Streams,
    stdin: Input,
    stdout: Sink,
    stderr: Sink,
) -> Result<(ExitStatus, Sink, Sink), CallError> {
    let host = running.host();
    // Reading stdin may never end, so its end is not waited for.
    let _feeding = writer.map(|writer| AbortOnDrop(runtime::spawn(feed(stdin, writer))));
    let drained = async { tokio::join!(drain_some(reader, stdout), drain_some(errors, stderr)) };
    let mut drained = AbortOnDrop(runtime::spawn(drained));
    let ended = running.ended().await;
    let (stdout, stderr) = (&mut drained.0)
        .await
        .unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    if let Some(limit) = [&stdout, &stderr].into_iter().find_map(Sink::overflow) {
        return Err(CallError::new(host, limit));
    }
    for (sink, stream) in [(&stdout, "stdout"), (&stderr, "stderr")] {
        if let Some(failure) = sink.failure(stream) {
            return Err(CallError::new(host, failure));
        }
    }
    // If the reader of our stdout has gone, the pipe closes and ends the process: report that,
    // whatever else is known.
    let status = if stdout.is_closed() {
        ExitStatus::BROKEN_PIPE
    } else {
        ended?
    };
    Ok((status, stdout, stderr))
}

async fn drain_some(reader: Option<StreamReader>, sink: Sink) -> Sink {
    match reader {
        Some(reader) => drain(reader, sink).await,
        None => sink,
    }
}

fn lost<E>(loss: Loss) -> CallErrorKind<E> {
    CallErrorKind::Lost {
        reason: loss.reason,
        stderr_tail: loss.stderr_tail,
    }
}

/// Converts the end of a process to its exit status, or to the reason why there is none.
fn status(end: StreamEnd, timeout: Option<Duration>) -> Result<ExitStatus, CallErrorKind> {
    match end {
        StreamEnd::Exited(code) => Ok(ExitStatus::Code(code)),
        StreamEnd::Signalled(signal) => Ok(ExitStatus::Signal(signal)),
        StreamEnd::TimedOut => Err(timed_out(timeout)),
        StreamEnd::NotStarted(reason) => Err(match Limit::find(&reason) {
            Some((limit, _)) => {
                CallErrorKind::Unreachable(limit.failure(&reason).during(Phase::Run))
            }
            None => CallErrorKind::NotStarted { reason },
        }),
        other => Err(agent_failed(other.to_string())),
    }
}

fn timed_out(timeout: Option<Duration>) -> CallErrorKind {
    CallErrorKind::Timeout {
        after: timeout.unwrap_or_default(),
        phase: Phase::Run,
    }
}

impl CommandOutput {
    /// Returns itself if the command succeeded; else an error with the exit status and the last
    /// line of stderr.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// # use wxec::Host;
    /// let disk = Host::new("web1")?.command("df").output("").wait()?.checked()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checked(self) -> Result<Self, CommandFailed> {
        if self.status.success() {
            Ok(self)
        } else {
            Err(CommandFailed(self))
        }
    }
}

/// Number of bytes shown in errors and `Debug`; of a stream, the last ones.
pub(crate) const SHOWN_BYTES: usize = 100;

impl fmt::Debug for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        f.debug_struct("CommandOutput")
            .field("status", status)
            .field("stdout", &tail(stdout))
            .field("stderr", &tail(stderr))
            .finish()
    }
}

fn tail(bytes: &[u8]) -> String {
    match bytes.len().checked_sub(SHOWN_BYTES) {
        Some(skipped @ 1..) => format!(
            "({skipped} bytes before) {}",
            String::from_utf8_lossy(&bytes[skipped..])
        ),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A command ran and did not succeed.
#[derive(Debug, Clone)]
pub struct CommandFailed(pub CommandOutput);

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stderr = String::from_utf8_lossy(&self.0.stderr);
        match last_line(&stderr) {
            None => write!(f, "{}", self.0.status),
            Some(said) => write!(f, "{}: {said}", self.0.status),
        }
    }
}

impl std::error::Error for CommandFailed {}
