//! CBOR to values: any well-formed CBOR that a type can be read from, from our own encoder or from
//! another language's.
//!
//! An error contains the place of the value that did not fit. Containers add to that path on the
//! way out, so that it costs nothing while decoding succeeds.

use std::{any::type_name, borrow::Cow};

use serde::{
    Deserializer as _,
    de::{
        self, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
        Unexpected, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, SeqDeserializer, U64Deserializer},
    },
};

use super::{
    base64::from_base64,
    error::DecodeError,
    form::{
        Form, KEY_TAG, MAX_DEPTH, MAX_WRAPS, SOME_MAP, SOME_TAG, TAG_TYPE, TAGGED, UNTAGGED,
        WORD_TAG,
    },
    reader::Reader,
};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const OTHER: u8 = 7;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
/// The byte that ends an item of indefinite length.
const BREAK: u8 = 0xff;

/// Longest part of a text that an error message shows.
const SHOWN_CHARS: usize = 60;

/// Reason why a value cannot be decoded, and its place in the input. Boxed, so that results stay
/// small.
#[derive(Debug)]
pub(super) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: DecodeError,
    /// Steps from the outermost container to the value, the last one first.
    path: Vec<String>,
}

type Result<T> = std::result::Result<T, Error>;

impl Error {
    fn new(reason: DecodeError) -> Self {
        Self(Box::new(Inner {
            reason,
            path: Vec::new(),
        }))
    }

    fn of_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        de::Error::invalid_type(unexpected, expected)
    }

    fn of_words(words: &str) -> Self {
        Self::new(DecodeError::Type(words.into()))
    }

    fn within(mut self, step: impl FnOnce() -> String) -> Self {
        // A malformed input names its own position.
        if matches!(self.0.reason, DecodeError::Type(_)) {
            self.0.path.push(step());
        }
        self
    }

    pub(super) fn into_public(self) -> DecodeError {
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

pub(super) struct Deserializer<'de> {
    reader: Reader<'de>,
    form: Form,
    /// Further arrays and maps that may be open at once.
    levels: usize,
    /// Further wrappers that leave no trace in CBOR and may be open at once.
    wraps: usize,
}

/// The head of an item.
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    /// `None` if its length is indefinite.
    value: Option<u64>,
    /// Its first byte.
    first: u8,
    /// The position at which it begins.
    at: usize,
}

/// A whole number.
enum Integer {
    Positive(u128),
    Negative(i128),
}

/// An item that represents something a person wrote: its text, and the text's JSON value.
struct Written {
    /// True if it is a map's key.
    is_key: bool,
    start: usize,
    text: usize,
    json: Option<usize>,
    end: usize,
}

impl<'de> Deserializer<'de> {
    pub(super) fn new(bytes: &'de [u8], form: Form) -> Self {
        Self {
            reader: Reader { bytes, at: 0 },
            form,
            levels: MAX_DEPTH,
            wraps: MAX_WRAPS,
        }
    }

    /// Returns the number of bytes left.
    pub(super) fn left(&self) -> usize {
        self.reader.bytes.len() - self.reader.at
    }

    fn peek(&self) -> Option<u8> {
        self.reader.bytes.get(self.reader.at).copied()
    }

