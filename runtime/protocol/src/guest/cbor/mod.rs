//! CBOR with bounds: no trailing bytes, limited depth, and arguments that can be split before they
//! are decoded.
//!
//! Values come from the other side, so nothing here trusts a declared length. Serde may reserve up
//! to 1 MiB for one; beyond that, memory grows only with bytes that have arrived.
//!
//! # How values are written
//!
//! Serde's data model becomes CBOR as in most of its formats: a struct is a map by field names; a
//! variant is its name, or a map of one entry if it has content; `None` and `()` are null; `Some`
//! is written as its content. If that content would be read as another value, because it is written
//! as a null or is itself marked, `Some` is marked by [`SOME_TAG`]: for an `Option<Option<u32>>`,
//! `f6` is `None`, `d8 7a f6` is `Some(None)`, and `05` is `Some(Some(5))`. Readers also accept the
//! tag around any other value of an option.
//!
//! Values that a type's own `Serialize` writes alike, such as variants of an untagged enum, stay
//! alike.
//!
//! # The readable form
//!
//! Two programs that both know a type use the [compact](Form::Compact) encoding: serde's traits are
//! told that it is not human-readable. A person who calls a function by a command line, which knows
//! only the module's description of itself, uses the [readable](Form::Readable) encoding, in JSON's
//! terms. Types that are texts to people, such as addresses and dates, are texts there, and
//!
//! * bytes may be a text in base64, and floating point numbers may be the texts `NaN`, `Infinity`
//!   and `-Infinity`;
//! * an ambiguous `Some` is marked by a map of one entry, `{"Some": null}`, instead of a tag;
//! * an `f32` is written as the `f64` with the same digits;
//! * a map's key is an array behind [`KEY_TAG`] of the key's text and, if the text is JSON, of its
//!   JSON value, so that keys need not be texts. A word of a command line is an array behind
//!   [`WORD_TAG`] of its text and, if the text is JSON, of its JSON value. The type that is read
//!   decides which of the two counts.
//!
//! Untagged enums, internally tagged enums and flattened fields are read by serde into a value of
//! its own first. There is no type to decide by, so their content is taken as in JSON: bytes, and
//! keys that are not texts, cannot be given there.
//!
//! A caller asks for this form by [`READABLE_TAG`] around a call's arguments, if the function's
//! record says [`readable`](crate::guest::abi::Function::readable). The value, and the items sent and
//! received, are then in the same form.

mod de;
mod ser;

use std::{any::Any, ops::Range};

use bytes::Bytes;
use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeTupleVariant};

/// Largest number of nested arrays and maps: as many as serde_json accepts, far beyond honest data,
/// and far below the limit of a guest's stack.
pub const MAX_DEPTH: usize = 128;

/// Largest number of options and newtypes open at once, which leave no trace in CBOR: four for each
/// level of [`MAX_DEPTH`]. Otherwise a type that holds only itself would recurse for ever.
const MAX_WRAPS: usize = 4 * MAX_DEPTH;

/// Marks an ambiguous `Some`. Its registered meaning is the second alternative of a sum type.
pub const SOME_TAG: u64 = 122;
const SOME_HEAD: &[u8] = &[0xd8, 122];

/// Tag around a call's arguments in the readable form.
pub const READABLE_TAG: u64 = 0x7778_6563;
/// Tag around a word of a command line, in the readable form: an array of its text and, if that is
/// JSON, of its JSON value.
pub const WORD_TAG: u64 = READABLE_TAG + 1;
/// Tag around a key of a map, in the readable form: an array of its text and, if that is JSON, of
/// its JSON value.
pub const KEY_TAG: u64 = READABLE_TAG + 2;

/// Names by which ciborium's types ask for tags.
const TAG_TYPE: &str = "@@TAG@@";
const TAGGED: &str = "@@TAGGED@@";
const UNTAGGED: &str = "@@UNTAGGED@@";

/// Audience of encoded values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// For a program that knows the types.
    #[default]
    Compact,
    /// For people: values that JSON can express.
    Readable,
}

