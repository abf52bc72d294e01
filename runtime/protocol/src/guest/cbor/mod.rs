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

mod form;
mod error;
mod head;
mod base64;
mod reader;
mod ser;
mod de;

use std::{any::Any, ops::Range};

use bytes::Bytes;
use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeTupleVariant};

pub use base64::from_base64;
pub use error::{DecodeError, EncodeError};
pub use form::{Form, KEY_TAG, MAX_DEPTH, READABLE_TAG, SOME_TAG, WORD_TAG};
pub use head::{array_head, bytes_head};

use form::{TAG_TYPE, TAGGED};
use reader::Reader;

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
                .map(|_| entry(&mut reader))
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

fn entry(reader: &mut Reader<'_>) -> Result<(String, Range<usize>), DecodeError> {
    let key = reader.item()?;
    Ok((decode(&reader.bytes[key])?, reader.item()?))
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
