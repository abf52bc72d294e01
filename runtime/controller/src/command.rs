//! Programs that are installed on a host, run there: no shell in between, no sandbox around them.

mod child;
mod exit_status;

use std::{ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path, time::Duration};

use bytes::Bytes;
use serde_bytes::ByteBuf;
use wxec_protocol::{Command as ProcessCommand, StreamEnd, WindowSize};

use self::child::Running;
pub use self::{
    child::{Child, ChildRemote, ChildStdin, ChildStdout},
    exit_status::ExitStatus,
};
use crate::{
    attach::{AbortOnDrop, Attach, Input, Sink, drain, feed},
    error::{CallError, CallErrorKind, Phase},
    host::{Host, Operation},
    runtime,
    session::{Loss, Process},
    stream::{StreamReader, StreamWriter},
    transport::Limit,
};

/// Past its deadline a process is told to end and killed, and the rest of its output arrives, which takes as long as
/// whoever reads it; but its host is not waited for any longer than this.
const END_WITHIN: Duration = Duration::from_secs(60);

/// What a process' own words may have together, so that they fit into one frame.
const MAX_WORDS_BYTES: usize = 512 << 10;

/// A program to run on a host, in the shape of std's `Command`. Nothing happens until it is [run](Self::run),
/// [spawned](Self::spawn), or its [output](Self::output) asked for.
///
/// It runs as the account that the host's address leads to, in a process group of its own. Dropping what runs it, a
/// [timeout](Self::timeout), and the end of the session end that group. What it leaves running beside itself when it exits
/// lives on, as after `ssh`.
///
/// ```no_run
/// use wxec_controller::Host;
///
/// let host = Host::new("web1")?;
/// let uptime = host.command("uptime").arg("-p").output("").wait()?;
/// println!("{}", String::from_utf8_lossy(&uptime.stdout));
/// # Ok::<(), wxec_controller::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a command does nothing until it is run"]
pub struct Command {
    host: Host,
    process: ProcessCommand,
}

/// How a command ended, and what it wrote.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr.
    pub stderr: Vec<u8>,
}

impl Host {
    /// A program to run on this host. It is looked for in `PATH` there, unless `program` has a `/`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command { host: self.clone(), process: ProcessCommand::default() }.arg(program)
    }

    /// A text for the host's `sh` to run.
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

    /// Sets a variable beside those the agent has.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.process.env.push((bytes(name), bytes(value)));
        self
    }

    /// Leaves out the variables that the agent has.
    pub fn env_clear(mut self) -> Self {
        self.process.clear_env = true;
        self
    }

    /// Runs it in another directory than the one the login begins in. `~` is the account's home, and so it is before `/`.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.process.directory = Some(bytes(directory.as_ref()));
        self
    }

    /// Ends it, and its process group, if it still runs `after` it was started.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.process.deadline_ms = Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Waits, as ssh does, until everybody has closed its stdout and stderr. Otherwise what it left running is read for half a
    /// second after its end, and [`GuestOutput::Held`](crate::GuestOutput::Held) says that something may be missing. With a
    /// [terminal](Self::pty) nothing is waited for, as with ssh.
    pub fn wait_output(mut self) -> Self {
        self.process.wait_output = true;
        self
    }

    /// Gives it a terminal of this size, as programs want that draw on one. Its stdin, stdout and stderr are that terminal,
    /// and all it shows arrives as stdout.
    pub fn pty(mut self, size: WindowSize) -> Self {
        self.process.pty = Some(size);
        self
    }

    /// Runs it to its end.
    pub fn run(self, attach: Attach) -> Operation<Result<ExitStatus, CallError>> {
        let (name, handler) = (self.host.shared_name(), self.host.output());
        Operation::new(async move {
            let (stdin, stdout, stderr) = attach.ends(&name, &handler);
            self.drive(stdin, stdout, stderr).await.map(|(status, ..)| status)
        })
    }

    /// Runs it to its end with `input` on its stdin, and keeps what it writes, up to 128 MiB of each stream.
    pub fn output(self, input: impl Into<Bytes>) -> Operation<Result<CommandOutput, CallError>> {
        let input = Input::bytes(input);
        Operation::new(async move {
            let kept = || Sink::Kept(Vec::new());
            let (status, stdout, stderr) = self.drive(input, kept(), kept()).await?;
            Ok(CommandOutput { status, stdout: stdout.into_kept(), stderr: stderr.into_kept() })
        })
    }

    /// Starts it, for somebody who talks to it while it runs.
    pub fn spawn(self) -> Operation<Result<Child, CallError>> {
        Operation::new(async move {
            let process = self.start().await?;
            Ok(Child::new(&self.host, process, self.timeout_of()))
        })
    }

    async fn drive(self, stdin: Input, stdout: Sink, stderr: Sink) -> Result<(ExitStatus, Sink, Sink), CallError> {
        let Process { reader, writer, stderr: errors, handle, .. } = self.start().await?;
        let running = Running::new(self.host.clone(), handle, self.timeout_of());
        let streams = Streams { writer: Some(writer), reader: Some(reader), errors: Some(errors) };
        carry(running, streams, stdin, stdout, stderr).await
    }

    async fn start(&self) -> Result<Process, CallError> {
        let failed = |kind| CallError::new(self.host.shared_name(), kind);
        let ProcessCommand { words, env, directory, pty, .. } = &self.process;
        let words = words.iter().chain(env.iter().flat_map(|(name, value)| [name, value])).map(|word| word.len());
        let bytes = words.sum::<usize>() + directory.as_ref().map_or(0, |directory| directory.len());
        if bytes > MAX_WORDS_BYTES {
            let reason = format!("a command of {bytes} bytes, more than the {MAX_WORDS_BYTES} allowed");
            return Err(failed(CallErrorKind::BadArguments(reason)));
        }
        debug_assert!(pty.is_none_or(|size| size.rows > 0), "a terminal that shows nothing");
        let session = self.host.session().await.map_err(|error| failed(CallErrorKind::Unreachable(error)))?;
        let started = session.start_process(self.process.clone(), false).await;
        started.map_err(|_| failed(lost(Loss::after_the_end())))
    }

    fn timeout_of(&self) -> Option<Duration> {
        self.process.deadline_ms.map(Duration::from_millis)
    }
}

