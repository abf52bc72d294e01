//! Values as JSON. CBOR can express more than JSON, so some values are spelled in another way.
//!
//! Bytes are a string in base64. Map keys that are not texts are a string of their JSON. Numbers
//! that are not finite are the strings `NaN`, `Infinity` and `-Infinity`. Entries keep their order,
//! and numbers all their digits. The output can be read back as an argument of the same type.

use std::collections::HashSet;

use ciborium::Value;
use wxec_protocol::cbor;

/// Returns `value` as JSON, in one line: the form in which the command line prints values, and in
/// which programs that are called as tasks get their arguments.
///
/// Bytes are a string in base64. Map keys that are not texts are a string of their JSON. Numbers
/// that are not finite are the strings `NaN`, `Infinity` and `-Infinity`, and a `Some` that would be
/// read as something else is `{"Some": …}`. Entries keep their order, and numbers all their digits.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use wxec::call::{Value, to_json};
///
/// let value = Value::Array(vec![1.into(), f64::NAN.into(), Value::Bytes(b"foo".into())]);
/// assert_eq!(to_json(&value), r#"[1,"NaN","Zm9v"]"#);
/// ```
pub fn to_json(value: &Value) -> String {
    let mut json = String::new();
    write(value, &mut json);
    json
}

fn write(value: &Value, json: &mut String) {
    match value {
        Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
        Value::Integer(number) => json.push_str(&i128::from(*number).to_string()),
        Value::Float(number) if number.is_nan() => write_text(NAN, json),
        Value::Float(f64::INFINITY) => write_text(INFINITY, json),
        Value::Float(f64::NEG_INFINITY) => write_text(NEGATIVE_INFINITY, json),
        Value::Float(number) => json.push_str(&serde_json::Value::from(*number).to_string()),
        Value::Text(text) => write_text(text, json),
        Value::Bytes(bytes) => write_text(&base64(bytes), json),
        Value::Array(items) => write_array(items, json),
        Value::Map(entries) => write_map(entries, json),
        // Distinguishes `Some` of a null from the null, and nested ones from each other.
        Value::Tag(cbor::SOME_TAG, inner) => {
            json.push_str(r#"{"Some":"#);
            write(inner, json);
            json.push('}');
        }
        Value::Tag(tag, inner) => match large_integer(*tag, inner) {
            Some(number) => json.push_str(&number),
            None => write(inner, json),
        },
        // Null, undefined, and future kinds of CBOR values.
        _ => json.push_str("null"),
    }
}

fn write_array(items: &[Value], json: &mut String) {
    json.push('[');
    for (index, item) in items.iter().enumerate() {
        separate(index, json);
        write(item, json);
    }
    json.push(']');
}

fn write_map(entries: &[(Value, Value)], json: &mut String) {
    json.push('{');
    for (index, ((_, value), key)) in entries.iter().zip(keys(entries)).enumerate() {
        separate(index, json);
        write_text(&key, json);
        json.push(':');
        write(value, json);
    }
    json.push('}');
}

/// Spellings of the numbers that JSON has no digits for.
const NAN: &str = "NaN";
const INFINITY: &str = "Infinity";
const NEGATIVE_INFINITY: &str = "-Infinity";

/// Returns the keys of a map as distinct texts: a text that looks like the JSON of another key
/// keeps its quotes.
fn keys(entries: &[(Value, Value)]) -> impl Iterator<Item = String> {
    let in_json: HashSet<_> = entries
        .iter()
        .filter(|(key, _)| !key.is_text())
        .map(|(key, _)| key_text(key))
        .collect();
    entries.iter().map(move |(key, _)| match key {
        Value::Text(text) if in_json.contains(text) => to_json(key),
        key => key_text(key),
    })
}

fn key_text(key: &Value) -> String {
    match key {
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => base64(bytes),
        Value::Float(number) if !number.is_finite() => to_json(key).trim_matches('"').to_owned(),
        key => to_json(key),
    }
}

fn separate(index: usize, json: &mut String) {
    if index > 0 {
        json.push(',');
    }
}

fn write_text(text: &str, json: &mut String) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Returns a number beyond 64 bits, up to Rust's 128.
fn large_integer(tag: u64, value: &Value) -> Option<String> {
    let magnitude = magnitude(value.as_bytes()?)?;
    match tag {
        2 => Some(magnitude.to_string()),
        3 => Some((-1 - i128::try_from(magnitude).ok()?).to_string()),
        _ => None,
    }
}

/// Returns the number that big-endian bytes mean, if it takes no more than 128 bits.
fn magnitude(bytes: &[u8]) -> Option<u128> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    (significant.len() <= 16).then(|| {
        significant
            .iter()
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (i, byte)| {
            bits | u32::from(*byte) << (16 - 8 * i)
        });
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= group.len() {
                char::from(DIGITS[index as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64() {
        let expected = [
            "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
        ];
        for (length, expected) in expected.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn values_are_written() {
        let map = |entries: Vec<(Value, Value)>| Value::Map(entries);
        for (value, expected) in [
            (Value::Null, "null"),
            (true.into(), "true"),
            ((-3).into(), "-3"),
            (u64::MAX.into(), "18446744073709551615"),
            (u128::MAX.into(), "340282366920938463463374607431768211455"),
            (i128::MIN.into(), "-170141183460469231731687303715884105728"),
            (1.0.into(), "1.0"),
            (0.1.into(), "0.1"),
            (f64::NAN.into(), "\"NaN\""),
            (f64::INFINITY.into(), "\"Infinity\""),
            (f64::NEG_INFINITY.into(), "\"-Infinity\""),
            ("a\"b\n".into(), r#""a\"b\n""#),
            (Value::Bytes(vec![1]), r#""AQ==""#),
            (Value::Array(vec![]), "[]"),
            (Value::Array(vec![1.into(), Value::Null]), "[1,null]"),
            (
                map(vec![("b".into(), 1.into()), ("a".into(), 2.into())]),
                r#"{"b":1,"a":2}"#,
            ),
            (
                map(vec![
                    (1.into(), "x".into()),
                    (Value::Array(vec!["k".into()]), 2.into()),
                ]),
                r#"{"1":"x","[\"k\"]":2}"#,
            ),
            (
                map(vec![
                    (Value::Bytes(vec![1]), 1.into()),
                    (f64::NAN.into(), 2.into()),
                ]),
                r#"{"AQ==":1,"NaN":2}"#,
            ),
            (
                map(vec![(Value::Null, 1.into()), ("null".into(), 2.into())]),
                r#"{"null":1,"\"null\"":2}"#,
            ),
            (
                map(vec![
                    (1.into(), 1.into()),
                    ("1".into(), 2.into()),
                    ("2".into(), 3.into()),
                ]),
                r#"{"1":1,"\"1\"":2,"2":3}"#,
            ),
            (
                Value::Tag(0, Box::new("2026-01-01".into())),
                r#""2026-01-01""#,
            ),
            (
                Value::Tag(122, Box::new(Value::Tag(122, Box::new(Value::Null)))),
                r#"{"Some":{"Some":null}}"#,
            ),
        ] {
            assert_eq!(to_json(&value), expected);
        }
    }
}
