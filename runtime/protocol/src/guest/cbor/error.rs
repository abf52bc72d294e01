//! Errors of encoding and decoding.

use serde::{Deserialize, Serialize};

use super::form::MAX_DEPTH;

/// A value could not be encoded: its `Serialize` refused, or it nests too deeply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("cannot be encoded as CBOR: {0}")]
pub struct EncodeError(String);

impl EncodeError {
    /// Makes an error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Bytes are not the CBOR of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a value, or are not CBOR.
    #[error("malformed CBOR at byte {0}")]
    Malformed(usize),
    /// Well-formed, but of another type; the text is serde's.
    #[error("{0}")]
    Type(String),
    /// A [`Type`](Self::Type) error in a part of the value.
    #[error("at `{path}`: {reason}")]
    Within {
        /// Place of the part, such as `.shapes[2].width`.
        path: String,
        /// Serde's text.
        reason: String,
    },
    /// A value nests deeper than [`MAX_DEPTH`].
    #[error("it nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Bytes follow the value.
    #[error("{0} bytes after the value")]
    Trailing(usize),
}
