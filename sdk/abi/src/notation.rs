//! Values as the vectors write them: in JSON where JSON can say it, else as an object with one key
//! that begins with `$`; and encoded values as hexadecimal digits.

use serde_json::{Map, Value as Json, json};
use wxec::call::Value;

/// Length of the longest encoded value that digits may stand for: the longest of a vector has some
/// hundred kilobytes.
const MAX_BYTES: usize = 16 << 20;

/// Longest range of numbers.
const MAX_RANGE: i64 = 1_000_000;

/// Reason why a part of a vector cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct NotationError {
    text: String,
    expected: &'static str,
}

impl NotationError {
    fn new(text: impl ToString, expected: &'static str) -> Self {
        Self {
            text: text.to_string(),
            expected,
        }
    }
}

/// An argument as a vector writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    /// A value.
    Plain(Value),
    /// An end for the function to receive from, with the items to send to it.
    Receiver(Vec<Value>),
    /// An end for the function to send into, with the items that it has to send.
    Sender(Vec<Value>),
    /// An end for the function to send into, which is closed when it has sent these items.
    First(Vec<Value>),
}

/// Reads an argument.
pub(crate) fn argument(json: &Json) -> Result<Argument, NotationError> {
    match marked(json) {
        Some(("$receiver", items)) => Ok(Argument::Receiver(list(items)?)),
        Some(("$sender", items)) => Ok(Argument::Sender(list(items)?)),
        Some(("$first", items)) => Ok(Argument::First(list(items)?)),
        _ => Ok(Argument::Plain(value(json)?)),
    }
}

/// Reads a value.
pub(crate) fn value(json: &Json) -> Result<Value, NotationError> {
    match (json, marked(json)) {
        (_, Some(("$bytes", Json::String(digits)))) => Ok(Value::Bytes(bytes(digits)?)),
        (_, Some(("$float", Json::String(word)))) => float(word).map(Value::Float),
        (_, Some(("$range", _))) => list(json).map(Value::Array),
        (_, Some(_)) => Err(NotationError::new(json, "a mark that the notation has")),
        (Json::Null, _) => Ok(Value::Null),
        (Json::Bool(flag), _) => Ok(Value::Bool(*flag)),
        (Json::String(text), _) => Ok(Value::Text(text.clone())),
        (Json::Number(number), _) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Ok(number.into()),
            (_, Some(number), _) => Ok(number.into()),
            (.., Some(number)) => Ok(number.into()),
            _ => Err(NotationError::new(number, "a number of 64 bits")),
        },
        (Json::Array(_), _) => list(json).map(Value::Array),
        (Json::Object(entries), _) => entries
            .iter()
            .map(|(key, entry)| Ok((key.clone().into(), value(entry)?)))
            .collect::<Result<_, _>>()
            .map(Value::Map),
    }
}

fn list(json: &Json) -> Result<Vec<Value>, NotationError> {
    if let Some(("$range", bounds)) = marked(json) {
        return range(bounds);
    }
    let items = json
        .as_array()
        .ok_or_else(|| NotationError::new(json, "a list"))?;
    items.iter().map(value).collect()
}