/// A text of a system's, as it travels.
pub(crate) fn bytes(text: impl AsRef<OsStr>) -> ByteBuf {
    ByteBuf::from(text.as_ref().as_bytes())
}

/// What is still attached of a process' streams.
struct Streams {
    writer: Option<StreamWriter>,
    reader: Option<StreamReader>,
    errors: Option<StreamReader>,
}

/// Carries what a process reads and writes until it ends.
async fn carry(
    running: Running,
    Streams { writer, reader, errors }: Streams,
    stdin: Input,
    stdout: Sink,
    stderr: Sink,
) -> Result<(ExitStatus, Sink, Sink), CallError> {
    let host = running.host();
    // Reading stdin may never end: nobody waits for that.
    let _feeding = writer.map(|writer| AbortOnDrop(runtime::spawn(feed(stdin, writer))));
    let drained = async { tokio::join!(drain_some(reader, stdout), drain_some(errors, stderr)) };
    let mut drained = AbortOnDrop(runtime::spawn(drained));
    let ended = running.ended().await;
    let (stdout, stderr) =
        (&mut drained.0).await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    if let Some(limit) = [&stdout, &stderr].into_iter().find_map(Sink::overflow) {
        return Err(CallError::new(host, limit));
    }
    for (sink, stream) in [(&stdout, "stdout"), (&stderr, "stderr")] {
        if let Some(failure) = sink.failure(stream) {
            return Err(CallError::new(host, failure));
        }
    }
    // Who reads no more closes the pipe, and the process with it; that is how it ended, whatever else is known.
    let status = if stdout.is_closed() { ExitStatus::BROKEN_PIPE } else { ended? };
    Ok((status, stdout, stderr))
}

async fn drain_some(reader: Option<StreamReader>, sink: Sink) -> Sink {
    match reader {
        Some(reader) => drain(reader, sink).await,
        None => sink,
    }
}

fn lost<E>(loss: Loss) -> CallErrorKind<E> {
    CallErrorKind::Lost { reason: loss.reason, stderr_tail: loss.stderr_tail }
}

/// How a process ended, or why that is not known.
fn status(end: StreamEnd, timeout: Option<Duration>) -> Result<ExitStatus, CallErrorKind> {
    match end {
        StreamEnd::Exited(code) => Ok(ExitStatus::Code(code)),
        StreamEnd::Signalled(signal) => Ok(ExitStatus::Signal(signal)),
        StreamEnd::TimedOut => Err(timed_out(timeout)),
        StreamEnd::NotStarted(reason) => Err(match Limit::find(&reason) {
            Some((limit, _)) => CallErrorKind::Unreachable(limit.failure(&reason).during(Phase::Run)),
            None => CallErrorKind::NotStarted { reason },
        }),
        other => Err(CallErrorKind::of_agent(other.to_string())),
    }
}

fn timed_out(timeout: Option<Duration>) -> CallErrorKind {
    CallErrorKind::Timeout { after: timeout.unwrap_or_default(), phase: Phase::Run }
}

impl CommandOutput {
    /// Itself, if the command succeeded; else an error that says how it ended, and the end of what it said on stderr.
    ///
    /// ```no_run
    /// # use wxec_controller::Host;
    /// let disk = Host::new("web1")?.command("df").output("").wait()?.checked()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn checked(self) -> Result<Self, CommandFailed> {
        if self.status.success() { Ok(self) } else { Err(CommandFailed(self)) }
    }
}

/// What is shown of bytes in errors and `Debug`; of a stream, from its end.
pub(crate) const SHOWN_BYTES: usize = 100;

impl fmt::Debug for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr } = self;
        f.debug_struct("CommandOutput")
            .field("status", status)
            .field("stdout", &tail(stdout))
            .field("stderr", &tail(stderr))
            .finish()
    }
}

fn tail(bytes: &[u8]) -> String {
    match bytes.len().checked_sub(SHOWN_BYTES) {
        Some(skipped @ 1..) => format!("({skipped} bytes before) {}", String::from_utf8_lossy(&bytes[skipped..])),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A command ran, and did not succeed.
#[derive(Debug, Clone)]
pub struct CommandFailed(pub CommandOutput);

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stderr = String::from_utf8_lossy(&self.0.stderr);
        match crate::unreachable::last_line(&stderr) {
            None => write!(f, "{}", self.0.status),
            Some(said) => write!(f, "{}: {said}", self.0.status),
        }
    }
}

impl std::error::Error for CommandFailed {}
