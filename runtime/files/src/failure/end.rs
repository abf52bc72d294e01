//! The ends of transfers: failed, or done in part.

use std::fmt;

use super::{Failure, FailureKind};
use crate::Summary;

/// Entries of a tree that each end names when they could not be transferred. Further ones are
/// counted: no user reads a longer list, and all files of a tree may fail in the same way.
pub(crate) const MAX_LEFT_OUT: usize = 100;

/// The end of a transfer that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferEnd {
    /// Something at this end was in the way.
    #[error(transparent)]
    Here(Failure),
    /// Something at the other end was in the way.
    #[error(transparent)]
    There(Failure),
    /// Some of a tree was left out. The rest is in its place.
    #[error(transparent)]
    Incomplete(Box<Incomplete>),
    /// The link was cut.
    #[error("the link was cut")]
    Cut,
    /// The other end gave up without giving a reason.
    #[error("the other end gave up")]
    Closed,
    /// The other end violated the protocol.
    #[error("the other end broke the protocol: {0}")]
    Malformed(&'static str),
}

impl From<Failure> for TransferEnd {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

/// Some of a tree could not be transferred. The rest of it is in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incomplete {
    /// The result for the rest.
    pub summary: Summary,
    /// The entries that were left out, with reasons: the first 100 of either end.
    pub left_out: Vec<LeftOut>,
    /// The number of further entries left out.
    pub more: u64,
}

/// An entry of a tree that could not be transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// Something at this end was in the way.
    Here(Failure),
    /// Something at the other end was in the way.
    There(Failure),
}

impl Incomplete {
    /// Returns advice, if wxec has any.
    pub fn hint(&self) -> Option<&'static str> {
        self.left_out.iter().find_map(|one| match one {
            LeftOut::Here(failure) if failure.kind == FailureKind::PermissionDenied => None,
            LeftOut::Here(failure) | LeftOut::There(failure) => failure.hint_inside(),
        })
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ([one], 0) = (&*self.left_out, self.more) {
            return write!(f, "{one}; the rest of the tree is there");
        }
        let count = self.more.saturating_add(self.left_out.len() as u64);
        write!(f, "left out {count} of the tree; the rest is there")
    }
}

impl std::error::Error for Incomplete {}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(failure) => write!(f, "{failure} (on this machine)"),
            Self::There(failure) => failure.fmt(f),
        }
    }
}

/// The entries of a tree that one end has left out so far.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    pub(crate) named: Vec<Failure>,
    pub(crate) more: u64,
}

impl Failures {
    pub(crate) fn add(&mut self, failure: Failure) {
        if self.named.len() < MAX_LEFT_OUT {
            self.named.push(failure.bounded())
        } else {
            self.more += 1
        }
    }
}

/// Returns the result of a transfer that ran to its end.
pub(crate) fn outcome(
    summary: Summary,
    here: Failures,
    there: Failures,
) -> Result<Summary, TransferEnd> {
    let more = here.more.saturating_add(there.more);
    let left_out = here
        .named
        .into_iter()
        .map(LeftOut::Here)
        .chain(there.named.into_iter().map(LeftOut::There));
    let left_out: Vec<_> = left_out.collect();
    if left_out.is_empty() && more == 0 {
        Ok(summary)
    } else {
        Err(TransferEnd::Incomplete(Box::new(Incomplete {
            summary,
            left_out,
            more,
        })))
    }
}