    fn rest(&self) -> &'de [u8] {
        &self.reader.bytes[self.reader.at..]
    }

    fn head(&mut self) -> Result<Head> {
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
    fn head_within_tags(&mut self) -> Result<Head> {
        loop {
            let head = self.head()?;
            if head.major != TAG || head.value.is_none() {
                return Ok(head);
            }
        }
    }

    /// Makes an error about the item that begins with `head`.
    fn unexpected(&mut self, head: Head, expected: &dyn Expected) -> Error {
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

    /// In the readable form, reads an item that a person wrote, if one comes next.
    fn written(&mut self) -> Result<Option<Written>> {
        if self.form != Form::Readable || self.peek().is_none_or(|byte| byte >> 5 != TAG) {
            return Ok(None);
        }
        let start = self.reader.at;
        let is_key = match self.head()?.value {
            Some(KEY_TAG) => true,
            Some(WORD_TAG) => false,
            _ => {
                self.reader.at = start;
                return Ok(None);
            }
        };
        let Head {
            major: ARRAY,
            value: Some(count @ 1..=2),
            ..
        } = self.head()?
        else {
            return Err(DecodeError::Malformed(start).into());
        };
        let text = self.reader.at;
        self.skip()?;
        let json = (count == 2).then_some(self.reader.at);
        if json.is_some() {
            self.skip()?;
        }
        Ok(Some(Written {
            is_key,
            start,
            text,
            json,
            end: self.reader.at,
        }))
    }

    fn skip(&mut self) -> Result<()> {
        Ok(self.reader.skip(MAX_DEPTH - self.levels)?)
    }

    /// Continues at the JSON value of a person's text, or at the text if it is not JSON.
    fn as_json(&mut self) -> Result<()> {
        if let Some(written) = self.written()? {
            self.reader.at = written.json.unwrap_or(written.text);
        }
        Ok(())
    }

    /// Returns true if the next item is a text that, without quotes, would be read as an option.
    /// Other texts keep quotes that they have.
    fn is_quoted_option(&mut self) -> Result<bool> {
        let at = self.reader.at;
        let head = self.head()?;
        let is_option = head.major == TEXT && {
            let text = self.text_of(head)?;
            text == "null" || text.starts_with("{\"Some\"")
        };
        self.reader.at = at;
        Ok(is_option)
    }

    /// Reads the text that begins with `head`; the text may come in parts.
    fn text_of(&mut self, head: Head) -> Result<Cow<'de, str>> {
        Ok(match self.string_of(head)? {
            Cow::Borrowed(bytes) => {
                Cow::Borrowed(str::from_utf8(bytes).map_err(|_| DecodeError::Malformed(head.at))?)
            }
            Cow::Owned(bytes) => {
                Cow::Owned(String::from_utf8(bytes).map_err(|_| DecodeError::Malformed(head.at))?)
            }
        })
    }

    fn string_of(&mut self, head: Head) -> Result<Cow<'de, [u8]>> {
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

    fn take(&mut self, length: u64) -> Result<&'de [u8]> {
        let at = self.reader.at;
        let length = usize::try_from(length).map_err(|_| DecodeError::Malformed(at))?;
        Ok(self.reader.take(length)?)
    }

    /// Reads a string as its text.
    fn string(&mut self, expected: &dyn Expected) -> Result<Cow<'de, str>> {
        let written = self.written()?;
        if let Some(written) = &written {
            self.reader.at = written.text;
        }
        let head = self.head_within_tags()?;
        if head.major != TEXT {
            return Err(self.unexpected(head, expected));
        }
        let text = self.text_of(head)?;
        if let Some(written) = written {
            self.reader.at = written.end;
        }
        Ok(text)
    }

    fn visit_string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.string(&visitor)? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn integer(&mut self, expected: &dyn Expected) -> Result<Integer> {
        self.as_json()?;
        loop {
            let head = self.head()?;
            return Ok(match (head.major, head.value) {
                (UNSIGNED, Some(value)) => Integer::Positive(value.into()),
                (NEGATIVE, Some(value)) => Integer::Negative(!i128::from(value)),
                (TAG, Some(tag @ (2 | 3))) => {
                    let head = self.head()?;
                    if head.major != BYTES {
                        return Err(self.unexpected(head, expected));
                    }
                    let bytes = self.string_of(head)?;
                    let large = || Error::of_words("a number of more than 128 bits");
                    let magnitude = magnitude(&bytes).ok_or_else(large)?;
                    match tag {
                        2 => Integer::Positive(magnitude),
                        _ => Integer::Negative(!i128::try_from(magnitude).map_err(|_| large())?),
                    }
                }
                (TAG, Some(_)) => continue,
                _ => return Err(self.unexpected(head, expected)),
            });
        }
    }

    fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        // Nearly all numbers take this path.
        let start = self.reader.at;
        if let (UNSIGNED, Some(value)) = self.reader.head()? {
            return visitor.visit_u64(value);
        }
        self.reader.at = start;
        match self.integer(&visitor)? {
            Integer::Positive(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_u128(value),
            },
            Integer::Negative(value) => match i64::try_from(value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_i128(value),
            },
        }
    }

    /// Opens an array or map, and makes `visit` take everything in it.
    fn open<T>(
        &mut self,
        length: Option<u64>,
        visit: impl FnOnce(&mut Access<'_, 'de>) -> Result<T>,
    ) -> Result<T> {
        self.levels = self.levels.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let left = length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let mut access = Access {
            de: self,
            left,
            taken: 0,
            key: 0,
        };
        let value = visit(&mut access)?;
        let taken = access.taken;
        if access.is_over()? {
            self.levels += 1;
            return Ok(value);
        }
        Err(de::Error::custom(format_args!(
            "more items than the {taken} that are wanted"
        )))
    }

    /// Goes one wrapper deeper.
    fn within<T>(&mut self, visit: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.wraps = self.wraps.checked_sub(1).ok_or(DecodeError::TooDeep)?;
        let value = visit(self)?;
        self.wraps += 1;
        Ok(value)
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

    /// Visits a value with its tag.
    fn visit_tagged<V: Visitor<'de>>(&mut self, tag: Option<u64>, visitor: V) -> Result<V::Value> {
        self.within(|de| visitor.visit_enum(Tagged { de, tag }))
    }
}

