//! Arrays and maps while they are open, which includes those of variants and tags.

use serde::{Serialize, ser};

use super::output::{Serializer, too_deep};
use crate::guest::cbor::{error::EncodeError, head::head};

impl<'a> Serializer<'a> {
    /// Opens an array or map.
    pub(super) fn open(
        &mut self,
        major: u8,
        length: Option<usize>,
    ) -> Result<Compound<'_, 'a>, EncodeError> {
        self.levels = self.levels.checked_sub(1).ok_or_else(too_deep)?;
        match length {
            Some(length) => head(major, length as u64, self.bytes),
            None => self.bytes.push(major << 5 | 31),
        }
        self.key = false;
        Ok(Compound {
            serializer: self,
            levels: 1,
            wraps: 0,
            unknown_length: length.is_none(),
            tag: false,
        })
    }

    /// Opens the array or map that is the content of a variant.
    pub(super) fn open_variant(
        &mut self,
        variant: &str,
        major: u8,
        length: usize,
    ) -> Result<Compound<'_, 'a>, EncodeError> {
        self.variant(variant)?;
        Ok(Compound {
            levels: 2,
            ..self.open(major, Some(length))?
        })
    }

    /// Opens a tag, whose items are its number and its value.
    pub(super) fn open_tag(&mut self) -> Result<Compound<'_, 'a>, EncodeError> {
        self.wraps = self.wraps.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Compound {
            serializer: self,
            levels: 0,
            wraps: 1,
            unknown_length: false,
            tag: true,
        })
    }
}

/// An array or map that is open.
pub(crate) struct Compound<'s, 'a> {
    serializer: &'s mut Serializer<'a>,
    /// Number of levels that end with it.
    levels: usize,
    /// Number of wrappers that end with it.
    wraps: usize,
    /// Its end needs a break byte.
    unknown_length: bool,
    /// True if the next item is the number of a tag.
    tag: bool,
}

impl Compound<'_, '_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let start = self.serializer.bytes.len();
        value.serialize(&mut *self.serializer)?;
        if std::mem::take(&mut self.tag) {
            // A tag differs from its number only in the head's upper bits.
            self.serializer.bytes[start] |= 6 << 5;
        }
        Ok(())
    }

    fn close(self) {
        if self.unknown_length {
            self.serializer.bytes.push(0xff);
        }
        self.serializer.levels += self.levels;
        self.serializer.wraps += self.wraps;
    }
}

macro_rules! compound {
    ($($trait:ident: $($method:ident($($key:ident)?)),+;)+) => {$(
        impl ser::$trait for Compound<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<(), EncodeError> {
                $(self.serializer.text($key);)?
                self.item(value)
            })+

            fn end(self) -> Result<(), EncodeError> {
                self.close();
                Ok(())
            }
        }
    )+};
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.serializer.key = true;
        self.item(key)?;
        self.serializer.key = false;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.item(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close();
        Ok(())
    }
}

compound! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(key);
    SerializeStructVariant: serialize_field(key);
}