/// Returns the numbers from the first to below the second, in steps of the third or of 1.
fn range(bounds: &Json) -> Result<Vec<Value>, NotationError> {
    let number = |place: usize| bounds.get(place).and_then(Json::as_i64);
    match (number(0), number(1), number(2).unwrap_or(1)) {
        (Some(first), Some(end), step @ 1..) if end.saturating_sub(first) <= MAX_RANGE => {
            let numbers = (first..end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
            Ok(numbers.map(Value::from).collect())
        }
        _ => Err(NotationError::new(bounds, "a range of numbers")),
    }
}

/// Returns the mark and the content of an object that stands for what JSON lacks.
fn marked(json: &Json) -> Option<(&str, &Json)> {
    let mut entries = json.as_object()?.iter();
    let (mark, content) = entries.next()?;
    (mark.starts_with('$') && entries.next().is_none()).then_some((mark, content))
}

fn float(word: &str) -> Result<f64, NotationError> {
    match word {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => Err(NotationError::new(word, "NaN, Infinity or -Infinity")),
    }
}

/// Reads hexadecimal digits in words: `82 01 02`. `81*1000` is a word a thousand times.
pub(crate) fn bytes(digits: &str) -> Result<Vec<u8>, NotationError> {
    let malformed = || NotationError::new(digits, "hexadecimal digits, two for a byte");
    let mut bytes = Vec::new();
    for word in digits.split_whitespace() {
        let (word, times) = word.split_once('*').unwrap_or((word, "1"));
        let word = word
            .as_bytes()
            .chunks(2)
            .map(|pair| {
                let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
                u8::from_str_radix(pair, 16).ok()
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(malformed)?;
        let times: usize = times.parse().map_err(|_| malformed())?;
        if word.len().saturating_mul(times) > MAX_BYTES - bytes.len().min(MAX_BYTES) {
            return Err(NotationError::new(digits, "short enough"));
        }
        bytes.extend(word.repeat(times));
    }
    Ok(bytes)
}

/// Writes a value as [`value`] reads it, for people to compare. Values that no vector has are
/// written with a mark of their own.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Integer(number) => {
            let number = i128::from(*number);
            let short = i64::try_from(number)
                .map(Json::from)
                .or_else(|_| u64::try_from(number).map(Json::from));
            short.unwrap_or_else(|_| json!({"$integer": number.to_string()}))
        }
        Value::Float(number) if number.is_nan() => json!({"$float": "NaN"}),
        Value::Float(f64::INFINITY) => json!({"$float": "Infinity"}),
        Value::Float(f64::NEG_INFINITY) => json!({"$float": "-Infinity"}),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"$bytes": digits})
        }
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let text_keys = entries
                .iter()
                .map(|(key, value)| Some((key.as_text()?.to_owned(), to_json(value))));
            match text_keys.collect::<Option<Map<_, _>>>() {
                Some(entries) => Json::Object(entries),
                None => {
                    let entries = entries.iter();
                    let pairs = entries.map(|(key, value)| json!([to_json(key), to_json(value)]));
                    json!({"$map": pairs.collect::<Vec<_>>()})
                }
            }
        }
        Value::Tag(tag, inner) => json!({"$tag": [tag, to_json(inner)]}),
        _ => json!({"$other": true}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written() {
        for (json, expected) in [
            (json!(null), Value::Null),
            (json!(i64::MIN), i64::MIN.into()),
            (json!(u64::MAX), u64::MAX.into()),
            (json!(2.0), Value::Float(2.0)),
            (json!({"$bytes": "00ff"}), Value::Bytes(vec![0, 255])),
            (json!({"$float": "Infinity"}), Value::Float(f64::INFINITY)),
            (
                json!({"a": [true]}),
                Value::Map(vec![("a".into(), Value::Array(vec![true.into()]))]),
            ),
            (json!({}), Value::Map(Vec::new())),
        ] {
            assert_eq!(value(&json), Ok(expected.clone()), "{json}");
            assert_eq!(to_json(&expected), json);
        }
        let even = Value::Array(vec![0.into(), 2.into()]);
        assert_eq!(value(&json!({"$range": [0, 4, 2]})), Ok(even));
        assert!(value(&json!({"$range": [0, i64::MAX]})).is_err());
        assert!(value(&json!({"$bits": "1"})).is_err());
        assert!(value(&json!({"$float": "1"})).is_err());
    }

    #[test]
    fn ends_of_channels_are_arguments() {
        assert_eq!(
            argument(&json!({"$receiver": [1]})),
            Ok(Argument::Receiver(vec![1.into()]))
        );
        assert_eq!(
            argument(&json!({"$sender": []})),
            Ok(Argument::Sender(Vec::new()))
        );
        assert!(value(&json!({"$sender": []})).is_err(), "it is no value");
    }

    #[test]
    fn digits_may_repeat() {
        assert_eq!(
            bytes("81*3 f6 0102"),
            Ok(vec![0x81, 0x81, 0x81, 0xf6, 1, 2])
        );
        assert_eq!(bytes(""), Ok(Vec::new()));
        for wrong in [
            "8",
            "zz",
            "81*",
            "81*x",
            "é1",
            "00*99999999999",
            "00*16777216 00",
        ] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
