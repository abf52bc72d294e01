//! Errors about an item of another type than the one that is wanted.

use std::borrow::Cow;

use serde::de::{Expected, Unexpected};

use super::{
    error::Error,
    float::float,
    input::{
        ARRAY, BYTES, Deserializer, FALSE, Head, MAP, NEGATIVE, NULL, OTHER, TEXT, TRUE, UNDEFINED,
        UNSIGNED,
    },
};
use crate::guest::cbor::error::DecodeError;

/// Longest part of a text that an error message shows.
const SHOWN_CHARS: usize = 60;

impl Deserializer<'_> {
    /// Makes an error about the item that begins with `head`.
    pub(super) fn unexpected(&mut self, head: Head, expected: &dyn Expected) -> Error {
        let text;
        let unexpected = match (head.major, head.value) {
            (UNSIGNED, Some(value)) => Unexpected::Unsigned(value),
            (NEGATIVE, Some(value)) => i64::try_from(value)
                .map_or(Unexpected::Other("a large number"), |value| {
                    Unexpected::Signed(!value)
                }),
            (BYTES, _) => Unexpected::Other("bytes"),
            (TEXT, _) => match self.text_of(head) {
                Ok(found) => {
                    text = shortened(&found).into_owned();
                    Unexpected::Str(&text)
                }
                Err(error) => return error,
            },
            (ARRAY, _) => Unexpected::Seq,
            (MAP, _) => Unexpected::Map,
            (OTHER, Some(_)) => match head.first {
                FALSE => Unexpected::Bool(false),
                TRUE => Unexpected::Bool(true),
                NULL | UNDEFINED => Unexpected::Other("null"),
                0xf9..=0xfb => Unexpected::Float(float(head).unwrap_or_default()),
                _ => return DecodeError::Malformed(head.at).into(),
            },
            _ => return DecodeError::Malformed(head.at).into(),
        };
        Error::of_type(unexpected, expected)
    }
}

/// Returns the start of a long text.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