/// A value could not be encoded: its `Serialize` refused, or it nests too deeply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be encoded as CBOR: {0}")]
pub struct EncodeError(String);

impl EncodeError {
    /// Makes an error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Bytes are not the CBOR of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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

/// Encodes `value`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Encodes `value` at the end of `bytes`.
pub fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    encode_as(Form::Compact, value, bytes)
}

/// Encodes `value` at the end of `bytes`, in the given form.
pub fn encode_as<T: Serialize + ?Sized>(
    form: Form,
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    value.serialize(&mut ser::Serializer::new(bytes, form, MAX_DEPTH))
}

/// Encodes all arguments of a call at once: an array, or a map by name. Each argument may nest as
/// deeply as any value.
pub fn encode_arguments<T: Serialize + ?Sized>(arguments: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    arguments.serialize(&mut ser::Serializer::new(
        &mut bytes,
        Form::Compact,
        MAX_DEPTH + 1,
    ))?;
    Ok(bytes)
}

/// The arguments of a call, in the readable form.
#[derive(Debug)]
pub struct Readable<T>(pub T);

impl<T: Serialize> Serialize for Readable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tagged = serializer.serialize_tuple_variant(TAG_TYPE, 0, TAGGED, 2)?;
        tagged.serialize_field(&READABLE_TAG)?;
        tagged.serialize_field(&self.0)?;
        tagged.end()
    }
}

/// Decodes one value that takes up all of `bytes`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_as(Form::Compact, bytes)
}

/// Decodes one value that takes up all of `bytes`, in the given form.
pub fn decode_as<T: DeserializeOwned>(form: Form, bytes: &[u8]) -> Result<T, DecodeError> {
    let mut deserializer = de::Deserializer::new(bytes, form);
    let value = T::deserialize(&mut deserializer).map_err(de::Error::into_public)?;
    match deserializer.left() {
        0 => Ok(value),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// Returns the form of a call's arguments, and the position at which they begin.
pub fn form(input: &[u8]) -> (Form, usize) {
    let mut reader = Reader {
        bytes: input,
        at: 0,
    };
    match reader.head() {
        Ok((6, Some(READABLE_TAG))) => (Form::Readable, reader.at),
        _ => (Form::Compact, 0),
    }
}

/// Decodes one value that takes up all of `bytes`. A [`Bytes`] result that is encoded in one piece
/// shares `bytes`, without a copy.
pub fn decode_shared<T: DeserializeOwned + 'static>(bytes: Bytes) -> Result<T, DecodeError> {
    decode_shared_as(Form::Compact, bytes)
}

/// Decodes one value in the given form, and shares `bytes` as [`decode_shared`] does.
pub fn decode_shared_as<T: DeserializeOwned + 'static>(
    form: Form,
    bytes: Bytes,
) -> Result<T, DecodeError> {
    let mut value = None::<T>;
    let place = (&mut value as &mut dyn Any).downcast_mut::<Option<Bytes>>();
    if let (Some(place), Some(head)) = (place, whole_byte_string(&bytes)) {
        *place = Some(bytes.slice(head..));
    }
    value.map_or_else(|| decode_as(form, &bytes), Ok)
}

/// Returns the length of the head of a byte string that comes in one piece and takes up all of
/// `bytes`.
fn whole_byte_string(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader { bytes, at: 0 };
    let (major, length) = reader.head().ok()?;
    let length = usize::try_from(length?).ok()?;
    (major == 2 && bytes.len() - reader.at == length).then_some(reader.at)
}

/// Writes the head of an array of `length` items.
pub fn array_head(length: usize, bytes: &mut Vec<u8>) {
    head(4, length as u64, bytes);
}

/// Writes the head of a byte string of `length` bytes; the caller appends the bytes unchanged.
pub fn bytes_head(length: usize, bytes: &mut Vec<u8>) {
    head(2, length as u64, bytes);
}

