//! CBOR to values: any well-formed CBOR that a type can be read from, from our own encoder or from
//! another language's.

mod error;
mod input;
mod float;
mod mismatch;
mod written;
mod integer;
mod access;
mod tagged;

use std::borrow::Cow;

use serde::de::{
    self, IntoDeserializer, Unexpected, Visitor,
    value::{BorrowedStrDeserializer, SeqDeserializer},
};

pub(super) use self::{error::Error, input::Deserializer};

use self::{
    access::Variant,
    error::Result,
    float::{float, float_in_words},
    input::{
        ARRAY, BYTES, FALSE, Head, MAP, NEGATIVE, NULL, OTHER, TAG, TEXT, TRUE, UNDEFINED, UNSIGNED,
    },
    mismatch::shortened,
    tagged::keeps_tags,
};
use super::{
    base64::from_base64,
    error::DecodeError,
    form::{Form, SOME_MAP, SOME_TAG, TAG_TYPE},
};

macro_rules! integers {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.visit_integer(visitor)
        }
    )+};
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Error;

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn is_human_readable(&self) -> bool {
        self.form == Form::Readable
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if let Some(written) = self.written()? {
            match written.json.filter(|_| !written.is_key) {
                Some(json) => self.reader.at = json,
                None => {
                    self.reader.at = written.start;
                    return self.visit_string(visitor);
                }
            }
        }
        let head = self.head()?;
        match (head.major, head.value) {
            (UNSIGNED, Some(value)) => visitor.visit_u64(value),
            (NEGATIVE, Some(value)) => match i64::try_from(value) {
                Ok(value) => visitor.visit_i64(!value),
                Err(_) => visitor.visit_i128(!i128::from(value)),
            },
            (BYTES, _) => self.visit_bytes_of(head, visitor),
            (TEXT, _) => self.visit_text_of(head, visitor),
            (ARRAY, length) => self.open(length, |items| visitor.visit_seq(items)),
            (MAP, length) => self.open(length, |entries| visitor.visit_map(entries)),
            (TAG, Some(tag)) => self.visit_behind(tag, head, visitor),
            (OTHER, Some(_)) => visit_simple(head, visitor),
            _ => Err(DecodeError::Malformed(head.at).into()),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.as_json()?;
        let head = self.head_within_tags()?;
        match head.first {
            FALSE => visitor.visit_bool(false),
            TRUE => visitor.visit_bool(true),
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // Nearly all numbers take this path.
        if let [0xfb, number @ ..] = self.rest()
            && let Some(number) = number.first_chunk()
        {
            self.reader.at += 1 + number.len();
            return visitor.visit_f64(f64::from_be_bytes(*number));
        }
        self.as_json()?;
        let head = self.head_within_tags()?;
        match (head.major, head.value, float(head)) {
            (OTHER, _, Some(number)) => visitor.visit_f64(number),
            (UNSIGNED, Some(value), _) => visitor.visit_u64(value),
            (NEGATIVE, Some(value), _) if i64::try_from(value).is_ok() => {
                visitor.visit_i64(!value.cast_signed())
            }
            (TEXT, ..) if self.form == Form::Readable => {
                let text = self.text_of(head)?;
                match float_in_words(&text) {
                    Some(number) => visitor.visit_f64(number),
                    None => Err(Error::of_type(Unexpected::Str(&shortened(&text)), &visitor)),
                }
            }
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_string(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_string(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if let Some(written) = self.written()? {
            self.reader.at = written.start;
            let text = self.string(&visitor)?;
            let bytes = if written.is_key {
                from_base64(&text)?
            } else {
                text.into_owned().into_bytes()
            };
            return visitor.visit_byte_buf(bytes);
        }
        let head = self.head_within_tags()?;
        match head.major {
            BYTES => self.visit_bytes_of(head, visitor),
            ARRAY => self.open(head.value, |items| visitor.visit_seq(items)),
            TEXT if self.form == Form::Readable => {
                let text = self.text_of(head)?;
                visitor.visit_byte_buf(from_base64(&text)?)
            }
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.as_option()?;
        if let Some(NULL | UNDEFINED) = self.peek() {
            self.reader.at += 1;
            return visitor.visit_none();
        }
        self.take_mark()?;
        self.within(|de| visitor.visit_some(de))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.as_json()?;
        let head = self.head_within_tags()?;
        match head.first {
            NULL | UNDEFINED => visitor.visit_unit(),
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.within(|de| visitor.visit_newtype_struct(de))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.as_json()?;
        let head = self.head_within_tags()?;
        match head.major {
            ARRAY => self.open(head.value, |items| visitor.visit_seq(items)),
            BYTES => {
                let bytes = self.string_of(head)?;
                visitor.visit_seq(SeqDeserializer::<_, Error>::new(bytes.iter().copied()))
            }
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.as_json()?;
        let head = self.head_within_tags()?;
        match head.major {
            MAP => self.open(head.value, |entries| visitor.visit_map(entries)),
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if name == TAG_TYPE {
            let tag = self.take_tag()?;
            return self.visit_tagged(tag, visitor);
        }
        if let Some(written) = self.written()? {
            self.reader.at = written.start;
            match written.json {
                Some(json) if self.reader.bytes[json] >> 5 == MAP => self.reader.at = json,
                _ => {
                    let text = self.string(&visitor)?.into_owned();
                    return visitor.visit_enum(text.into_deserializer());
                }
            }
        }
        self.visit_variant(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.peek() {
            Some(byte) if byte >> 5 == BYTES => self.deserialize_bytes(visitor),
            _ => self.visit_string(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.skip()?;
        visitor.visit_unit()
    }
}

/// Parts of the functions above.
impl<'de> Deserializer<'de> {
    fn visit_bytes_of<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value> {
        match self.string_of(head)? {
            Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
            Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
        }
    }

    fn visit_text_of<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value> {
        match self.text_of(head)? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    /// Visits any value behind a tag, whose head is `head`.
    fn visit_behind<V: Visitor<'de>>(
        &mut self,
        tag: u64,
        head: Head,
        visitor: V,
    ) -> Result<V::Value> {
        let is_short = |byte| (0x40..=0x50).contains(&byte);
        match tag {
            2 | 3 if self.peek().is_some_and(is_short) => {
                self.reader.at = head.at;
                self.visit_integer(visitor)
            }
            _ if keeps_tags::<V>() => self.visit_tagged(Some(tag), visitor),
            SOME_TAG => self.within(|de| visitor.visit_some(de)),
            _ => self.within(|de| de::Deserializer::deserialize_any(de, visitor)),
        }
    }

    /// Reads a tag, if one comes next.
    fn take_tag(&mut self) -> Result<Option<u64>> {
        let start = self.reader.at;
        let tag = self.head()?;
        let tag = tag.value.filter(|_| tag.major == TAG);
        if tag.is_none() {
            self.reader.at = start;
        }
        Ok(tag)
    }

    /// Visits a text, or a map of one entry.
    fn visit_variant<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        let head = self.head_within_tags()?;
        match (head.major, head.value) {
            (TEXT, _) => match self.text_of(head)? {
                Cow::Borrowed(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
                Cow::Owned(text) => visitor.visit_enum(text.into_deserializer()),
            },
            (MAP, None | Some(1)) => {
                self.open(head.value, |entry| visitor.visit_enum(Variant(entry)))
            }
            (MAP, Some(count)) => {
                let found = format!("map of {count} entries");
                let expected = "a variant, which is a map of one entry";
                Err(Error::of_type(Unexpected::Other(&found), &expected))
            }
            _ => Err(self.unexpected(head, &visitor)),
        }
    }

    /// Skips the mark of a `Some`, if there is one.
    fn take_mark(&mut self) -> Result<()> {
        let start = self.reader.at;
        if self.form == Form::Readable && self.rest().starts_with(SOME_MAP) {
            self.reader.at += SOME_MAP.len();
        } else if self.peek().is_some_and(|byte| byte >> 5 == TAG)
            && self.head()?.value != Some(SOME_TAG)
        {
            self.reader.at = start;
        }
        Ok(())
    }
}

/// Visits an item that has no more than its head: a number, or one of a few values.
fn visit_simple<'de, V: Visitor<'de>>(head: Head, visitor: V) -> Result<V::Value> {
    match (head.first, float(head)) {
        (_, Some(number)) => visitor.visit_f64(number),
        (FALSE, _) => visitor.visit_bool(false),
        (TRUE, _) => visitor.visit_bool(true),
        (NULL | UNDEFINED, _) => visitor.visit_unit(),
        _ => Err(DecodeError::Malformed(head.at).into()),
    }
}
