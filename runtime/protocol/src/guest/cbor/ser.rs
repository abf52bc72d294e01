//! Values to CBOR: serde's data model as ciborium writes it, with two differences. A `Some` whose
//! content is written as a null differs from `None`, and a value that nests too deeply is refused
//! before it overflows the stack.

use serde::{Serialize, ser};

use super::{
    error::EncodeError,
    form::{Form, MAX_DEPTH, MAX_WRAPS, SOME_HEAD, SOME_MAP, TAG_TYPE, TAGGED, UNTAGGED},
    head::head,
    reader::Reader,
};

/// Null and undefined.
const NOTHING: [u8; 2] = [0xf6, 0xf7];
/// The same map with an indefinite length.
const SOME_OPEN_MAP: &[u8] = b"\xbf\x64Some";

pub(super) struct Serializer<'a> {
    bytes: &'a mut Vec<u8>,
    form: Form,
    /// Further arrays and maps that may be open at once.
    levels: usize,
    /// Further wrappers that leave no trace in CBOR and may be open at once.
    wraps: usize,
    /// True if a map's key comes next.
    key: bool,
}

impl<'a> Serializer<'a> {
    pub(super) fn new(bytes: &'a mut Vec<u8>, form: Form, levels: usize) -> Self {
        Self {
            bytes,
            form,
            levels,
            wraps: MAX_WRAPS,
            key: false,
        }
    }

    fn within<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.wraps = self.wraps.checked_sub(1).ok_or_else(too_deep)?;
        value.serialize(&mut *self)?;
        self.wraps += 1;
        Ok(())
    }

    fn open(&mut self, major: u8, length: Option<usize>) -> Result<Compound<'_, 'a>, EncodeError> {
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

    /// Opens the map of one entry that represents a variant with content.
    fn variant(&mut self, variant: &str) -> Result<(), EncodeError> {
        self.levels = self.levels.checked_sub(1).ok_or_else(too_deep)?;
        self.key = false;
        head(5, 1, self.bytes);
        self.text(variant);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        head(3, text.len() as u64, self.bytes);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn float(&mut self, number: f64) {
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
    fn large(&mut self, tag: u64, magnitude: u128) {
        let bytes = magnitude.to_be_bytes();
        let zeros = magnitude.leading_zeros() as usize / 8;
        head(6, tag, self.bytes);
        head(2, (bytes.len() - zeros) as u64, self.bytes);
        self.bytes.extend_from_slice(&bytes[zeros..]);
    }
}

/// Returns true if a key is a text that would be read as the JSON of a null, of another text, or of
/// a marked `Some`.
fn looks_like_another_key(written: &[u8]) -> bool {
    let mut reader = Reader {
        bytes: written,
        at: 0,
    };
    let is_text = matches!(reader.head(), Ok((3, Some(_))));
    is_text && matches!(&written[reader.at..], [b'"' | b'{', ..] | b"null")
}

fn too_deep() -> EncodeError {
    EncodeError::new(format!("it nests deeper than {MAX_DEPTH} levels"))
}

impl ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

impl<'s, 'a> ser::Serializer for &'s mut Serializer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Compound<'s, 'a>;
    type SerializeTuple = Compound<'s, 'a>;
    type SerializeTupleStruct = Compound<'s, 'a>;
    type SerializeTupleVariant = Compound<'s, 'a>;
    type SerializeMap = Compound<'s, 'a>;
    type SerializeStruct = Compound<'s, 'a>;
    type SerializeStructVariant = Compound<'s, 'a>;

    fn is_human_readable(&self) -> bool {
        self.form == Form::Readable
    }

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.bytes.push(0xf4 | u8::from(value));
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => head(0, value, self.bytes),
            Err(_) => head(1, !value.cast_unsigned(), self.bytes),
        }
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        match (u128::try_from(value), !value.cast_unsigned()) {
            (Ok(value), _) => return self.serialize_u128(value),
            (Err(_), magnitude) => match u64::try_from(magnitude) {
                Ok(magnitude) => head(1, magnitude, self.bytes),
                Err(_) => self.large(3, magnitude),
            },
        }
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        head(0, value, self.bytes);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        match u64::try_from(value) {
            Ok(value) => head(0, value, self.bytes),
            Err(_) => self.large(2, value),
        }
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        match self.form {
            // Writes the decimal number that people see, which as an `f64` is another number than
            // this `f32`.
            Form::Readable if value.is_finite() => {
                self.float(value.to_string().parse().expect("digits are a number"));
            }
            _ => self.float(value.into()),
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        self.float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        head(2, value.len() as u64, self.bytes);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.bytes.push(NOTHING[0]);
        Ok(())
    }

    /// Writes the value alone, unless a reader would take it for `None` or for a marked `Some`.
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        let start = self.bytes.len();
        self.within(value)?;
        let written = &self.bytes[start..];
        let is_nothing = written.first().is_some_and(|byte| NOTHING.contains(byte));
        let (is_marked, mark) = match self.form {
            Form::Compact => (written.starts_with(SOME_HEAD), SOME_HEAD),
            Form::Readable => {
                let is_marked = written.starts_with(SOME_MAP) || written.starts_with(SOME_OPEN_MAP);
                (
                    is_marked || self.key && looks_like_another_key(written),
                    SOME_MAP,
                )
            }
        };
        if is_nothing || is_marked {
            self.bytes.splice(start..start, mark.iter().copied());
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.within(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        if (name, variant) == (TAG_TYPE, UNTAGGED) {
            return self.within(value);
        }
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.levels += 1;
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, EncodeError> {
        self.open(4, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, EncodeError> {
        self.open(4, Some(length))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, EncodeError> {
        self.open(4, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        if (name, variant) == (TAG_TYPE, TAGGED) {
            self.wraps = self.wraps.checked_sub(1).ok_or_else(too_deep)?;
            return Ok(Compound {
                serializer: self,
                levels: 0,
                wraps: 1,
                unknown_length: false,
                tag: true,
            });
        }
        self.variant(variant)?;
        Ok(Compound {
            levels: 2,
            ..self.open(4, Some(length))?
        })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, EncodeError> {
        self.open(5, length)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, EncodeError> {
        self.open(5, Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        self.variant(variant)?;
        Ok(Compound {
            levels: 2,
            ..self.open(5, Some(length))?
        })
    }
}

/// An array or map that is open.
pub(super) struct Compound<'s, 'a> {
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