fn head(major: u8, value: u64, bytes: &mut Vec<u8>) {
    let major = major << 5;
    match value {
        0..24 => bytes.push(major | value.to_le_bytes()[0]),
        24..=0xff => bytes.extend([major | 24, value.to_le_bytes()[0]]),
        0x100..=0xffff => {
            bytes.push(major | 25);
            bytes.extend(&value.to_be_bytes()[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            bytes.push(major | 26);
            bytes.extend(&value.to_be_bytes()[4..]);
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend(value.to_be_bytes());
        }
    }
}

/// The arguments of a call, located in its input but not yet decoded: an array by position, or a
/// map by name.
#[derive(Debug, PartialEq, Eq)]
pub enum Items {
    /// The items of an array.
    Positional(Vec<Range<usize>>),
    /// The entries of a map whose keys are texts.
    Named(Vec<(String, Range<usize>)>),
}

/// Largest number of arguments: no function written by a person has more parameters.
const MAX_ITEMS: u64 = 256;

/// Splits an array, or a map with text keys, into its items without decoding them.
pub fn items(bytes: &[u8]) -> Result<Items, DecodeError> {
    let mut reader = Reader { bytes, at: 0 };
    let (major, count) = reader.head()?;
    let count = count
        .filter(|count| *count <= MAX_ITEMS)
        .ok_or(DecodeError::Malformed(0))?;
    let items = match major {
        4 => Items::Positional(
            (0..count)
                .map(|_| reader.item())
                .collect::<Result<_, _>>()?,
        ),
        5 => Items::Named(
            (0..count)
                .map(|_| reader.entry())
                .collect::<Result<_, _>>()?,
        ),
        _ => {
            return Err(DecodeError::Type(
                "the input is neither an array nor a map".into(),
            ));
        }
    };
    match bytes.len() - reader.at {
        0 => Ok(items),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// Walks over well-formed CBOR without building anything.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn entry(&mut self) -> Result<(String, Range<usize>), DecodeError> {
        let key = self.item()?;
        Ok((decode(&self.bytes[key])?, self.item()?))
    }

    fn item(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        self.skip(0)?;
        Ok(start..self.at)
    }

    /// Skips an item that stands inside `depth` others.
    fn skip(&mut self, depth: usize) -> Result<(), DecodeError> {
        let (mut start, mut head) = (self.at, self.head()?);
        let mut tags = 0;
        while let (6, Some(_)) = head {
            tags += 1;
            if tags > MAX_WRAPS {
                return Err(DecodeError::TooDeep);
            }
            (start, head) = (self.at, self.head()?);
        }
        let (major, value) = head;
        if matches!(major, 4 | 5) && depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        match (major, value) {
            (0 | 1, Some(_)) | (7, Some(_)) => Ok(()),
            (2 | 3, Some(length)) => {
                let length = usize::try_from(length).map_err(|_| DecodeError::Malformed(start))?;
                self.take(length).map(drop)
            }
            (4, Some(count)) => (0..count).try_for_each(|_| self.skip(depth + 1)),
            (5, Some(count)) => (0..count).try_for_each(|_| {
                self.skip(depth + 1)?;
                self.skip(depth + 1)
            }),
            (2 | 3, None) => loop {
                match self.head()? {
                    (found, Some(length)) if found == major => {
                        let length =
                            usize::try_from(length).map_err(|_| DecodeError::Malformed(start))?;
                        self.take(length)?;
                    }
                    (7, None) => break Ok(()),
                    _ => break Err(DecodeError::Malformed(start)),
                }
            },
            (4 | 5, None) => {
                while self.bytes.get(self.at) != Some(&0xff) {
                    self.skip(depth + 1)?;
                }
                self.take(1).map(drop)
            }
            _ => Err(DecodeError::Malformed(start)),
        }
    }

    /// Returns the major type and the argument of the next item; `None` if its length is
    /// indefinite.
    #[inline]
    fn head(&mut self) -> Result<(u8, Option<u64>), DecodeError> {
        let start = self.at;
        let [first] = self.take_array()?;
        let value = match first & 0x1f {
            value @ 0..24 => value.into(),
            24 => u8::from_be_bytes(self.take_array()?).into(),
            25 => u16::from_be_bytes(self.take_array()?).into(),
            26 => u32::from_be_bytes(self.take_array()?).into(),
            27 => u64::from_be_bytes(self.take_array()?),
            31 => return Ok((first >> 5, None)),
            _ => return Err(DecodeError::Malformed(start)),
        };
        Ok((first >> 5, Some(value)))
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.first_chunk().ok_or(DecodeError::Malformed(self.at))?;
        self.at += N;
        Ok(*taken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Malformed(self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

/// Decodes base64. Each byte string has exactly one accepted spelling.
pub fn from_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    let complaint = || {
        DecodeError::Type(format!(
            "{:?} is no base64",
            text.chars().take(60).collect::<String>()
        ))
    };
    let digit = |byte| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    let digits = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text);
    if !text.len().is_multiple_of(4) {
        return Err(complaint());
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.as_bytes().chunks(4) {
        let bits = group
            .iter()
            .try_fold(0, |bits, byte| Some(bits << 6 | u32::from(digit(*byte)?)));
        let bits = bits.ok_or_else(complaint)? << (6 * (4 - group.len()));
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (decoded, rest) = decoded.split_at(group.len() - 1);
        if rest.iter().any(|byte| *byte != 0) {
            return Err(complaint());
        }
        bytes.extend(decoded);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_an_array_into_items_that_decode() {
        let bytes = encode(&("a b a", 1, vec![Some(2.5), None])).unwrap();
        let Items::Positional(items) = items(&bytes).unwrap() else {
            panic!("an array")
        };
        assert_eq!(decode::<String>(&bytes[items[0].clone()]).unwrap(), "a b a");
        assert_eq!(
            decode::<Vec<Option<f64>>>(&bytes[items[2].clone()]).unwrap(),
            [Some(2.5), None]
        );
    }

    #[test]
    fn splits_a_map_by_name() {
        let bytes = encode(&std::collections::BTreeMap::from([("n", 1), ("text", 2)])).unwrap();
        let Items::Named(items) = items(&bytes).unwrap() else {
            panic!("a map")
        };
        assert_eq!(
            items.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
            ["n", "text"]
        );
    }

    #[test]
    fn heads_are_those_of_the_encoder() {
        for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
            let mut bytes = Vec::new();
            array_head(length, &mut bytes);
            bytes.extend(vec![0xf6; length]);
            assert_eq!(bytes, encode(&vec![(); length]).unwrap(), "{length} items");
        }
    }

    #[test]
    fn declared_lengths_are_not_believed() {
        assert_eq!(
            items(&[0x81, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Err(DecodeError::Malformed(10))
        );
        assert!(
            decode::<Vec<u8>>(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err()
        );
    }

    #[test]
    fn byte_strings_are_shared_if_they_are_whole() {
        for length in [0, 23, 24, 255, 256, 65_536] {
            let mut encoded = Vec::new();
            bytes_head(length, &mut encoded);
            encoded.resize(encoded.len() + length, 7);
            let encoded = Bytes::from(encoded);
            let bytes = decode_shared::<Bytes>(encoded.clone()).unwrap();
            assert_eq!(bytes, vec![7; length]);
            assert!(
                length == 0 || bytes.as_ptr_range().end == encoded.as_ptr_range().end,
                "{length} bytes were copied"
            );
        }
        assert!(decode_shared::<Bytes>(Bytes::from_static(b"\x42\x01")).is_err());
        assert_eq!(
            decode_shared::<Bytes>(Bytes::from_static(b"\x41\x01\x02")),
            Err(DecodeError::Trailing(1))
        );
        assert_eq!(
            decode_shared::<Bytes>(Bytes::from_static(b"\x5f\x41\x01\xff")).unwrap(),
            [1][..]
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = [&[0x81; 1000][..], &[0xf6]].concat();
        assert_eq!(items(&deep), Err(DecodeError::TooDeep));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(decode::<u8>(&[1, 2]), Err(DecodeError::Trailing(1)));
        assert_eq!(items(&[0x80, 0x80]), Err(DecodeError::Trailing(1)));
    }
}
