//! Reasons why channels end, and the errors of further use.

use std::fmt;

use crate::error::CallError;

/// The reason why a channel is over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// The other end was closed or dropped.
    Closed,
    /// The call that had the other end returned.
    Returned,
    /// The call that had the other end failed: the task panicked, its host was lost, its deadline
    /// passed.
    Failed(Box<CallError>),
    /// The call that had the other end was dropped.
    Cancelled,
}

impl ChannelEnd {
    /// Returns true if it is no failure.
    pub fn is_regular(&self) -> bool {
        matches!(self, Self::Closed | Self::Returned)
    }
}

impl fmt::Display for ChannelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other end of the channel was closed"),
            Self::Returned => f.write_str("the task at the other end of the channel returned"),
            Self::Failed(error) => write!(
                f,
                "the call at the other end of the channel failed: {error}"
            ),
            Self::Cancelled => f.write_str("the call at the other end of the channel was dropped"),
        }
    }
}

impl std::error::Error for ChannelEnd {}

/// An item could not be sent, because the receiver is gone.
pub type SendError<T> = wxec_protocol::SendError<T, ChannelEnd>;

/// No item was received.
pub type RecvError = wxec_protocol::RecvError<ChannelEnd>;
