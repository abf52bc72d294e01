//! Why channels end, and what is said to who goes on using them.

use std::fmt;

use crate::error::CallError;

/// Why a channel is over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// The other end was closed or dropped.
    Closed,
    /// The call that had the other end returned.
    Returned,
    /// The call that had the other end failed: the task panicked, its host was lost, its deadline passed.
    Failed(Box<CallError>),
    /// The call that had the other end was dropped.
    Cancelled,
}

impl ChannelEnd {
    /// Whether it is no failure.
    pub fn is_regular(&self) -> bool {
        matches!(self, Self::Closed | Self::Returned)
    }
}

impl fmt::Display for ChannelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other end of the channel was closed"),
            Self::Returned => f.write_str("the task at the other end of the channel returned"),
            Self::Failed(error) => write!(f, "the call at the other end of the channel failed: {error}"),
            Self::Cancelled => f.write_str("the call at the other end of the channel was dropped"),
        }
    }
}

impl std::error::Error for ChannelEnd {}

/// An item could not be sent, as nobody receives it.
#[derive(Clone)]
pub struct SendError<T> {
    /// The item.
    pub item: T,
    /// Why.
    pub end: ChannelEnd,
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("end", &self.end).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end.fmt(f)
    }
}

impl<T> std::error::Error for SendError<T> {}

/// No item was received.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RecvError {
    /// The channel is over, and its last item was taken.
    Ended(ChannelEnd),
    /// Nothing came in time.
    Timeout,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => end.fmt(f),
            Self::Timeout => f.write_str("nothing was received in time"),
        }
    }
}

impl std::error::Error for RecvError {}
