//! The messages between the two ends. Payloads are borrowed, so that they are copied only once, to
//! their destination.

use serde::{Deserialize, Serialize};

use crate::{
    AskId, CallId, Digest, Fault, InstanceId, LogLevel, OutputStream, Target,
    ids::StreamId,
    wire::call::CallRequest,
    wire::stream::{Command, ProcessStreams, Service, StreamEnd, WindowSize},
};

/// Largest artifact. Python compiled to wasm, the largest guest seen, takes 33 MB.
pub const MAX_MODULE_BYTES: u64 = 256 << 20;

/// Resources that a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in the sandbox, in microseconds.
    pub wall_us: u64,
    /// Bytes of output beyond [`Limits::stdio_bytes`](crate::Limits::stdio_bytes), which were dropped; the sum over all
    /// streams.
    pub dropped_bytes: u64,
    /// Fuel used. `None` if fuel was not counted, or if the call was ended from outside, such as at
    /// its deadline.
    pub fuel: Option<u64>,
}

/// An agent's description of the place it runs in, for people who look for a fault there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Process id of the agent.
    pub pid: u32,
    /// User id of the account it runs as.
    pub uid: u32,
    /// Processors that it may use.
    pub cpus: u32,
    /// Memory that it may use, in bytes: the smaller of the machine's memory and the container's
    /// limit.
    pub memory_bytes: Option<u64>,
    /// Address space that it may use, in bytes.
    pub address_space_bytes: Option<u64>,
    /// Files that it may have open at once.
    pub open_files: Option<u64>,
    /// Processes that its account may have.
    pub processes: Option<u64>,
    /// Features that the agent had to do without, in sentences.
    pub notes: Vec<String>,
}

impl Description {
    /// A description of the process alone.
    pub fn new(pid: u32, uid: u32) -> Self {
        Self {
            pid,
            uid,
            ..Self::default()
        }
    }
}

/// Controller to agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "they are written and read where they stand, and never kept"
)]
pub(crate) enum ToAgent<'a> {
    /// First message: the sender's build.
    Hello { build: &'a str },
    /// Run a function or a program. `input` is the first part of an input of `input_length` bytes.
    /// If `brings_module`, the artifact follows, and the agent need not ask for it.
    Call {
        id: CallId,
        request: CallRequest,
        brings_module: bool,
        input_length: u64,
        #[serde(borrow, with = "serde_bytes")]
        input: &'a [u8],
    },
    /// The next part of a call's input.
    Input {
        id: CallId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The next part of an artifact that the agent asked for, that a call brings, or that comes
    /// before its call; `length` is that of the whole artifact.
    Module {
        digest: Digest,
        length: u64,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The controller cannot supply the artifact that the agent asked for.
    NoModule { digest: Digest, reason: &'a str },
    /// The result of a call is no longer wanted.
    Cancel { id: CallId },
    /// A resident instance is no longer wanted.
    DropInstance { instance: InstanceId },
    /// The controller has taken guests' output and log records that cost `bytes`: the agent may
    /// send as much more.
    OutputCredit { bytes: u64 },
    /// The result of a task that a guest called on another host.
    Answer { ask: AskId, outcome: Answered<'a> },
    /// Start a process; these are its streams.
    Start {
        streams: ProcessStreams,
        command: Command,
    },
    /// Open a new stream and run this service at the agent's end of it.
    Open { id: StreamId, service: Service },
    /// Send a signal to the process whose stdin and stdout this stream carries, and to its process
    /// group.
    Signal { id: StreamId, signal: i32 },
    /// The terminal behind this stream has a new size.
    Resize { id: StreamId, size: WindowSize },
    /// The next bytes of a stream.
    Data {
        id: StreamId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The next bytes of a stream are a part of a blob that the agent holds.
    Splice {
        id: StreamId,
        blob: Digest,
        offset: u64,
        length: u64,
    },
    /// The controller has taken `bytes` of a stream: the agent may send as many more.
    Credit { id: StreamId, bytes: u64 },
    /// The controller sends nothing more on a stream.
    Finish { id: StreamId },
    /// A stream is closed, in both directions.
    Close { id: StreamId },
    /// Asks whether the agent holds this blob, or is itself this blob.
    AskBlob { digest: Digest },
    /// The next part of a blob to hold; `length` is that of the whole blob.
    Blob {
        digest: Digest,
        length: u64,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// Asks for a [`Description`] of the place the agent runs in.
    Describe,
    /// Asks for a sign of life.
    Ping,
    /// The controller asks for nothing more: return the calls that are running, say `Bye` and exit.
    Bye,
    /// The artifact of a later call follows.
    Bring { digest: Digest },
}

/// Agent to controller.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToController<'a> {
    /// First message: the sender's build, and the target it runs on.
    Hello { build: &'a str, target: Target },
    /// Asks for this artifact.
    Need { module: Digest },
    /// A guest printed something.
    Output {
        id: CallId,
        stream: OutputStream,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// A guest logged something.
    Log {
        id: CallId,
        level: LogLevel,
        target: &'a str,
        message: &'a str,
    },
    /// A guest calls a task on another host: call it, and answer. The ask is void when the guest's
    /// own call ends.
    Ask {
        call: CallId,
        ask: AskId,
        address: &'a str,
        function: &'a str,
        deadline_ms: Option<u64>,
        #[serde(borrow, with = "serde_bytes")]
        input: &'a [u8],
    },
    /// A part of a result that does not fit into `Return`.
    Result {
        id: CallId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The last part of a call's result, or the reason why there is none. This is the last message
    /// about the call.
    Return {
        id: CallId,
        outcome: Outcome<'a>,
        usage: Usage,
    },
    /// The next bytes of a stream.
    Data {
        id: StreamId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The agent has taken `bytes` of a stream: the controller may send as many more.
    Credit { id: StreamId, bytes: u64 },
    /// The agent sends nothing more on a stream.
    Finish { id: StreamId },
    /// A stream is closed, in both directions.
    Close { id: StreamId, end: StreamEnd },
    /// Tells whether the agent holds a blob that the controller asked about or sent.
    Blob { digest: Digest, held: bool },
    /// Describes the place the agent runs in.
    Description(Description),
    /// Answers `Ping`.
    Pong,
    /// Everything is answered; the agent exits.
    Bye,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome<'a> {
    Done(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    Failed(Fault),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answered<'a> {
    Done(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    /// The CBOR of a [`CallErrorKind`](crate::CallErrorKind). The agent passes it on as it is.
    Failed(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
}
