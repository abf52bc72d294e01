//! Events of calls for the event loop, in order for each call.

use bytes::Bytes;
use tokio::sync::oneshot;
use wxec_engine::Completion;
use wxec_protocol::{Ask, CallId, LogLevel, OutputStream};

/// Delivers the outcome of an ask to the guest that waits for it.
pub(crate) type Answer = oneshot::Sender<Result<Bytes, Bytes>>;

/// An event of a call.
pub(crate) enum CallEvent {
    Output {
        id: CallId,
        stream: OutputStream,
        bytes: Vec<u8>,
    },
    Log {
        id: CallId,
        level: LogLevel,
        target: String,
        message: String,
    },
    Ask {
        id: CallId,
        question: Ask,
        answer: Answer,
    },
    Done {
        id: CallId,
        completion: Completion,
    },
}

impl CallEvent {
    /// Returns the call that the event belongs to.
    pub(crate) fn call(&self) -> CallId {
        match self {
            Self::Output { id, .. }
            | Self::Log { id, .. }
            | Self::Ask { id, .. }
            | Self::Done { id, .. } => *id,
        }
    }
}
