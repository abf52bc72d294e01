//! Events of the controller's end.

use bytes::Bytes;

use crate::{
    CallId, Description, Digest, Fault, LogLevel, OutputStream, Target, Usage,
    ids::{AskId, StreamId},
    wire::ask::Ask,
    wire::stream::StreamEnd,
};

/// Messages from the agent, for the controller to act on.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControllerEvent {
    /// The agent is up.
    Ready {
        /// The target it runs on.
        target: Target,
    },
    /// The agent lacks an artifact: answer with
    /// [`ControllerConnection::provide`](crate::ControllerConnection::provide) or `refuse`.
    Need {
        /// The artifact. An open call names it.
        module: Digest,
        /// True if the agent asked for it before, or a call brought it: that copy was of no use, or
        /// the agent dropped it.
        again: bool,
    },
    /// The guest of an open call printed something.
    /// [`ControllerConnection::output_taken`](crate::ControllerConnection::output_taken) makes
    /// room for more.
    Output {
        /// The call.
        id: CallId,
        /// The stream it was written to.
        stream: OutputStream,
        /// The bytes, at most [`CHUNK_BYTES`](crate::CHUNK_BYTES).
        bytes: Bytes,
    },
    /// The guest of an open call logged something.
    /// [`ControllerConnection::output_taken`](crate::ControllerConnection::output_taken) makes
    /// room for more.
    Log {
        /// The call.
        id: CallId,
        /// Its severity.
        level: LogLevel,
        /// Its subject.
        target: String,
        /// Its text.
        message: String,
    },
    /// The guest of an open call calls a task on another host, which it was granted: answer with
    /// [`ControllerConnection::answer`](crate::ControllerConnection::answer), unless the call ends
    /// before.
    Ask {
        /// The guest's own call.
        call: CallId,
        /// The number to use in the answer.
        ask: AskId,
        /// The task to call.
        question: Ask,
    },
    /// A call ended. Cancelled calls produce no such event.
    Returned {
        /// The call.
        id: CallId,
        /// Its encoded value, or the reason why there is none.
        outcome: Result<Bytes, Fault>,
        /// Resources that it used.
        usage: Usage,
    },
    /// Bytes arrived on a stream.
    Data {
        /// The stream.
        id: StreamId,
        /// The bytes. [`ControllerConnection::taken`](crate::ControllerConnection::taken) makes
        /// room for more.
        bytes: Bytes,
    },
    /// Nothing more arrives on a stream; the agent may still take data.
    Finished {
        /// The stream.
        id: StreamId,
    },
    /// The agent takes `bytes` more of a stream.
    Credit {
        /// The stream.
        id: StreamId,
        /// The additional number of bytes.
        bytes: u64,
    },
    /// A stream is closed.
    StreamClosed {
        /// The stream.
        id: StreamId,
        /// The reason.
        end: StreamEnd,
    },
    /// The agent tells whether it holds a blob that it was asked about or sent.
    Blob {
        /// The blob's digest.
        digest: Digest,
        /// True if [`ControllerConnection::splice`](crate::ControllerConnection::splice) may name
        /// the blob.
        held: bool,
    },
    /// The agent describes the place it runs in.
    Description(Description),
    /// The agent gave a sign of life.
    Pong,
    /// The agent answered everything and exits.
    Closed,
}
