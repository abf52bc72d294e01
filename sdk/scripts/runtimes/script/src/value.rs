//! Values between a script and the host: CBOR without the types of one language.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{Error, SerializeMap},
};

/// A value of any language.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null, `None`, `undefined`, or no value.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of CBOR's range, which is wider than 64 bits.
    Int(i128),
    /// A floating point number.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list or a tuple.
    List(Vec<Value>),
    /// A map, in the order of its entries.
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// Makes a map whose keys are texts.
    pub fn record<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.map(|(key, value)| (key.into(), value)).into())
    }

    /// Returns the value of a map's entry.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else {
            return None;
        };
        let found = entries
            .iter()
            .find(|(name, _)| matches!(name, Self::Text(name) if name == key));
        found.map(|(_, value)| value)
    }

    /// Returns the value as a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub fn as_list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Names the kind of a value in a complaint: `a text`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(_) => f.write_str("a boolean"),
            Self::Int(number) => write!(f, "the integer {number}"),
            Self::Float(number) => write!(f, "the number {number:?}"),
            Self::Text(_) => f.write_str("a text"),
            Self::Bytes(_) => f.write_str("bytes"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => serializer.serialize_i64(number),
                (_, Ok(number)) => serializer.serialize_u64(number),
                _ => Err(S::Error::custom(format!(
                    "the integer {number} has more than 64 bits"
                ))),
            },
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

/// Writes the visits of plain values.
macro_rules! visits {
    ($($visit:ident($value:ident: $type:ty) => $made:expr;)*) => {$(
        fn $visit<E>(self, $value: $type) -> Result<Value, E> {
            Ok($made)
        }
    )*};
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    visits! {
        visit_bool(flag: bool) => Value::Bool(flag);
        visit_i64(number: i64) => Value::Int(number.into());
        visit_u64(number: u64) => Value::Int(number.into());
        visit_i128(number: i128) => Value::Int(number);
        visit_f64(number: f64) => Value::Float(number);
        visit_str(text: &str) => Value::Text(text.to_owned());
        visit_string(text: String) => Value::Text(text);
        visit_bytes(bytes: &[u8]) => Value::Bytes(bytes.to_owned());
        visit_byte_buf(bytes: Vec<u8>) => Value::Bytes(bytes);
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        // Grows with the items that arrive, never by an announced length.
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use wxec_protocol::cbor;

    use super::*;

    #[test]
    fn values_travel_as_they_are() {
        let value = Value::List(vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(u64::MAX.into()),
            Value::Int(i64::MIN.into()),
            Value::Float(-0.0),
            "ä".into(),
            Value::Bytes(vec![0, 255]),
            Value::Map(vec![(Value::Int(1), Value::List(vec![]))]),
        ]);
        let bytes = cbor::encode(&value).unwrap();
        assert_eq!(cbor::decode::<Value>(&bytes), Ok(value));
    }

    #[test]
    fn hostile_lengths_and_depths_are_errors() {
        for bytes in [
            &b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"[..],
            b"\x5a\xff\xff\xff\xff",
            b"\x61\xff",
            b"",
        ] {
            assert!(cbor::decode::<Value>(bytes).is_err(), "{bytes:?}");
        }
        assert!(cbor::decode::<Value>(&[0x81; 1000]).is_err());
    }
}
