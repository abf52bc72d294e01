//! What the two ends say to each other. Payloads are borrowed: they are copied once, to where they belong.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    AskError, AskId, Digest, Fault, Grants, Limits, LogLevel, OutputStream, Target,
    stream::{Command, ProcessStreams, Service, StreamEnd, StreamId, WindowSize},
};

/// An artifact may not be longer. Python compiled to wasm, the largest guest seen, takes 33 MB.
pub const MAX_MODULE_BYTES: u64 = 256 << 20;

/// The number of a call in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub(crate) u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a resident instance, which the controller gives it: no other of its session has it, before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceId(pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a call begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Entry {
    /// A task, by its name, such as `words::stats::lengths`.
    Function(String),
    /// A task in an instance that stays, and keeps what is in its memory for the next call. The first call makes it, with
    /// that call's grants and its limit on memory. Calls of one instance run one after another.
    Resident {
        /// Which instance.
        instance: InstanceId,
        /// The task.
        function: String,
    },
    /// A program: its `_start`, with stdin, stdout and stderr on streams. What the call returns is its exit code.
    Command {
        /// Its arguments, the first of which is its own name.
        arguments: Vec<ByteBuf>,
        /// Its environment, beside the variables it is granted.
        environment: Vec<(ByteBuf, ByteBuf)>,
        /// Its stdin and stdout, and its stderr. It has no terminal.
        streams: ProcessStreams,
    },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function(name) | Self::Resident { function: name, .. } => name,
            Self::Command { .. } => "_start",
        })
    }
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in the sandbox, in microseconds.
    pub wall_us: u64,
    /// Bytes of output beyond [`Limits::stdio_bytes`], all streams together, which were dropped.
    pub dropped_bytes: u64,
    /// Fuel, if it was counted and the call was not ended from outside, as at its deadline.
    pub fuel: Option<u64>,
}

/// What an agent tells of the place it runs in, for people who look for what is wrong there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// Number of its process.
    pub pid: u32,
    /// Number of the account it runs as.
    pub uid: u32,
    /// Processors it may use.
    pub cpus: u32,
    /// Memory it may use, in bytes: the least of what the machine has and what a container allows.
    pub memory_bytes: Option<u64>,
    /// Address space it may use, in bytes.
    pub address_space_bytes: Option<u64>,
    /// Files it may have open at once.
    pub open_files: Option<u64>,
    /// Processes its account may have.
    pub processes: Option<u64>,
    /// What it had to do without, in sentences.
    pub notes: Vec<String>,
}

impl Description {
    /// Nothing known but the process itself.
    pub fn new(pid: u32, uid: u32) -> Self {
        Self { pid, uid, ..Self::default() }
    }
}

/// Controller to agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "they are written and read where they stand, and never kept")]
pub(crate) enum ToAgent<'a> {
    /// First message: the sender's build.
    Hello { build: &'a str },
    /// Run a function or a program. `streams` are for what a task sends and receives; `input` is the first part of an
    /// input of `input_length` bytes.
    Call {
        id: CallId,
        module: Digest,
        entry: Entry,
        limits: Limits,
        grants: Grants,
        seed: Option<u64>,
        streams: Vec<StreamId>,
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
    /// The next part of an artifact the agent asked for; `length` is the whole artifact's.
    Module {
        digest: Digest,
        length: u64,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The artifact the agent asked for is not to be had.
    NoModule { digest: Digest, reason: &'a str },
    /// The result of a call is no longer wanted.
    Cancel { id: CallId },
    /// A resident instance is no longer wanted.
    DropInstance { instance: InstanceId },
    /// So much of what guests print and log was taken: as much more may be sent.
    OutputCredit { bytes: u64 },
    /// What a task returned that a guest called on another host.
    Answer { ask: AskId, outcome: Answered<'a> },
    /// Start a process; these are its streams.
    Start { streams: ProcessStreams, command: Command },
    /// Do this at your end of a new stream.
    Open { id: StreamId, service: Service },
    /// Send a signal to the process whose stdin and stdout this is, and to its group.
    Signal { id: StreamId, signal: i32 },
    /// The terminal whose other side this is has another size.
    Resize { id: StreamId, size: WindowSize },
    /// The next bytes of a stream.
    Data {
        id: StreamId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The next bytes of a stream are a part of a blob the agent holds.
    Splice { id: StreamId, blob: Digest, offset: u64, length: u64 },
    /// So much of a stream was taken: as much more may be sent.
    Credit { id: StreamId, bytes: u64 },
    /// Nothing more will be sent on a stream.
    Finish { id: StreamId },
    /// A stream is over, in both directions.
    Close { id: StreamId },
    /// Do you hold this blob, or are you it?
    AskBlob { digest: Digest },
    /// The next part of a blob to hold; `length` is the whole blob's.
    Blob {
        digest: Digest,
        length: u64,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// What sort of place are you in?
    Describe,
    /// Are you there?
    Ping,
    /// Nothing more will be asked: answer what is running, say `Bye` and exit.
    Bye,
}

/// Agent to controller.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToController<'a> {
    /// First message: the sender's build and what it runs on.
    Hello { build: &'a str, target: Target },
    /// Send me this artifact.
    Need { module: Digest },
    /// A guest wrote something.
    Output {
        id: CallId,
        stream: OutputStream,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// A guest logged something.
    Log { id: CallId, level: LogLevel, target: &'a str, message: &'a str },
    /// A guest calls a task on another host: call it, and answer. The end of the guest's own call takes it back.
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
    /// The last part of a call's result, or why there is none. Nothing about this call follows.
    Return { id: CallId, outcome: Outcome<'a>, usage: Usage },
    /// The next bytes of a stream.
    Data {
        id: StreamId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// So much of a stream was taken: as much more may be sent.
    Credit { id: StreamId, bytes: u64 },
    /// Nothing more will be sent on a stream.
    Finish { id: StreamId },
    /// A stream is over, in both directions.
    Close { id: StreamId, end: StreamEnd },
    /// Whether a blob that was asked for or sent is held.
    Blob { digest: Digest, held: bool },
    /// What sort of place this is.
    Description(Description),
    /// I am here.
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
    Failed(AskError),
}
