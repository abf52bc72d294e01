//! Reasons why an argument does not fit its parameter.

use crate::value::parse::Unreadable;

/// Reason why an argument is not of its parameter's type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It must be JSON, and is not.
    NotJson(String),
    /// It is JSON that is refused for this reason.
    Refused(String),
    /// A value inside of it is refused.
    RefusedWithin {
        /// The place of that value, such as `[2].a`.
        path: String,
        /// The reason.
        reason: String,
    },
    /// It is of another type.
    OtherType,
    /// Something inside is of another type.
    Within {
        /// The place of that value, such as `[2].a`.
        path: String,
        /// The value found there.
        found: String,
    },
    /// It names a file that cannot be read.
    File(String),
}

impl From<Unreadable> for Mismatch {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::NotJson(reason) => Self::NotJson(reason),
            Unreadable::Refused(reason) => Self::Refused(reason),
        }
    }
}

impl Mismatch {
    /// Returns the mismatch as seen from the enclosing value, one step further out.
    pub(crate) fn at(self, step: &str, found: impl FnOnce() -> String) -> Self {
        match self {
            Self::OtherType => Self::Within {
                path: step.to_owned(),
                found: found(),
            },
            Self::Within { path, found } => Self::Within {
                path: format!("{step}{path}"),
                found,
            },
            Self::Refused(reason) => Self::RefusedWithin {
                path: step.to_owned(),
                reason,
            },
            Self::RefusedWithin { path, reason } => Self::RefusedWithin {
                path: format!("{step}{path}"),
                reason,
            },
            other => other,
        }
    }
}
