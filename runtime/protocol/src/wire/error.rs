//! The other end broke a rule of the protocol: fatal for the session.

use crate::{
    digest::Digest,
    ids::{AskId, CallId, StreamId},
    wire::bounds::{MAX_ASKS, MAX_CALL_STREAMS, MAX_FRAME_BYTES, MAX_WIDE_STREAMS},
};

/// The other end broke a rule of the protocol. Its later messages cannot be trusted, so the session
/// ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame announces more than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes, more than the {MAX_FRAME_BYTES} allowed")]
    FrameTooLong(usize),
    /// A frame holds no valid message.
    #[error("a frame that is no message")]
    Malformed,
    /// The first message is not `Hello`, or a later one is.
    #[error("no greeting where one belongs")]
    Greeting,
    /// The other end is another build.
    #[error("the other end is build {theirs}, this one is {ours}")]
    OtherBuild {
        /// The build of this end.
        ours: &'static str,
        /// The build that the other end named.
        theirs: String,
    },
    /// A message about a call that was never made, or has returned.
    #[error("a message about call {0}, which is not open")]
    UnknownCall(CallId),
    /// A call's number was used before.
    #[error("call {0} was made twice")]
    DuplicateCall(CallId),
    /// An ask's number is not the next one.
    #[error("ask {0} out of turn")]
    UnexpectedAsk(AskId),
    /// An answer to an ask that was never made.
    #[error("an answer to ask {0}, which was never made")]
    UnknownAsk(AskId),
    /// A call has too many asks open.
    #[error("call {0} has more than {MAX_ASKS} asks open")]
    TooManyAsks(CallId),
    /// A call asks for a host that it was not granted; its agent should have refused.
    #[error("call {0} asks for a host it was not granted")]
    HostNotGranted(CallId),
    /// A message about a stream that was never opened, or a new one with a number used before.
    #[error("a message about stream {0}, which was never opened")]
    UnknownStream(StreamId),
    /// A call has too many streams.
    #[error("a call with {0} streams, more than the {MAX_CALL_STREAMS} allowed")]
    TooManyStreams(usize),
    /// Something was sent on a stream after its end.
    #[error("something on stream {0} after its end")]
    StreamFinished(StreamId),
    /// A message about a blob that the controller neither asked about nor sent.
    #[error("a message about blob {0}, which was not asked about")]
    UnexpectedBlob(Digest),
    /// The agent asks for, or is sent, an artifact that no open call needs.
    #[error("artifact {0} is not needed by any open call")]
    UnexpectedModule(Digest),
    /// The agent asks again and again for an artifact it was sent.
    #[error("artifact {0} was asked for too often")]
    ModuleAskedTooOften(Digest),
    /// An artifact's bytes do not match its digest.
    #[error("artifact {0} arrived with other bytes")]
    WrongDigest(Digest),
    /// Too many streams are wide.
    #[error("more than {MAX_WIDE_STREAMS} wide streams")]
    TooManyWideStreams,
    /// An artifact, input, result or output is longer than was announced or allowed.
    #[error("{what} is longer than the {limit} bytes allowed")]
    TooLong {
        /// The thing that is too long.
        what: &'static str,
        /// The announced or allowed number of bytes.
        limit: u64,
    },
}
