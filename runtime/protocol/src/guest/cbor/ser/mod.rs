//! Values to CBOR: serde's data model as ciborium writes it, with two differences. A `Some` whose
//! content is written as a null differs from `None`, and a value that nests too deeply is refused
//! before it overflows the stack.

mod output;
mod compound;

use serde::{Serialize, ser};

pub(super) use self::output::Serializer;

use self::compound::Compound;
use super::{
    error::EncodeError,
    form::{Form, SOME_HEAD, SOME_MAP, TAG_TYPE, TAGGED, UNTAGGED},
    head::head,
    reader::Reader,
};

/// Null and undefined.
const NOTHING: [u8; 2] = [0xf6, 0xf7];
/// The same map with an indefinite length.
const SOME_OPEN_MAP: &[u8] = b"\xbf\x64Some";

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
            return self.open_tag();
        }
        self.open_variant(variant, 4, length)
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
        self.open_variant(variant, 5, length)
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
