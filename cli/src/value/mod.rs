//! Converts arguments that people type to the CBOR that a function takes.
//!
//! The spelling of a parameter's type decides how a word is read. If the spelling does not tell,
//! and the function takes the readable form, the function's own decoder chooses between the word
//! and its meaning as JSON.

use wxec::{Value, cbor};

mod json;
mod parse;
#[cfg(test)]
mod round_trips;
mod type_text;

pub(crate) use json::to_json;
pub(crate) use parse::{Unreadable, parse, parse_arguments};
pub(crate) use type_text::Type;

/// Reason why an argument is not of its parameter's type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It must be JSON, and is not.
    NotJson(String),
    /// It is JSON that is refused for this reason.
    Refused(String),
    /// A value inside of it is refused.
    RefusedWithin {
        /// The place of that value, such as `[2].a`.
        path: String,
        /// The reason.
        reason: String,
    },
    /// It is of another type.
    OtherType,
    /// Something inside is of another type.
    Within {
        /// The place of that value, such as `[2].a`.
        path: String,
        /// The value found there.
        found: String,
    },
    /// It names a file that cannot be read.
    File(String),
}

impl From<Unreadable> for Mismatch {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::NotJson(reason) => Self::NotJson(reason),
            Unreadable::Refused(reason) => Self::Refused(reason),
        }
    }
}

impl Mismatch {
    /// Returns the mismatch as seen from the enclosing value, one step further out.
    fn at(self, step: &str, found: impl FnOnce() -> String) -> Self {
        match self {
            Self::OtherType => Self::Within {
                path: step.to_owned(),
                found: found(),
            },
            Self::Within { path, found } => Self::Within {
                path: format!("{step}{path}"),
                found,
            },
            Self::Refused(reason) => Self::RefusedWithin {
                path: step.to_owned(),
                reason,
            },
            Self::RefusedWithin { path, reason } => Self::RefusedWithin {
                path: format!("{step}{path}"),
                reason,
            },
            other => other,
        }
    }
}

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
            (Type::Float, Value::Text(text)) => match &*text {
                json::NAN => Ok(f64::NAN.into()),
                json::INFINITY => Ok(f64::INFINITY.into()),
                json::NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY.into()),
                _ => Err(Mismatch::OtherType),
            },
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
            (Type::Map { key, value: wanted }, Value::Map(entries)) => {
                let entry = |(name, value): (Value, Value)| {
                    let step = step(&name);
                    let shown = to_json(&name);
                    let name = self
                        .key(name, key)
                        .map_err(|mismatch| mismatch.at(&step, || shown))?;
                    Ok((name, self.inside(value, wanted, &step)?))
                };
                entries
                    .into_iter()
                    .map(entry)
                    .collect::<Result<_, _>>()
                    .map(Value::Map)
            }
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

/// Returns a text together with its meaning as JSON, if it has one.
fn written(tag: u64, text: &str) -> Value {
    let parts = [Some(text.into()), parse(text).ok().map(with_keys)];
    Value::Tag(
        tag,
        Value::Array(parts.into_iter().flatten().collect()).into(),
    )
}

/// Returns a key whose type is unknown here.
fn key(name: String) -> Value {
    if parse(&name).is_ok() {
        written(cbor::KEY_TAG, &name)
    } else {
        Value::Text(name)
    }
}

