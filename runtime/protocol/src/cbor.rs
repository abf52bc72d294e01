//! CBOR with bounds: no trailing bytes, limited depth, and arguments as raw items.
//!
//! Values come from the other side, so nothing here trusts a declared length: beyond the 1 MiB that serde reserves for
//! one, memory grows with bytes that are there.

use std::{any::Any, ops::Range};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// How deep values may nest. Far beyond honest data, far below the stack of a guest.
pub const MAX_DEPTH: usize = 64;

/// A value could not be encoded: its `Serialize` refused, for instance a map of unknown length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be encoded as CBOR: {0}")]
pub struct EncodeError(String);

impl EncodeError {
    /// A value that cannot be encoded for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Bytes are not the CBOR of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a value, or are no CBOR at all.
    #[error("malformed CBOR at byte {0}")]
    Malformed(usize),
    /// Well-formed, but of another type; serde's own words.
    #[error("{0}")]
    Type(String),
    /// A value nests deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
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
pub fn encode_into<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    ciborium::into_writer(value, bytes).map_err(|error| match error {
        ciborium::ser::Error::Io(error) => EncodeError(error.to_string()),
        ciborium::ser::Error::Value(text) => EncodeError(text),
    })
}

/// Decodes one value that takes all of `bytes`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    use ciborium::de::Error;

    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH).map_err(|error| match error {
        Error::Io(_) => DecodeError::Malformed(bytes.len()),
        Error::Syntax(at) => DecodeError::Malformed(at),
        Error::Semantic(_, text) => DecodeError::Type(text),
        Error::RecursionLimitExceeded => DecodeError::TooDeep,
    })?;
    match rest.len() {
        0 => Ok(value),
        left => Err(DecodeError::Trailing(left)),
    }
}

/// Decodes one value that takes all of `bytes`. If [`Bytes`] are wanted they are a slice of it, and nothing is copied.
pub fn decode_shared<T: DeserializeOwned + 'static>(bytes: Bytes) -> Result<T, DecodeError> {
    let mut value = None::<T>;
    let place = (&mut value as &mut dyn Any).downcast_mut::<Option<Bytes>>();
    if let (Some(place), Some(head)) = (place, whole_byte_string(&bytes)) {
        *place = Some(bytes.slice(head..));
    }
    value.map_or_else(|| decode(&bytes), Ok)
}

/// Length of the head of a byte string that comes in one piece and takes all of `bytes`.
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

/// Writes the head of a byte string of `length` bytes; the bytes follow as they are.
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

/// The arguments of a call, found in its input but not yet decoded: an array by position, or a map by name.
#[derive(Debug, PartialEq, Eq)]
pub enum Items {
    /// The items of an array.
    Positional(Vec<Range<usize>>),
    /// The entries of a map whose keys are texts.
    Named(Vec<(String, Range<usize>)>),
}

/// Arguments a call may have: no function in a human's source has more parameters.
const MAX_ITEMS: u64 = 256;

/// Splits an array, or a map with text keys, into its items without decoding them.
pub fn items(bytes: &[u8]) -> Result<Items, DecodeError> {
    let mut reader = Reader { bytes, at: 0 };
    let (major, count) = reader.head()?;
    let count = count.filter(|count| *count <= MAX_ITEMS).ok_or(DecodeError::Malformed(0))?;
    let items = match major {
        4 => Items::Positional((0..count).map(|_| reader.item()).collect::<Result<_, _>>()?),
        5 => Items::Named((0..count).map(|_| reader.entry()).collect::<Result<_, _>>()?),
        _ => return Err(DecodeError::Type("the input is neither an array nor a map".into())),
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

impl Reader<'_> {
    fn entry(&mut self) -> Result<(String, Range<usize>), DecodeError> {
        let key = self.item()?;
        Ok((decode(&self.bytes[key])?, self.item()?))
    }

    fn item(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        self.skip(0)?;
        Ok(start..self.at)
    }

    fn skip(&mut self, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        let start = self.at;
        let (major, value) = self.head()?;
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
            (6, Some(_)) => self.skip(depth + 1),
            (2..=5, None) => {
                while self.bytes.get(self.at) != Some(&0xff) {
                    self.skip(depth + 1)?;
                }
                self.take(1).map(drop)
            }
            _ => Err(DecodeError::Malformed(start)),
        }
    }

    /// Major type and argument of the next item; no argument if its length is indefinite.
    fn head(&mut self) -> Result<(u8, Option<u64>), DecodeError> {
        let start = self.at;
        let first = self.take(1)?[0];
        let length = match first & 0x1f {
            value @ 0..24 => return Ok((first >> 5, Some(value.into()))),
            code @ 24..=27 => 1 << (code - 24),
            31 => return Ok((first >> 5, None)),
            _ => return Err(DecodeError::Malformed(start)),
        };
        let value = self.take(length)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Ok((first >> 5, Some(value)))
    }

    fn take(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Malformed(self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_an_array_into_items_that_decode() {
        let bytes = encode(&("a b a", 1, vec![Some(2.5), None])).unwrap();
        let Items::Positional(items) = items(&bytes).unwrap() else { panic!("an array") };
        assert_eq!(decode::<String>(&bytes[items[0].clone()]).unwrap(), "a b a");
        assert_eq!(decode::<Vec<Option<f64>>>(&bytes[items[2].clone()]).unwrap(), [Some(2.5), None]);
    }

    #[test]
    fn splits_a_map_by_name() {
        let bytes = encode(&std::collections::BTreeMap::from([("n", 1), ("text", 2)])).unwrap();
        let Items::Named(items) = items(&bytes).unwrap() else { panic!("a map") };
        assert_eq!(items.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["n", "text"]);
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
        assert!(decode::<Vec<u8>>(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
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
        assert_eq!(decode_shared::<Bytes>(Bytes::from_static(b"\x41\x01\x02")), Err(DecodeError::Trailing(1)));
        assert_eq!(decode_shared::<Bytes>(Bytes::from_static(b"\x5f\x41\x01\xff")).unwrap(), [1][..]);
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
