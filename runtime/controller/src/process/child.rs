//! A process that the caller talks to while it runs.

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read, Write},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wxec_protocol::WindowSize;

use super::{END_WITHIN, Streams, carry, lost, status, timed_out};
use crate::{
    base::{operation::Operation, runtime},
    error::{CallError, CallErrorKind},
    host::Host,
    process::{
        ExitStatus,
        attach::{Attach, Sink, drain},
    },
    session::{
        Process, ProcessHandle, Signals,
        output::{GuestOutput, OutputHandler},
        stream::{StreamReader, StreamWriter},
    },
};

const TERM: i32 = 15;
const KILL: i32 = 9;

/// A process under way on a host. Dropping it ends the process and its group.
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use std::io::{BufRead, BufReader, Write};
/// use wxec::Host;
///
/// let mut bc = Host::new("web1")?.command("bc").spawn().wait()?;
/// let (mut stdin, stdout) = (bc.stdin.take().unwrap(), bc.stdout.take().unwrap());
/// writeln!(stdin, "6 * 7")?;
/// let mut answer = String::new();
/// BufReader::new(stdout).read_line(&mut answer)?;
/// assert_eq!(answer, "42\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Child {
    /// Its stdin. Dropping this closes it.
    pub stdin: Option<ChildStdin>,
    /// Its stdout. The process blocks while the caller does not read; dropping this before the end
    /// of the output ends the process.
    pub stdout: Option<ChildStdout>,
    /// Its stderr, unless it has a terminal.
    pub stderr: Option<ChildStdout>,
    running: Running,
    handler: OutputHandler,
}

impl Child {
    pub(super) fn new(host: &Host, process: Process, timeout: Option<Duration>) -> Self {
        let Process {
            reader,
            writer,
            stderr,
            handle,
            ..
        } = process;
        let running = Running::new(host.clone(), handle, timeout);
        Self {
            stdin: Some(ChildStdin(writer)),
            stdout: Some(ChildStdout {
                reader: Some(reader),
                at_end: false,
                cut: Some(running.cut.clone()),
            }),
            stderr: Some(ChildStdout {
                reader: Some(stderr),
                at_end: false,
                cut: None,
            }),
            running,
            handler: host.output(),
        }
    }

    /// Waits for its end. Closes its stdin, and discards its stdout and stderr, unless the caller
    /// has taken them.
    pub fn wait(mut self) -> Operation<Result<ExitStatus, CallError>> {
        drop(self.stdin.take());
        let unread = [self.stdout.take(), self.stderr.take()];
        Operation::new(async move {
            for mut output in unread.into_iter().flatten() {
                if let Some(reader) = output.reader.take() {
                    runtime::spawn(drain(reader, Sink::Nowhere));
                }
            }
            self.running.ended().await
        })
    }

    /// Runs it to its end, with `attach` joined to those streams that the caller has not taken.
    pub fn run(mut self, attach: Attach) -> Operation<Result<ExitStatus, CallError>> {
        let (stdin, stdout, stderr) = attach.ends(&self.running.host(), &self.handler);
        let streams = Streams {
            writer: self.stdin.take().map(|stdin| stdin.0),
            reader: self
                .stdout
                .take()
                .and_then(|mut stdout| stdout.reader.take()),
            errors: self
                .stderr
                .take()
                .and_then(|mut stderr| stderr.reader.take()),
        };
        Operation::new(async move {
            carry(self.running, streams, stdin, stdout, stderr)
                .await
                .map(|(status, ..)| status)
        })
    }

    /// Sends the signal `number` to the process and its group.
    pub fn signal(&self, number: i32) {
        self.running.signals.signal(number);
    }

    /// Kills the process and its group.
    pub fn kill(&self) {
        self.signal(KILL);
    }

    /// Tells the process that its terminal has another size.
    pub fn resize(&self, size: WindowSize) {
        self.running.signals.resize(size);
    }

    /// Returns a handle that signals and resizes while another part of the program waits for the
    /// end.
    pub fn remote(&self) -> ChildRemote {
        ChildRemote(self.running.signals.clone())
    }
}