/// Converts all text keys inside of `value` by [`key`].
fn with_keys(value: Value) -> Value {
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
mod tests {
    use super::*;

    fn from_word(word: &str, wanted: &Type) -> Result<Value, Mismatch> {
        Reader { readable: false }.word(word, wanted)
    }

    /// Returns the JSON of what `word` becomes for a parameter of the type `wanted`.
    fn read(word: &str, wanted: &str) -> Result<String, Mismatch> {
        from_word(word, &Type::parse(wanted)).map(|value| to_json(&value))
    }

    #[test]
    fn bare_words_are_texts_where_texts_are_wanted() {
        for wanted in [
            "String",
            "&str",
            "Cow<'_, str>",
            "&std::path::Path",
            "Option<String>",
        ] {
            assert_eq!(read("to be", wanted).unwrap(), r#""to be""#, "{wanted}");
            assert_eq!(
                read(r#""to\nbe""#, wanted).unwrap(),
                r#""to\nbe""#,
                "{wanted}"
            );
            assert_eq!(read("17", wanted).unwrap(), r#""17""#, "{wanted}");
            assert!(
                matches!(read(r#""open"#, wanted), Err(Mismatch::NotJson(_))),
                "{wanted}"
            );
        }
        assert_eq!(read("", "String").unwrap(), r#""""#);
        assert_eq!(read("null", "String").unwrap(), r#""null""#);
        assert_eq!(read("null", "Option<String>").unwrap(), "null");
        assert_eq!(read("é", "char").unwrap(), r#""é""#);
        assert!(read("ab", "char").is_err());
    }

    #[test]
    fn numbers_have_ranges() {
        for (word, wanted) in [
            ("255", "u8"),
            ("-128", "i8"),
            ("0", "usize"),
            ("18446744073709551615", "u64"),
            ("-1", "isize"),
            ("340282366920938463463374607431768211455", "u128"),
            ("-170141183460469231731687303715884105728", "i128"),
        ] {
            assert_eq!(read(word, wanted).unwrap(), word, "{wanted}");
        }
        for (word, wanted) in [
            ("256", "u8"),
            ("-129", "i8"),
            ("-1", "usize"),
            ("1.0", "u32"),
            ("\"1\"", "u32"),
            ("true", "u32"),
            ("null", "u32"),
            ("18446744073709551616", "u64"),
            ("-9223372036854775809", "i64"),
            ("170141183460469231731687303715884105728", "i128"),
        ] {
            assert_eq!(
                read(word, wanted),
                Err(Mismatch::OtherType),
                "{word} as {wanted}"
            );
        }
        assert!(matches!(read("x", "usize"), Err(Mismatch::NotJson(_))));
    }

    #[test]
    fn whole_numbers_become_floats() {
        assert_eq!(from_word("1", &Type::Float), Ok(Value::Float(1.0)));
        assert_eq!(
            from_word("[1, 2.5]", &Type::parse("Vec<f32>")),
            Ok(Value::Array(vec![1.0.into(), 2.5.into()]))
        );
    }

    #[test]
    fn floats_are_written_in_many_ways() {
        for (word, printed) in [
            ("0.1", "0.1"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("-1e-3", "-0.001"),
            ("NaN", "\"NaN\""),
            ("\"NaN\"", "\"NaN\""),
            ("-inf", "\"-Infinity\""),
            ("\"Infinity\"", "\"Infinity\""),
        ] {
            assert_eq!(read(word, "f32").unwrap(), printed, "{word}");
        }
        assert_eq!(read(r#"[1,"NaN"]"#, "Vec<f64>").unwrap(), r#"[1.0,"NaN"]"#);
        assert!(matches!(read("1e999", "f64"), Err(Mismatch::Refused(_))));
        assert_eq!(read("\"x\"", "f64"), Err(Mismatch::OtherType));
    }

    #[test]
    fn bytes_come_as_text_list_or_file() {
        let bytes = Ok(Value::Bytes(vec![104, 105]));
        for wanted in ["Bytes", "wxec::Bytes", "&[u8]"] {
            for word in ["hi", r#""aGk=""#, "[104, 105]"] {
                assert_eq!(
                    from_word(word, &Type::parse(wanted)),
                    bytes,
                    "{word} as {wanted}"
                );
            }
            assert!(matches!(
                from_word("@/nonexistent", &Type::parse(wanted)),
                Err(Mismatch::File(_))
            ));
            assert_eq!(
                from_word("[256]", &Type::parse(wanted)),
                Err(Mismatch::OtherType)
            );
            let text = from_word(r#""hi""#, &Type::parse(wanted)).unwrap_err();
            let reason = "\"hi\" is no base64, as bytes are in JSON; a bare word, without quotes, is taken as it is";
            assert_eq!(text, Mismatch::Refused(reason.into()));
        }
        assert_eq!(read("hi", "Vec<u8>").unwrap(), "[104,105]");
        assert_eq!(read("abcd", "[u8; 4]").unwrap(), "[97,98,99,100]");
        assert!(read("abc", "[u8; 4]").is_err());
    }

    #[test]
    fn what_is_nested_is_checked() {
        for (word, wanted) in [
            (r#"[["a",2],["b",null]]"#, "Vec<(String, Option<u8>)>"),
            (r#"{"1":[true]}"#, "BTreeMap<u16, Vec<bool>>"),
            (r#"{"a":{"any":[1]}}"#, "HashMap<String, Person>"),
            ("[]", "Vec<String>"),
            ("null", "()"),
            ("null", "Option<Vec<u8>>"),
        ] {
            assert_eq!(read(word, wanted).unwrap(), word, "{wanted}");
        }
        for (word, wanted) in [
            ("{}", "Vec<u16>"),
            ("[1]", "HashMap<String, u8>"),
            ("0", "()"),
        ] {
            assert_eq!(
                read(word, wanted),
                Err(Mismatch::OtherType),
                "{word} as {wanted}"
            );
        }
        for (word, wanted, path, found) in [
            (r#"[["a",256]]"#, "Vec<(String, u8)>", "[0][1]", "256"),
            (r#"[["a"]]"#, "Vec<(String, u8)>", "[0]", r#"["a"]"#),
            (r#"{"x":1}"#, "BTreeMap<u16, u8>", ".x", "\"x\""),
            (
                r#"{"a b":[true,null]}"#,
                "BTreeMap<String, Vec<bool>>",
                "[\"a b\"][1]",
                "null",
            ),
        ] {
            let mismatch = Mismatch::Within {
                path: path.into(),
                found: found.into(),
            };
            assert_eq!(read(word, wanted), Err(mismatch), "{word} as {wanted}");
        }
    }

    #[test]
    fn a_refusal_says_where() {
        let mismatch = from_word(
            r#"{"a":["aGk=","hi"]}"#,
            &Type::parse("BTreeMap<String, Vec<Bytes>>"),
        )
        .unwrap_err();
        let Mismatch::RefusedWithin { path, reason } = mismatch else {
            panic!("{mismatch:?}")
        };
        assert_eq!(path, ".a[1]");
        assert_eq!(reason, "\"hi\" is no base64, as bytes are in JSON");
    }

    #[test]
    fn options_of_options_are_told_apart() {
        let nested = "Option<Option<u32>>";
        for (word, cbor) in [
            ("null", Value::Null),
            (
                r#"{"Some":null}"#,
                Value::Tag(cbor::SOME_TAG, Value::Null.into()),
            ),
            (r#"{"Some":5}"#, 5.into()),
            ("5", 5.into()),
        ] {
            assert_eq!(from_word(word, &Type::parse(nested)), Ok(cbor), "{word}");
        }
        let readable = Reader { readable: true }
            .word(r#"{"Some":null}"#, &Type::parse(nested))
            .unwrap();
        assert_eq!(
            to_json(&readable),
            r#"{"Some":null}"#,
            "as the function reads it"
        );
    }

    #[test]
    fn a_function_chooses_between_a_word_and_its_json() {
        let read = |word: &str| Reader { readable: true }.word(word, &Type::Any);
        let written = |tag, parts: Vec<Value>| Value::Tag(tag, Value::Array(parts).into());
        assert_eq!(read("::1"), Ok(written(cbor::WORD_TAG, vec!["::1".into()])));
        assert_eq!(
            read("17"),
            Ok(written(cbor::WORD_TAG, vec!["17".into(), 17.into()]))
        );
        assert_eq!(read("\"17\""), Ok("17".into()));
        assert!(matches!(read("{\"a\":"), Err(Mismatch::NotJson(_))));
        let key = written(cbor::KEY_TAG, vec!["1".into(), 1.into()]);
        let inner = Value::Map(vec![(key, true.into())]);
        assert_eq!(
            read(r#"[{"m":{"1":true}}]"#),
            Ok(Value::Array(vec![Value::Map(vec![("m".into(), inner)])]))
        );
    }

    #[test]
    fn types_we_do_not_know_take_any_json() {
        assert_eq!(
            read(r#"{"b":[1,2.0],"a":"x"}"#, "Person").unwrap(),
            r#"{"b":[1,2.0],"a":"x"}"#
        );
        assert!(matches!(read("word", "Person"), Err(Mismatch::NotJson(_))));
    }
}
