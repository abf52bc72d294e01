//! The bytes that are read, as CBOR's items: heads, tags, and strings that may come in parts.

use std::borrow::Cow;

use super::error::Result;
use crate::guest::cbor::{
    error::DecodeError,
    form::{Form, MAX_DEPTH, MAX_WRAPS},
    reader::Reader,
};

/// The major types.
pub(super) const UNSIGNED: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
pub(super) const OTHER: u8 = 7;
/// The items that consist of their first byte.
pub(super) const FALSE: u8 = 0xf4;
pub(super) const TRUE: u8 = 0xf5;
pub(super) const NULL: u8 = 0xf6;
pub(super) const UNDEFINED: u8 = 0xf7;
/// The byte that ends an item of indefinite length.
pub(super) const BREAK: u8 = 0xff;

/// Reads values from bytes.
pub(crate) struct Deserializer<'de> {
    pub(super) reader: Reader<'de>,
    pub(super) form: Form,
    /// Further arrays and maps that may be open at once.
    pub(super) levels: usize,
    /// Further wrappers that leave no trace in CBOR and may be open at once.
    pub(super) wraps: usize,
}

/// The head of an item.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) major: u8,
    /// `None` if its length is indefinite.
    pub(super) value: Option<u64>,
    /// Its first byte.
    pub(super) first: u8,
    /// The position at which it begins.
    pub(super) at: usize,
}

impl<'de> Deserializer<'de> {
    pub(crate) fn new(bytes: &'de [u8], form: Form) -> Self {
        Self {
            reader: Reader { bytes, at: 0 },
            form,
            levels: MAX_DEPTH,
            wraps: MAX_WRAPS,
        }
    }

    /// Returns the number of bytes left.
    pub(crate) fn left(&self) -> usize {
        self.reader.bytes.len() - self.reader.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.reader.bytes.get(self.reader.at).copied()
    }

    pub(super) fn rest(&self) -> &'de [u8] {
        &self.reader.bytes[self.reader.at..]
    }

    // Inlined into each of its callers it would make every module 1.5 KB larger.
    #[inline(never)]
    pub(super) fn head(&mut self) -> Result<Head> {
        let at = self.reader.at;
        let first = self.peek().unwrap_or_default();
        let (major, value) = self.reader.head()?;
        Ok(Head {
            major,
            value,
            first,
            at,
        })
    }

    /// Returns the head of the item inside all tags.
    pub(super) fn head_within_tags(&mut self) -> Result<Head> {
        loop {
            let head = self.head()?;
            if head.major != TAG || head.value.is_none() {
                return Ok(head);
            }
        }
    }

    /// Skips one item with all that is in it.
    pub(super) fn skip(&mut self) -> Result<()> {
        Ok(self.reader.skip(MAX_DEPTH - self.levels)?)
    }

    /// Reads the text that begins with `head`; the text may come in parts.
    pub(super) fn text_of(&mut self, head: Head) -> Result<Cow<'de, str>> {
        Ok(match self.string_of(head)? {
            Cow::Borrowed(bytes) => {
                Cow::Borrowed(str::from_utf8(bytes).map_err(|_| DecodeError::Malformed(head.at))?)
            }
            Cow::Owned(bytes) => {
                Cow::Owned(String::from_utf8(bytes).map_err(|_| DecodeError::Malformed(head.at))?)
            }
        })
    }

    /// Reads the bytes or the text that begins with `head`, as bytes.
    pub(super) fn string_of(&mut self, head: Head) -> Result<Cow<'de, [u8]>> {
        if let Some(length) = head.value {
            return Ok(Cow::Borrowed(self.take(length)?));
        }
        let mut parts = Vec::new();
        loop {
            match self.head()? {
                Head { first: BREAK, .. } => return Ok(Cow::Owned(parts)),
                Head {
                    major,
                    value: Some(length),
                    ..
                } if major == head.major => parts.extend(self.take(length)?),
                Head { at, .. } => return Err(DecodeError::Malformed(at).into()),
            }
        }
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'de [u8]> {
        let at = self.reader.at;
        let length = usize::try_from(length).map_err(|_| DecodeError::Malformed(at))?;
        Ok(self.reader.take(length)?)
    }

    /// Goes one wrapper deeper.
    pub(super) fn within<T>(&mut self, visit: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.wraps = self.wraps.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let value = visit(self)?;
        self.wraps += 1;
        Ok(value)
    }
}
