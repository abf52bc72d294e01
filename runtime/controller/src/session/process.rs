//! Processes and programs on the host, as far as their streams go.

use serde_bytes::ByteBuf;
use tokio::sync::oneshot;
use wxec_protocol::{ProcessStreams, StreamEnd, StreamId, WindowSize};

use super::{
    call::CallHandle,
    command::{StreamCommand, StreamCommands},
    loss::Loss,
    stream::{StreamReader, StreamWriter},
};

/// A process on the host, as far as its streams go. Dropping its handle ends the process.
pub(crate) struct Process {
    pub(crate) reader: StreamReader,
    pub(crate) writer: StreamWriter,
    pub(crate) stderr: StreamReader,
    pub(crate) terminal: Option<(StreamReader, StreamWriter)>,
    pub(crate) handle: ProcessHandle,
}

/// Ends a process when it is dropped, and reports how the process ended.
pub(crate) struct ProcessHandle {
    pub(super) streams: ProcessStreams,
    pub(super) commands: StreamCommands,
    pub(super) ended: Option<oneshot::Receiver<Result<StreamEnd, Loss>>>,
    /// The end of its stderr, which the agent reports before the end of the process.
    pub(super) stderr_ended: oneshot::Receiver<Result<StreamEnd, Loss>>,
}

impl ProcessHandle {
    /// Returns true if the rest of its output was not read, because other processes hold it open.
    /// Known once the process has ended.
    pub(crate) fn is_output_held(&mut self) -> bool {
        matches!(self.stderr_ended.try_recv(), Ok(Ok(StreamEnd::Held)))
    }

    /// Waits until the process ends, and returns how.
    pub(crate) async fn ended(&mut self) -> Result<StreamEnd, Loss> {
        match self.ended.take() {
            Some(ended) => ended.await.unwrap_or_else(|_| Err(Loss::after_the_end())),
            None => Err(Loss::after_the_end()),
        }
    }

    pub(crate) fn signals(&self) -> Signals {
        Signals {
            id: self.streams.stdio,
            commands: self.commands.clone(),
        }
    }
}

impl Drop for ProcessHandle {
    fn drop(&mut self) {
        let ProcessStreams {
            stdio,
            stderr,
            terminal,
        } = self.streams;
        for id in [Some(stdio), Some(stderr), terminal].into_iter().flatten() {
            self.commands.send(StreamCommand::Close { id });
        }
    }
}

/// Sends signals and terminal sizes to a process, without keeping the process running.
#[derive(Clone)]
pub(crate) struct Signals {
    id: StreamId,
    commands: StreamCommands,
}

impl Signals {
    pub(crate) fn signal(&self, signal: i32) {
        self.commands.send(StreamCommand::Signal {
            id: self.id,
            signal,
        });
    }

    pub(crate) fn resize(&self, size: WindowSize) {
        self.commands
            .send(StreamCommand::Resize { id: self.id, size });
    }
}

/// A program's arguments and environment.
pub(crate) struct ProgramCommand {
    pub(crate) arguments: Vec<ByteBuf>,
    pub(crate) environment: Vec<(ByteBuf, ByteBuf)>,
}

/// A program under way. Dropping its `call` ends it.
pub(crate) struct RunningProgram {
    pub(crate) call: CallHandle,
    pub(crate) reader: StreamReader,
    pub(crate) writer: StreamWriter,
    pub(crate) stderr: StreamReader,
}