/// Signals and resizes a [`Child`] from elsewhere. It does not keep the process running.
#[derive(Clone)]
pub struct ChildRemote(Signals);

impl ChildRemote {
    /// Does the same as [`Child::signal`].
    pub fn signal(&self, number: i32) {
        self.0.signal(number);
    }

    /// Does the same as [`Child::resize`].
    pub fn resize(&self, size: WindowSize) {
        self.0.resize(size);
    }
}

impl fmt::Debug for ChildRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildRemote")
    }
}

/// A process that is told to end if its caller stops waiting for it.
pub(super) struct Running {
    /// Kept, so that its session goes on while the process does.
    host: Host,
    handle: ProcessHandle,
    pub(super) signals: Signals,
    timeout: Option<Duration>,
    /// True if the caller closed its stdout, which ends the process.
    cut: Arc<AtomicBool>,
}

impl Running {
    pub(super) fn new(host: Host, handle: ProcessHandle, timeout: Option<Duration>) -> Self {
        let signals = handle.signals();
        Self {
            host,
            handle,
            signals,
            timeout,
            cut: Arc::default(),
        }
    }

    pub(super) fn host(&self) -> Arc<str> {
        self.host.shared_name()
    }

    /// Waits for its end. The agent ends it at its deadline; if no report of that comes in time,
    /// the host has failed.
    pub(super) async fn ended(mut self) -> Result<ExitStatus, CallError> {
        let ended = match self.timeout {
            None => self.handle.ended().await,
            Some(timeout) => {
                let limit = timeout.saturating_add(END_WITHIN);
                match tokio::time::timeout(limit, self.handle.ended()).await {
                    Ok(ended) => ended,
                    Err(_) => return Err(CallError::new(self.host(), timed_out(self.timeout))),
                }
            }
        };
        let status = match ended {
            Ok(end) => status(end, self.timeout),
            Err(_) if self.cut.load(SeqCst) => Ok(ExitStatus::BROKEN_PIPE),
            Err(loss) => Err(lost::<std::convert::Infallible>(loss)),
        };
        if self.handle.is_output_held() {
            self.host.output()(&self.host(), GuestOutput::Held);
        }
        status.map_err(|kind: CallErrorKind| CallError::new(self.host(), kind))
    }
}

/// Sends SIGTERM before the streams are closed, so that the process has time to end by itself.
impl Drop for Running {
    fn drop(&mut self) {
        self.signals.signal(TERM);
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Child({})", self.running.host)
    }
}

/// The stdin of a process. It implements std's [`Write`] for blocking code and tokio's
/// [`AsyncWrite`] for async code; neither needs a runtime of the caller's. Writing waits while the
/// process does not read.
pub struct ChildStdin(StreamWriter);

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        pollster::block_on(poll_fn(|context| {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for ChildStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildStdin")
    }
}

/// The stdout or stderr of a process. It implements std's [`Read`] for blocking code and tokio's
/// [`AsyncRead`] for async code; neither needs a runtime of the caller's. Dropping it before its
/// end closes the pipe; for stdout, this ends the process.
pub struct ChildStdout {
    reader: Option<StreamReader>,
    at_end: bool,
    /// Set to true if this is closed before its end.
    cut: Option<Arc<AtomicBool>>,
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(reader) = &mut self.reader else {
            return Poll::Ready(Ok(()));
        };
        let (before, room) = (buffer.filled().len(), buffer.remaining() > 0);
        ready!(Pin::new(reader).poll_read(context, buffer))?;
        self.at_end |= room && buffer.filled().len() == before;
        Poll::Ready(Ok(()))
    }
}

impl Read for ChildStdout {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        pollster::block_on(poll_fn(|context| {
            Pin::new(&mut *self).poll_read(context, &mut buffer)
        }))?;
        Ok(buffer.filled().len())
    }
}

impl Drop for ChildStdout {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take().filter(|_| !self.at_end) {
            if let Some(cut) = &self.cut {
                cut.store(true, SeqCst);
            }
            reader.close();
        }
    }
}

impl fmt::Debug for ChildStdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChildStdout")
    }
}
