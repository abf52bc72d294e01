//! Errors of decoding, with the place of the value that did not fit. Containers add to that path on
//! the way out, so that it costs nothing while decoding succeeds.

use serde::de::{self, Expected, Unexpected};

use crate::guest::cbor::error::DecodeError;

/// Reason why a value cannot be decoded, and its place in the input. Boxed, so that results stay
/// small.
#[derive(Debug)]
pub(crate) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: DecodeError,
    /// Steps from the outermost container to the value, the last one first.
    path: Vec<String>,
}

/// Decoded value, or the reason why there is none.
pub(super) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(super) fn new(reason: DecodeError) -> Self {
        Self(Box::new(Inner {
            reason,
            path: Vec::new(),
        }))
    }

    pub(super) fn of_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        de::Error::invalid_type(unexpected, expected)
    }

    pub(super) fn of_words(words: &str) -> Self {
        Self::new(DecodeError::Type(words.into()))
    }

    pub(super) fn within(mut self, step: impl FnOnce() -> String) -> Self {
        // A malformed input names its own position.
        if matches!(self.0.reason, DecodeError::Type(_)) {
            self.0.path.push(step());
        }
        self
    }

    pub(crate) fn into_public(self) -> DecodeError {
        let Inner { reason, path } = *self.0;
        match reason {
            DecodeError::Type(reason) if !path.is_empty() => DecodeError::Within {
                path: path.into_iter().rev().collect(),
                reason,
            },
            reason => reason,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(reason: DecodeError) -> Self {
        Self::new(reason)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.reason.fmt(f)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(DecodeError::Type(message.to_string()))
    }
}
