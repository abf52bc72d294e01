//! The readable form of texts: together with their meaning as JSON, for the function's decoder to
//! choose.

use wxec::{call::Value, cbor};

use crate::value::parse::parse;

/// Returns a text together with its meaning as JSON, if it has one.
pub(crate) fn written(tag: u64, text: &str) -> Value {
    let parts = [Some(text.into()), parse(text).ok().map(with_keys)];
    Value::Tag(
        tag,
        Value::Array(parts.into_iter().flatten().collect()).into(),
    )
}

/// Returns a key whose type is unknown here. JSON has no space around it where it is a key.
pub(crate) fn key(name: String) -> Value {
    if name.trim() == name && parse(&name).is_ok() {
        written(cbor::KEY_TAG, &name)
    } else {
        Value::Text(name)
    }
}

/// Converts all text keys inside of `value` by [`key`].
pub(crate) fn with_keys(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(with_keys).collect()),
        Value::Map(entries) => {
            let entry = |(name, value)| match name {
                Value::Text(name) => (key(name), with_keys(value)),
                name => (name, with_keys(value)),
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
        value => value,
    }
}
