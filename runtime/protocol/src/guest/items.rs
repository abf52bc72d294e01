//! Items on a stream, which tasks send and receive. Each item is one CBOR value with its length
//! before it.
//!
//! A stream's bytes arrive split anywhere. [`Items`] joins them, and allocates memory only for
//! bytes that have arrived, never for an announced length.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;

use crate::guest::cbor::{self, EncodeError, Form};

/// Longest item. Both ends hold an item whole, beside the other data under way; send larger things
/// in parts.
pub const MAX_ITEM_BYTES: usize = 16 << 20;

/// Length of an item's head: a `u32`, little endian.
const HEAD_BYTES: usize = size_of::<u32>();

/// A stream's bytes are not a sequence of items.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// An announced item is longer than [`MAX_ITEM_BYTES`].
    #[error("an item of {0} bytes, more than the {MAX_ITEM_BYTES} allowed")]
    TooLong(usize),
    /// The stream ended within an item.
    #[error("the stream ended within an item")]
    Cut,
}

/// Encodes an item as it travels on a stream.
///
/// ```
/// # use wxec_protocol::__docs as wxec;
/// # use wxec::encode_item;
/// assert_eq!(encode_item(&"ab")?, b"\x03\0\0\0\x62ab");
/// # Ok::<(), wxec::cbor::EncodeError>(())
/// ```
pub fn encode_item<T: Serialize + ?Sized>(item: &T) -> Result<Vec<u8>, EncodeError> {
    encode_item_as(Form::Compact, item)
}

/// Encodes an item in the given form.
pub fn encode_item_as<T: Serialize + ?Sized>(form: Form, item: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![0; HEAD_BYTES];
    cbor::encode_as(form, item, &mut bytes)?;
    let length = bytes.len() - HEAD_BYTES;
    match u32::try_from(length) {
        Ok(head) if length <= MAX_ITEM_BYTES => {
            bytes[..HEAD_BYTES].copy_from_slice(&head.to_le_bytes());
            Ok(bytes)
        }
        _ => Err(EncodeError::new(ItemError::TooLong(length).to_string())),
    }
}

/// Collects the items of one stream as its bytes arrive.
#[derive(Debug, Default)]
pub struct Items(BytesMut);

impl Items {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Returns the CBOR of the next item, if the item is complete. After an error, stop calling.
    pub fn next_item(&mut self) -> Result<Option<Bytes>, ItemError> {
        let Some(head) = self.0.first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > MAX_ITEM_BYTES {
            return Err(ItemError::TooLong(length));
        }
        if self.0.len() - HEAD_BYTES < length {
            return Ok(None);
        }
        self.0.advance(HEAD_BYTES);
        Ok(Some(self.0.split_to(length).freeze()))
    }

    /// Returns an error if the stream may not end here, because part of an item is left.
    pub fn finish(&self) -> Result<(), ItemError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ItemError::Cut)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_as_they_went_in_however_they_are_cut() {
        let wire: Vec<u8> = ["", "a", "two"]
            .iter()
            .flat_map(|item| encode_item(item).expect("a text encodes"))
            .collect();
        for part in 1..=wire.len() {
            let mut items = Items::default();
            let mut found = Vec::new();
            for bytes in wire.chunks(part) {
                items.push(bytes);
                while let Some(item) = items.next_item().unwrap() {
                    found.push(cbor::decode::<String>(&item).unwrap());
                }
            }
            assert_eq!(
                (found, items.finish()),
                (vec!["".into(), "a".into(), "two".into()], Ok(())),
                "{part}"
            );
        }
    }

    #[test]
    fn an_item_that_is_announced_too_long_is_refused_before_it_arrives() {
        let mut items = Items::default();
        items.push(&u32::MAX.to_le_bytes());
        assert_eq!(
            items.next_item(),
            Err(ItemError::TooLong(u32::MAX as usize))
        );

        let largest = u32::try_from(MAX_ITEM_BYTES).unwrap();
        let mut items = Items::default();
        items.push(&largest.to_le_bytes());
        assert_eq!(items.next_item(), Ok(None), "nothing is allocated for it");
        assert_eq!(items.finish(), Err(ItemError::Cut));
    }

    #[test]
    fn an_item_that_is_too_long_is_not_encoded() {
        let error = encode_item(&vec![0_u8; MAX_ITEM_BYTES])
            .unwrap_err()
            .to_string();
        assert!(error.contains("more than the 16777216 allowed"), "{error}");
        assert!(encode_item(&Bytes::from(vec![0; MAX_ITEM_BYTES - 5])).is_ok());
    }
}
