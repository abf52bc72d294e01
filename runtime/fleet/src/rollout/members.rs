//! The hosts of a run, and the state of each.

use std::sync::Arc;

use super::ending::Ending;

/// A host of a run.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Arc<str>,
    /// The number of the hop before it, if it has one.
    pub(super) hop: Option<usize>,
    pub(super) state: State,
    /// Attempts begun so far.
    pub(super) attempt: u32,
    /// True once the work has begun.
    pub(super) begun: bool,
    /// The end of the last attempt, which is the host's own if there is no other.
    pub(super) last: Option<(Ending, Option<String>)>,
    /// True once the driver was told to cancel its work.
    pub(super) cancelling: bool,
}

/// ```text
///            +--------------- tries again ---------------+
///            v                                           |
/// Queued -> Connecting -> Ready -> Working ---------> Waiting
///                 |         |         |                  |
///                 +---------+---------+-----> Ended <----+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Queued,
    Connecting,
    /// Connected; its work may begin.
    Ready,
    Working,
    /// An attempt failed; another one may begin later.
    Waiting,
    Ended(Ending),
}

impl Member {
    pub(super) fn new(name: Arc<str>, hop: Option<usize>) -> Self {
        Self {
            name,
            hop,
            state: State::Queued,
            attempt: 0,
            begun: false,
            last: None,
            cancelling: false,
        }
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        match self.state {
            State::Ended(ending) => Some(ending),
            _ => None,
        }
    }
}
