//! Events of the agent's end.

use bytes::Bytes;

use crate::{
    CallId, Digest, InstanceId,
    ids::{AskId, StreamId},
    wire::call::CallRequest,
    wire::stream::{Command, ProcessStreams, Service, Splice, WindowSize},
};

/// Messages from the controller, for the agent to act on.
#[derive(Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "most are calls; where pointers are short it is none"
)]
#[non_exhaustive]
pub enum AgentEvent {
    /// A call to run. It stays open until
    /// [`AgentConnection::finish`](crate::AgentConnection::finish).
    Call {
        /// Its number.
        id: CallId,
        /// The call, with its complete input. The streams of a program stay open until
        /// [`AgentConnection::end_stream`](crate::AgentConnection::end_stream); those of a task
        /// until then, or until the call is finished.
        request: CallRequest,
    },
    /// An artifact that the agent asked for, or that the first call of it brought along. Its bytes
    /// match its digest.
    Module {
        /// The artifact's digest.
        digest: Digest,
        /// The whole artifact.
        bytes: Bytes,
    },
    /// An artifact that the agent asked for arrived damaged: a hop may hold a bad copy. If it is
    /// still wanted, ask again to get the controller's own copy.
    DamagedModule {
        /// The artifact's digest.
        digest: Digest,
    },
    /// The controller cannot supply an artifact that the agent asked for.
    NoModule {
        /// The artifact's digest.
        digest: Digest,
        /// The reason.
        reason: String,
    },
    /// The controller no longer wants an open call: end the call, then finish it as cancelled.
    Cancel {
        /// The call.
        id: CallId,
    },
    /// The controller no longer wants a resident instance: end it.
    DropInstance {
        /// The instance.
        instance: InstanceId,
    },
    /// The answer to an ask whose call is still open.
    Answer {
        /// The ask.
        ask: AskId,
        /// The encoded value of the task that was called, or the encoded
        /// [`CallErrorKind`](crate::CallErrorKind) if there is none.
        outcome: Result<Bytes, Bytes>,
    },
    /// A service to run at this end of a new stream.
    Open {
        /// The stream.
        id: StreamId,
        /// The service.
        service: Service,
    },
    /// A process to start. Its streams stay open until
    /// [`AgentConnection::end_stream`](crate::AgentConnection::end_stream).
    Start {
        /// Its streams.
        streams: ProcessStreams,
        /// The program and its surroundings.
        command: Command,
    },
    /// A process and its process group must get a signal.
    Signal {
        /// The stream of its stdin and stdout.
        id: StreamId,
        /// The signal's number, unchecked.
        signal: i32,
    },
    /// A process' terminal has a new size.
    Resize {
        /// The stream that is the terminal's other side.
        id: StreamId,
        /// Its new size.
        size: WindowSize,
    },
    /// Bytes arrived on a stream.
    Data {
        /// The stream.
        id: StreamId,
        /// The bytes. [`AgentConnection::taken`](crate::AgentConnection::taken) makes room for
        /// more.
        bytes: Bytes,
    },
    /// Treat a part of a blob held here as if it had arrived on the stream.
    Splice {
        /// The stream.
        id: StreamId,
        /// The part.
        splice: Splice,
    },
    /// The controller takes `bytes` more of a stream.
    Credit {
        /// The stream.
        id: StreamId,
        /// The additional number of bytes.
        bytes: u64,
    },
    /// Nothing more arrives on a stream.
    Finished {
        /// The stream.
        id: StreamId,
    },
    /// The controller closed a stream: the process or service behind it is no longer wanted.
    StreamClosed {
        /// The stream.
        id: StreamId,
    },
    /// The controller asks whether this agent holds a blob, or is itself that blob. Answer with
    /// [`AgentConnection::answer_blob`](crate::AgentConnection::answer_blob).
    AskBlob {
        /// The blob's digest.
        digest: Digest,
    },
    /// A blob to hold; its bytes match its digest. Tell with
    /// [`AgentConnection::answer_blob`](crate::AgentConnection::answer_blob) whether it is held.
    Blob {
        /// The blob's digest.
        digest: Digest,
        /// The whole blob.
        bytes: Bytes,
    },
    /// The controller asks what place the agent runs in. Answer with
    /// [`AgentConnection::description`](crate::AgentConnection::description).
    Describe,
    /// The controller asks for nothing more: let open calls return, then call
    /// [`AgentConnection::close`](crate::AgentConnection::close).
    Closing,
}
