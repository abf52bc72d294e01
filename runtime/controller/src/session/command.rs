//! Commands to the driver.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_protocol::{
    AskId, CallErrorKind, Command as ProcessCommand, Description, Digest, InstanceId, Service,
    Splice, StreamId, WindowSize, abi::TaskFailure,
};

use super::{
    call::NewCall,
    process::{Process, ProgramCommand},
    stream::{StreamHandle, StreamReader, StreamWriter},
    task_stream::TaskStream,
};

/// A command to the driver.
pub(super) enum Command {
    Call {
        call: NewCall,
        /// The number of its streams, and the sender that delivers them to the caller.
        streams: Option<(usize, oneshot::Sender<Vec<TaskStream>>)>,
    },
    Answer {
        ask: AskId,
        outcome: Result<Bytes, CallErrorKind<TaskFailure>>,
    },
    Run {
        call: NewCall,
        command: ProgramCommand,
        started: oneshot::Sender<(StreamReader, StreamWriter, StreamReader)>,
    },
    Cancel {
        key: u64,
    },
    OutputTaken {
        cost: u64,
    },
    DropInstance {
        instance: InstanceId,
    },
    Provide {
        module: Digest,
        from: Source,
    },
    Start {
        command: ProcessCommand,
        terminal: bool,
        started: oneshot::Sender<Process>,
    },
    Open {
        service: Service,
        opened: oneshot::Sender<(StreamReader, StreamWriter, StreamHandle)>,
    },
    Stream(StreamCommand),
    AskBlob {
        digest: Digest,
        answer: oneshot::Sender<bool>,
    },
    SendBlob {
        digest: Digest,
        blob: Bytes,
        answer: oneshot::Sender<bool>,
    },
    Describe {
        answer: oneshot::Sender<Description>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// The end that sends an artifact to the agent.
pub(super) enum Source {
    Here(Bytes),
    /// The agent of the hop before it, which holds this many bytes of the artifact.
    Hop(u64),
}

/// Commands of a stream's reader and writer to the driver.
pub(crate) enum StreamCommand {
    Data {
        id: StreamId,
        bytes: Bytes,
    },
    Splice {
        id: StreamId,
        splice: Splice,
    },
    /// Tells the sender once nothing that the stream sends waits here any more.
    Left {
        id: StreamId,
        done: oneshot::Sender<()>,
    },
    Finish {
        id: StreamId,
    },
    Taken {
        id: StreamId,
        bytes: u64,
    },
    Signal {
        id: StreamId,
        signal: i32,
    },
    Resize {
        id: StreamId,
        size: WindowSize,
    },
    Close {
        id: StreamId,
    },
}

/// Sends [`StreamCommand`]s to the driver, without keeping the session open.
#[derive(Clone)]
pub(crate) struct StreamCommands(pub(super) mpsc::WeakUnboundedSender<Command>);

impl StreamCommands {
    pub(crate) fn send(&self, command: StreamCommand) {
        if let Some(commands) = self.0.upgrade() {
            // A driver that is gone has closed all streams.
            let _ = commands.send(Command::Stream(command));
        }
    }
}
