//! Values with their tags, which only ciborium's types can hold.

use std::any::type_name;

use serde::de::{
    self, DeserializeSeed, EnumAccess, SeqAccess, VariantAccess, Visitor,
    value::{BorrowedStrDeserializer, U64Deserializer},
};

use super::{
    error::{Error, Result},
    input::Deserializer,
};
use crate::guest::cbor::form::{TAGGED, UNTAGGED};

/// Returns true for ciborium's own types. Only they can hold tags, and they ask for tags by a name.
pub(super) fn keeps_tags<V>() -> bool {
    type_name::<V>().starts_with("ciborium::")
}

impl<'de> Deserializer<'de> {
    /// Visits a value with its tag.
    pub(super) fn visit_tagged<V: Visitor<'de>>(
        &mut self,
        tag: Option<u64>,
        visitor: V,
    ) -> Result<V::Value> {
        self.within(|de| visitor.visit_enum(Tagged { de, tag }))
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