/// Returns the start of a long text.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Returns the number in big-endian bytes, if it has at most 128 bits.
fn magnitude(bytes: &[u8]) -> Option<u128> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    (significant.len() <= 16).then(|| {
        significant
            .iter()
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    })
}

/// Returns the number in a head of major type 7, if it is one.
fn float(head: Head) -> Option<f64> {
    let value = head.value?;
    match head.first {
        0xf9 => Some(half(u16::try_from(value).ok()?)),
        0xfa => Some(f32::from_bits(u32::try_from(value).ok()?).into()),
        0xfb => Some(f64::from_bits(value)),
        _ => None,
    }
}

/// Converts a number of 16 bits: a sign, 5 bits of exponent, and 10 bits of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let number = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -number } else { number }
}

/// Parses a number for which JSON has no digits.
fn float_in_words(text: &str) -> Option<f64> {
    Some(match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    })
}

/// Returns true for ciborium's own types. Only they can hold tags, and they ask for tags by a name.
fn keeps_tags<V>() -> bool {
    type_name::<V>().starts_with("ciborium::")
}

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
            (BYTES, _) => match self.string_of(head)? {
                Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
                Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
            },
            (TEXT, _) => match self.text_of(head)? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            (ARRAY, length) => self.open(length, |items| visitor.visit_seq(items)),
            (MAP, length) => self.open(length, |entries| visitor.visit_map(entries)),
            (TAG, Some(2 | 3))
                if self
                    .peek()
                    .is_some_and(|byte| (0x40..=0x50).contains(&byte)) =>
            {
                self.reader.at = head.at;
                self.visit_integer(visitor)
            }
            (TAG, Some(tag)) if keeps_tags::<V>() => self.visit_tagged(Some(tag), visitor),
            (TAG, Some(SOME_TAG)) => self.within(|de| visitor.visit_some(de)),
            (TAG, Some(_)) => self.within(|de| de.deserialize_any(visitor)),
            (OTHER, Some(_)) => match (head.first, float(head)) {
                (_, Some(number)) => visitor.visit_f64(number),
                (FALSE, _) => visitor.visit_bool(false),
                (TRUE, _) => visitor.visit_bool(true),
                (NULL | UNDEFINED, _) => visitor.visit_unit(),
                _ => Err(DecodeError::Malformed(head.at).into()),
            },
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
            BYTES => match self.string_of(head)? {
                Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
                Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
            },
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
        if let Some(written) = self.written()? {
            self.reader.at = written.json.unwrap_or(written.start);
            match self.peek() {
                Some(NULL) => self.reader.at += 1,
                // A marked `Some`, or a text in quotes to differ from a null or a marked `Some`.
                _ if self.rest().starts_with(SOME_MAP) || self.is_quoted_option()? => {}
                _ => {
                    self.reader.at = written.start;
                    return self.within(|de| visitor.visit_some(de));
                }
            }
            if self.reader.at == written.end {
                return visitor.visit_none();
            }
        }
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
            let start = self.reader.at;
            let tag = self.head()?;
            let tag = tag.value.filter(|_| tag.major == TAG);
            if tag.is_none() {
                self.reader.at = start;
            }
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
                let expected = "a variant, which is a map of one entry";
                Err(Error::of_type(
                    Unexpected::Other(&format!("map of {count} entries")),
                    &expected,
                ))
            }
            _ => Err(self.unexpected(head, &visitor)),
        }
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

