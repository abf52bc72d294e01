//! Converts arguments that people type to the CBOR that a function takes.
//!
//! The spelling of a parameter's type decides how a word is read. If the spelling does not tell,
//! and the function takes the readable form, the function's own decoder chooses between the word
//! and its meaning as JSON.

use wxec::{call::Value, cbor};

use crate::value::{
    json::{self, to_json},
    mismatch::Mismatch,
    parse::{self, parse},
    readable::{key, with_keys, written},
    type_text::Type,
};

/// Reads arguments for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reader {
    /// True if the function takes the readable form, in which its own decoder has the last word.
    pub(crate) readable: bool,
}

impl Reader {
    /// Reads one argument of the command line: a bare word where a text is wanted, else JSON.
    pub(crate) fn word(self, word: &str, wanted: &Type) -> Result<Value, Mismatch> {
        let bare = !word.starts_with(['"', '[', '{']);
        let value = match wanted {
            Type::Option(_) if word == "null" => Value::Null,
            // Either a marked `Some`, or a text that happens to look like one.
            Type::Option(_) if word.starts_with("{\"Some\"") => parse(word)?,
            Type::Option(wanted) => return self.word(word, wanted),
            Type::Text if !word.starts_with('"') => Value::Text(word.into()),
            Type::Char if word.chars().count() == 1 => Value::Text(word.into()),
            Type::Integer { .. } => parse::whole(word).map_or_else(|| parse(word), Ok)?,
            Type::Float => float(word).map_or_else(|| parse(word), Ok)?,
            wanted if wanted.is_bytes() && !word.starts_with(['"', '[']) => {
                let bytes = match word.strip_prefix('@') {
                    Some(path) => {
                        let failed = |error| Mismatch::File(format!("cannot read {path}: {error}"));
                        std::fs::read(path).map_err(failed)?
                    }
                    None => word.into(),
                };
                Value::Bytes(bytes)
            }
            Type::Any if self.readable && bare => return Ok(written(cbor::WORD_TAG, word)),
            _ => parse(word)?,
        };
        self.json(value, wanted).map_err(|mismatch| match mismatch {
            Mismatch::Refused(reason) if wanted.is_bytes() => Mismatch::Refused(format!(
                "{reason}; a bare word, without quotes, is taken as it is"
            )),
            other => other,
        })
    }

    /// Converts a value from JSON to the CBOR for a parameter of the type `wanted`.
    pub(crate) fn json(self, value: Value, wanted: &Type) -> Result<Value, Mismatch> {
        match (wanted, value) {
            (Type::Any, value) => Ok(if self.readable {
                with_keys(value)
            } else {
                value
            }),
            (Type::Option(_) | Type::Unit, Value::Null) => Ok(Value::Null),
            (Type::Option(wanted), Value::Map(entries)) if is_some(&entries) => {
                let inner = entries.into_iter().next().expect("it has one entry").1;
                self.some(self.json(inner, wanted)?)
            }
            (Type::Option(wanted), value) => self.json(value, wanted),
            (Type::Bool, value @ Value::Bool(_)) => Ok(value),
            (Type::Integer { min, max }, value) if is_within(&value, *min, *max) => Ok(value),
            (Type::Float, value @ Value::Float(_)) => Ok(value),
            (Type::Float, Value::Integer(number)) => Ok(Value::Float(i128::from(number) as f64)),
            (Type::Float, Value::Text(text)) => spelled_float(&text)
                .map(Value::Float)
                .ok_or(Mismatch::OtherType),
            (Type::Text, value @ Value::Text(_)) => Ok(value),
            (Type::Char, Value::Text(text)) if text.chars().count() == 1 => Ok(Value::Text(text)),
            (Type::Bytes, value) => bytes(value).map(Value::Bytes),
            (Type::List { item, length }, value) => {
                let items = match value {
                    Value::Array(items) => items,
                    value if wanted.is_bytes() => {
                        bytes(value)?.into_iter().map(Value::from).collect()
                    }
                    _ => return Err(Mismatch::OtherType),
                };
                if length.is_some_and(|length| length != items.len()) {
                    return Err(Mismatch::OtherType);
                }
                self.items(items.into_iter().map(|value| (value, &**item)))
            }
            (Type::Tuple(types), Value::Array(items)) if types.len() == items.len() => {
                self.items(items.into_iter().zip(types))
            }
            (Type::Map { key, value }, Value::Map(entries)) => self.entries(entries, key, value),
            _ => Err(Mismatch::OtherType),
        }
    }

