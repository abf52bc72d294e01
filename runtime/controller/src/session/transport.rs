//! The pipe to an agent, and the process at this end of it.

use std::{
    fmt,
    future::poll_fn,
    io,
    os::unix::process::ExitStatusExt,
    pin::Pin,
    process::ExitStatus,
    task::{Context, Poll},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    process::Child,
};
use wxec_protocol::{MAX_LINGER, Splice, StreamEnd};

use super::{
    Session,
    pipe::Pipe,
    process::ProcessHandle,
    stderr::StderrTail,
    stream::{StreamReader, StreamWriter},
};
use crate::base::runtime;

/// Time limit for a program to end once its pipe is closed or it was told to.
const END_WITHIN: Duration = Duration::from_millis(500);

/// One ordered byte pipe in each direction.
pub(crate) struct Transport {
    pub(crate) reader: Reader,
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

/// The reading half of a pipe.
pub(crate) enum Reader {
    Pipe(Pipe),
    /// A stream of an agent.
    Stream(StreamReader),
}

/// The writing half of a pipe.
pub(crate) enum Writer {
    Pipe(Pipe),
    /// A stream of an agent, which can insert blobs that it holds.
    Stream(StreamWriter),
}

/// The process at this end of a pipe. Dropping this ends the process.
pub(crate) enum Ending {
    /// A child of this program.
    Child(ChildGroup),
    /// A process on another machine.
    Remote(ProcessHandle),
}

/// A child, with the process group that it leads. Dropping this ends the group.
pub(crate) struct ChildGroup {
    child: Option<Child>,
    /// False if the child is in the group of this program, and stands for itself alone.
    leads: bool,
}

impl ChildGroup {
    pub(crate) fn new(child: Child) -> Self {
        Self {
            child: Some(child),
            leads: true,
        }
    }

    /// Creates the group of a child that leads none.
    pub(crate) fn of_one(child: Child) -> Self {
        Self {
            child: Some(child),
            leads: false,
        }
    }

    /// Creates the group of a child that has ended.
    #[cfg(test)]
    pub(crate) fn ended() -> Self {
        Self {
            child: None,
            leads: true,
        }
    }

    /// Waits for the child, no longer than `within`; returns its exit status if it ended. Other
    /// processes of its group may live on.
    async fn exit(&mut self, within: Duration) -> Option<ExitStatus> {
        tokio::time::timeout(within, self.child.as_mut()?.wait())
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
        self.child = None;
    }

    /// Leaves the group to itself, if it does not end soon.
    async fn leave(mut self) {
        self.exit(END_WITHIN).await;
        if let Some(mut child) = self.child.take() {
            // Dropping it kills it.
            runtime::spawn(async move { runtime::timeout(MAX_LINGER, child.wait()).await.is_ok() });
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self
            .child
            .as_ref()
            .and_then(Child::id)
            .and_then(|id| Pid::from_raw(id.cast_signed()))
        {
            // This fails if the process runs as another account by now, as sudo does. Then the end
            // of its stdin has to do.
            let _ = if self.leads {
                kill_process_group(pid, signal)
            } else {
                kill_process(pid, signal)
            };
        }
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        if let Some(child) = self.child.take().filter(|child| child.id().is_some()) {
            let group = Self {
                child: Some(child),
                leads: self.leads,
            };
            group.signal(Signal::TERM);
            runtime::spawn(group.end());
        }
    }
}

impl Transport {
    /// Ends the process at this end, gently at first; within two seconds. If the agent `lingers`, the
    /// process ends by itself.
    pub(crate) async fn end(self, lingers: bool) {
        let Self {
            writer,
            process,
            reader,
            hop,
            ..
        } = self;
        drop((writer, reader));
        match process {
            Ending::Child(group) if lingers => group.leave().await,
            Ending::Child(group) => group.end().await,
            Ending::Remote(mut process) => {
                let _ = tokio::time::timeout(END_WITHIN, process.ended()).await;
            }
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
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Pipe(pipe) => Pin::new(pipe).poll_read(context, buffer),
            Self::Stream(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl Writer {
    /// Has the agent at the start of the pipe insert a part of a blob that it holds.
    pub(crate) async fn splice(&mut self, mut splice: Splice) -> io::Result<()> {
        while splice.length > 0 {
            poll_fn(|context| self.poll_splice(context, &mut splice)).await?;
        }
        Ok(())
    }

    /// Has it insert as much as there is credit for, and takes that off `splice`.
    pub(crate) fn poll_splice(
        &mut self,
        context: &mut Context<'_>,
        splice: &mut Splice,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Pipe(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Stream(stream) => stream.poll_splice(context, splice),
        }
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match self {
            Self::Pipe(pipe) => Pin::new(pipe),
            Self::Stream(stream) => Pin::new(stream),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(context)
    }
}
