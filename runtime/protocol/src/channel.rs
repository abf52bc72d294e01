//! What is said to who uses a channel that is over: the same in a program and in a task, which differ in why it is.

use core::fmt;

/// An item could not be sent, as nobody receives it.
#[derive(Clone)]
pub struct SendError<T, E> {
    /// The item.
    pub item: T,
    /// Why.
    pub end: E,
}

impl<T, E: fmt::Debug> fmt::Debug for SendError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("end", &self.end).finish_non_exhaustive()
    }
}

impl<T, E: fmt::Display> fmt::Display for SendError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end.fmt(f)
    }
}

impl<T, E: fmt::Debug + fmt::Display> core::error::Error for SendError<T, E> {}

/// No item was received.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError<E> {
    /// The channel is over, and its last item was taken.
    Ended(E),
    /// Nothing came in time.
    Timeout,
}

impl<E: fmt::Display> fmt::Display for RecvError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => end.fmt(f),
            Self::Timeout => f.write_str("nothing was received in time"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for RecvError<E> {}