/// The items of an array or map.
struct Access<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    /// `None` if the length is indefinite.
    left: Option<usize>,
    /// Number of items begun.
    taken: usize,
    /// The position at which the last key begins.
    key: usize,
}

impl<'de> Access<'_, 'de> {
    /// Returns true if there is another item, and begins it.
    fn next(&mut self) -> Result<bool> {
        match &mut self.left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None if self.de.peek() == Some(BREAK) => {
                self.de.reader.take(1)?;
                self.left = Some(0);
                return Ok(false);
            }
            None => {}
        }
        self.taken += 1;
        Ok(true)
    }

    /// Returns true if every item was taken.
    fn is_over(&mut self) -> Result<bool> {
        Ok(!self.next()?)
    }

    fn value<T>(&mut self, take: impl FnOnce(&mut Deserializer<'de>) -> Result<T>) -> Result<T> {
        take(&mut *self.de).map_err(|error| error.within(|| self.step()))
    }

    /// Returns the step from the map to the value of the last key.
    fn step(&self) -> String {
        let mut key = Deserializer::new(self.de.reader.bytes, self.de.form);
        key.reader.at = self.key;
        let text = key.string(&"a text");
        match text {
            Ok(text)
                if text.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    && text.chars().all(|c| c.is_alphanumeric() || c == '_') =>
            {
                format!(".{}", shortened(&text))
            }
            Ok(text) => format!("[{:?}]", shortened(&text)),
            Err(_) => {
                key.reader.at = self.key;
                match key.integer(&"a number") {
                    Ok(Integer::Positive(number)) => format!("[{number}]"),
                    Ok(Integer::Negative(number)) => format!("[{number}]"),
                    Err(_) => "[…]".into(),
                }
            }
        }
    }
}

impl<'de> SeqAccess<'de> for Access<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        if !self.next()? {
            return Ok(None);
        }
        let item = self.taken - 1;
        seed.deserialize(&mut *self.de)
            .map(Some)
            .map_err(|error| error.within(|| format!("[{item}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        self.left.map(|left| left.min(self.de.left()))
    }
}

impl<'de> MapAccess<'de> for Access<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if !self.next()? {
            return Ok(None);
        }
        self.key = self.de.reader.at;
        self.value(|de| seed.deserialize(de)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        self.value(|de| seed.deserialize(de))
    }

    fn size_hint(&self) -> Option<usize> {
        self.left.map(|left| left.min(self.de.left() / 2))
    }
}

/// A variant with content: the one entry of a map.
struct Variant<'a, 'b, 'de>(&'a mut Access<'b, 'de>);

impl<'de> EnumAccess<'de> for Variant<'_, '_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        let variant = self
            .0
            .next_key_seed(seed)?
            .ok_or_else(|| Error::of_words("a variant has a name"))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        self.0.next_value()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        self.0.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.0.value(|de| de.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.0.value(|de| de.deserialize_map(visitor))
    }
}

/// A value and its tag, as ciborium's types ask for them.
struct Tagged<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    tag: Option<u64>,
}

impl<'de> EnumAccess<'de> for Tagged<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        let name = if self.tag.is_some() { TAGGED } else { UNTAGGED };
        Ok((
            seed.deserialize(BorrowedStrDeserializer::<Error>::new(name))?,
            self,
        ))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        Err(de::Error::custom("a tag has a value"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(&mut *self.de)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(TagThenValue {
            tag: self.tag,
            de: Some(self.de),
        })
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        self.unit_variant().map(|()| unreachable!("it is an error"))
    }
}

struct TagThenValue<'a, 'de> {
    tag: Option<u64>,
    de: Option<&'a mut Deserializer<'de>>,
}

impl<'de> SeqAccess<'de> for TagThenValue<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        match (self.tag.take(), &mut self.de) {
            (Some(tag), _) => seed
                .deserialize(U64Deserializer::<Error>::new(tag))
                .map(Some),
            (None, de) => de.take().map(|de| seed.deserialize(de)).transpose(),
        }
    }
}
