//! Errors of a channel that has ended. Programs and tasks share them; only the reason `E` differs.

use core::fmt;

/// An item could not be sent, because the receiver is gone.
#[derive(Clone)]
pub struct SendError<T, E> {
    /// The item.
    pub item: T,
    /// The reason.
    pub end: E,
}

impl<T, E: fmt::Debug> fmt::Debug for SendError<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("end", &self.end)
            .finish_non_exhaustive()
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
    /// The channel has ended, and its last item was taken.
    Ended(E),
    /// No item came in time.
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