    fn items<'a>(self, items: impl Iterator<Item = (Value, &'a Type)>) -> Result<Value, Mismatch> {
        let item = |(index, (value, wanted))| self.inside(value, wanted, &format!("[{index}]"));
        items
            .enumerate()
            .map(item)
            .collect::<Result<_, _>>()
            .map(Value::Array)
    }

    fn entries(
        self,
        entries: Vec<(Value, Value)>,
        key: &Type,
        wanted: &Type,
    ) -> Result<Value, Mismatch> {
        let entry = |(name, value): (Value, Value)| {
            let (step, shown) = (step(&name), to_json(&name));
            let name = self.key(name, key);
            let name = name.map_err(|mismatch| mismatch.at(&step, || shown))?;
            Ok((name, self.inside(value, wanted, &step)?))
        };
        let entries = entries.into_iter().map(entry);
        entries.collect::<Result<_, _>>().map(Value::Map)
    }

    fn inside(self, value: Value, wanted: &Type, step: &str) -> Result<Value, Mismatch> {
        // The message of a mismatch shows the value.
        let found = value.clone();
        self.json(value, wanted)
            .map_err(|mismatch| mismatch.at(step, || to_json(&found)))
    }

    /// Converts the key of a map. JSON has only texts as keys, so a number is a text.
    fn key(self, name: Value, wanted: &Type) -> Result<Value, Mismatch> {
        match (name, wanted) {
            (name @ Value::Text(_), Type::Text) => Ok(name),
            (name @ Value::Text(_), Type::Bytes) => bytes(name).map(Value::Bytes),
            (Value::Text(name), wanted) if self.readable && !wanted.is_known() => Ok(key(name)),
            (Value::Text(name), wanted) => {
                self.word(&name, wanted).map_err(|_| Mismatch::OtherType)
            }
            _ => Err(Mismatch::OtherType),
        }
    }

    /// Returns `Some` of a value, marked where it would be mistaken for the value itself.
    fn some(self, inner: Value) -> Result<Value, Mismatch> {
        Ok(match inner {
            inner if self.readable => Value::Map(vec![("Some".into(), inner)]),
            inner @ (Value::Null | Value::Tag(cbor::SOME_TAG, _)) => {
                Value::Tag(cbor::SOME_TAG, inner.into())
            }
            inner => inner,
        })
    }
}

/// Returns true if a map has the form in which a marked `Some` is printed.
fn is_some(entries: &[(Value, Value)]) -> bool {
    matches!(entries, [(Value::Text(name), _)] if name == "Some")
}

/// Returns the step in a path from a map to the value of `key`.
fn step(key: &Value) -> String {
    let is_word = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    match key {
        Value::Text(text) if is_word(text) && text.starts_with(|c: char| !c.is_numeric()) => {
            format!(".{text}")
        }
        key => format!("[{}]", to_json(key)),
    }
}

/// Reads a number as people write it, which need not be JSON: `.5`, `inf`.
fn float(word: &str) -> Option<Value> {
    let number = word.parse::<f64>().ok()?;
    // A number that is too large must not become an infinity.
    (number.is_finite() || !word.contains(|c: char| c.is_ascii_digit())).then(|| number.into())
}

/// Returns a number that JSON has no digits for, as it is printed.
fn spelled_float(text: &str) -> Option<f64> {
    match text {
        json::NAN => Some(f64::NAN),
        json::INFINITY => Some(f64::INFINITY),
        json::NEGATIVE_INFINITY => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Returns true if `value` is a number from `min` to `max`.
fn is_within(value: &Value, min: i128, max: u128) -> bool {
    // Beyond 64 bits, CBOR has numbers as tagged bytes.
    let large = |tag| match value {
        Value::Tag(found, bytes) if *found == tag => json::magnitude(bytes.as_bytes()?),
        _ => None,
    };
    match (value, large(2), large(3)) {
        (Value::Integer(number), ..) => {
            let number = i128::from(*number);
            number >= min && u128::try_from(number).is_ok_and(|number| number <= max) | (number < 0)
        }
        (_, Some(number), _) => number <= max,
        (_, _, Some(number)) => i128::try_from(number).is_ok_and(|number| -1 - number >= min),
        _ => false,
    }
}

/// Returns the bytes in a list of numbers, or in a text in base64, the form in which bytes are
/// printed.
fn bytes(value: Value) -> Result<Vec<u8>, Mismatch> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Text(text) => cbor::from_base64(&text)
            .map_err(|error| Mismatch::Refused(format!("{error}, as bytes are in JSON"))),
        Value::Array(items) => {
            let bytes = items
                .into_iter()
                .map(|item| u8::try_from(item.as_integer()?).ok());
            bytes.collect::<Option<_>>().ok_or(Mismatch::OtherType)
        }
        _ => Err(Mismatch::OtherType),
    }
}

#[cfg(test)]
mod tests;
