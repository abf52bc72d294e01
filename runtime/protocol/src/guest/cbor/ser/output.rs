//! The bytes that are written: items that hold no others, and wrappers.

use serde::{Serialize, ser};

use crate::guest::cbor::{
    error::EncodeError,
    form::{Form, MAX_DEPTH, MAX_WRAPS},
    head::head,
};

/// Writes values to bytes.
pub(crate) struct Serializer<'a> {
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) form: Form,
    /// Further arrays and maps that may be open at once.
    pub(super) levels: usize,
    /// Further wrappers that leave no trace in CBOR and may be open at once.
    pub(super) wraps: usize,
    /// True if a map's key comes next.
    pub(super) key: bool,
}

impl<'a> Serializer<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>, form: Form, levels: usize) -> Self {
        Self {
            bytes,
            form,
            levels,
            wraps: MAX_WRAPS,
            key: false,
        }
    }

    pub(super) fn within<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.wraps = self.wraps.checked_sub(1).ok_or_else(too_deep)?;
        value.serialize(&mut *self)?;
        self.wraps += 1;
        Ok(())
    }

    /// Opens the map of one entry that represents a variant with content.
    pub(super) fn variant(&mut self, variant: &str) -> Result<(), EncodeError> {
        self.levels = self.levels.checked_sub(1).ok_or_else(too_deep)?;
        self.key = false;
        head(5, 1, self.bytes);
        self.text(variant);
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) {
        head(3, text.len() as u64, self.bytes);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(super) fn float(&mut self, number: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is compared with what it was"
        )]
        let short = number as f32;
        if f64::from(short).to_bits() == number.to_bits() {
            self.bytes.push(0xfa);
            self.bytes.extend_from_slice(&short.to_be_bytes());
        } else {
            self.bytes.push(0xfb);
            self.bytes.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// Writes a number beyond 64 bits: a tag, and the number's bytes without leading zeros.
    pub(super) fn large(&mut self, tag: u64, magnitude: u128) {
        let bytes = magnitude.to_be_bytes();
        let zeros = magnitude.leading_zeros() as usize / 8;
        head(6, tag, self.bytes);
        head(2, (bytes.len() - zeros) as u64, self.bytes);
        self.bytes.extend_from_slice(&bytes[zeros..]);
    }
}

/// Makes the error about one array, map or wrapper too many.
pub(super) fn too_deep() -> EncodeError {
    EncodeError::new(format!("it nests deeper than {MAX_DEPTH} levels"))
}

impl ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
