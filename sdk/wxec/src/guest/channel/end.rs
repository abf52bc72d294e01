//! The reasons why a channel is over, and the errors that hold them.

use std::{
    fmt,
    io::{self, ErrorKind},
};

/// The reason why a channel is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// The other end was closed or dropped.
    Closed,
    /// The channel cannot be used any more, for this reason.
    Broken(String),
}

impl ChannelEnd {
    /// Returns true if the end is no failure.
    pub fn is_regular(&self) -> bool {
        *self == Self::Closed
    }
}

impl fmt::Display for ChannelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other end of the channel was closed"),
            Self::Broken(reason) => write!(f, "the channel is broken: {reason}"),
        }
    }
}

impl std::error::Error for ChannelEnd {}

/// An item could not be sent, because the receiver is gone or the channel is broken.
pub type SendError<T> = wxec_protocol::SendError<T, ChannelEnd>;

/// No item was received.
pub type RecvError = wxec_protocol::RecvError<ChannelEnd>;

/// Returns the end that a failed write to the caller stands for.
pub(super) fn of_write(error: &io::Error) -> ChannelEnd {
    match error.kind() {
        ErrorKind::BrokenPipe => ChannelEnd::Closed,
        _ => ChannelEnd::Broken(error.to_string()),
    }
}
