//! The items of arrays and maps, and the maps that are variants.

use serde::{
    Deserializer as _,
    de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::{
    error::{Error, Result},
    input::{BREAK, Deserializer},
    integer::Integer,
    mismatch::shortened,
};
use crate::guest::cbor::error::DecodeError;

impl<'de> Deserializer<'de> {
    /// Opens an array or map, and makes `visit` take everything in it.
    pub(super) fn open<T>(
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

    /// Returns the step from a map to the value of the key that comes next.
    fn step(&mut self) -> String {
        let start = self.reader.at;
        let is_name = |text: &str| {
            text.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        match self.string(&"a text") {
            Ok(text) if is_name(&text) => return format!(".{}", shortened(&text)),
            Ok(text) => return format!("[{:?}]", shortened(&text)),
            Err(_) => self.reader.at = start,
        }
        match self.integer(&"a number") {
            Ok(Integer::Positive(number)) => format!("[{number}]"),
            Ok(Integer::Negative(number)) => format!("[{number}]"),
            Err(_) => "[…]".into(),
        }
    }
}

/// The items of an array or map.
pub(super) struct Access<'a, 'de> {
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
        key.step()
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
pub(super) struct Variant<'a, 'b, 'de>(pub(super) &'a mut Access<'b, 'de>);

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
