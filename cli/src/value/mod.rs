//! Arguments as people type them, on their way to the CBOR a function takes.

use wxec::Value;
mod json;
mod type_text;

pub(crate) use json::to_json;
pub(crate) use type_text::Type;

/// Why an argument is not of its parameter's type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It is to be JSON, and is not.
    NotJson(String),
    /// It is of another type.
    OtherType,
    /// It names a file that cannot be read.
    File(String),
}

/// Reads one argument of the command line: a bare word where a text is wanted, else JSON.
pub(crate) fn from_word(word: &str, wanted: &Type) -> Result<Value, Mismatch> {
    let value = match wanted {
        Type::Option(_) if word == "null" => Value::Null,
        Type::Option(wanted) => return from_word(word, wanted),
        Type::Text if !word.starts_with('"') => Value::Text(word.into()),
        Type::Char if word.chars().count() == 1 => Value::Text(word.into()),
        Type::Integer { .. } => large_integer(word).map_or_else(|| parse(word), Ok)?,
        wanted if wanted.is_bytes() && !word.starts_with(['"', '[']) => Value::Bytes(match word.strip_prefix('@') {
            Some(path) => {
                std::fs::read(path).map_err(|error| Mismatch::File(format!("cannot read {path}: {error}")))?
            }
            None => word.into(),
        }),
        _ => parse(word)?,
    };
    from_json(value, wanted).ok_or(Mismatch::OtherType)
}

/// Reads JSON that holds arguments, or one of them.
pub(crate) fn parse(text: &str) -> Result<Value, Mismatch> {
    serde_json::from_str(text).map_err(|error| Mismatch::NotJson(error.to_string()))
}

/// Makes what JSON can say into what CBOR should say for `wanted`; nothing if that is another type.
pub(crate) fn from_json(value: Value, wanted: &Type) -> Option<Value> {
    match (wanted, value) {
        (Type::Any, value) => Some(value),
        (Type::Option(_) | Type::Unit, Value::Null) => Some(Value::Null),
        (Type::Option(wanted), value) => from_json(value, wanted),
        (Type::Bool, value @ Value::Bool(_)) => Some(value),
        (Type::Integer { min, max }, value) => is_within(&value, *min, *max).then_some(value),
        (Type::Float, value @ Value::Float(_)) => Some(value),
        (Type::Float, Value::Integer(number)) => Some(Value::Float(i128::from(number) as f64)),
        (Type::Text, value @ Value::Text(_)) => Some(value),
        (Type::Char, Value::Text(text)) => (text.chars().count() == 1).then_some(Value::Text(text)),
        (Type::Bytes, value) => bytes(value).map(Value::Bytes),
        (Type::List { item, length }, value) => {
            let items = match value {
                Value::Array(items) => items,
                value if wanted.is_bytes() => bytes(value)?.into_iter().map(Value::from).collect(),
                _ => return None,
            };
            if length.is_some_and(|length| length != items.len()) {
                return None;
            }
            items.into_iter().map(|value| from_json(value, item)).collect::<Option<_>>().map(Value::Array)
        }
        (Type::Tuple(types), Value::Array(items)) if types.len() == items.len() => {
            let items = items.into_iter().zip(types).map(|(value, wanted)| from_json(value, wanted));
            items.collect::<Option<_>>().map(Value::Array)
        }
        (Type::Map { key, value: wanted }, Value::Map(entries)) => {
            let entry = |(name, value)| Some((map_key(name, key)?, from_json(value, wanted)?));
            entries.into_iter().map(entry).collect::<Option<_>>().map(Value::Map)
        }
        _ => None,
    }
}

/// Our JSON reader takes numbers beyond 64 bits for floats.
fn large_integer(word: &str) -> Option<Value> {
    word.parse().map(i128::into).or_else(|_| word.parse().map(u128::into)).ok()
}

/// Whether `value` is a number from `min` to `max`.
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

/// JSON has only texts as keys; a number is one in quotes.
fn map_key(name: Value, wanted: &Type) -> Option<Value> {
    match name {
        Value::Text(name) if *wanted == Type::Text => Some(Value::Text(name)),
        Value::Text(name) => from_word(&name, wanted).ok(),
        _ => None,
    }
}

/// A text stands for its UTF-8 bytes, a list for the bytes it lists.
fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Text(text) => Some(text.into_bytes()),
        Value::Array(items) => items.into_iter().map(|item| u8::try_from(item.as_integer()?).ok()).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The JSON of what `word` becomes where a `wanted` is wanted.
    fn read(word: &str, wanted: &str) -> Result<String, Mismatch> {
        from_word(word, &Type::parse(wanted)).map(|value| to_json(&value))
    }

    #[test]
    fn bare_words_are_texts_where_texts_are_wanted() {
        for wanted in ["String", "&str", "Cow<'_, str>", "&std::path::Path", "Option<String>"] {
            assert_eq!(read("to be", wanted).unwrap(), r#""to be""#, "{wanted}");
            assert_eq!(read(r#""to\nbe""#, wanted).unwrap(), r#""to\nbe""#, "{wanted}");
            assert_eq!(read("17", wanted).unwrap(), r#""17""#, "{wanted}");
            assert!(matches!(read(r#""open"#, wanted), Err(Mismatch::NotJson(_))), "{wanted}");
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
            assert_eq!(read(word, wanted), Err(Mismatch::OtherType), "{word} as {wanted}");
        }
        assert!(matches!(read("x", "usize"), Err(Mismatch::NotJson(_))));
    }

    #[test]
    fn whole_numbers_become_floats() {
        assert_eq!(from_word("1", &Type::Float), Ok(Value::Float(1.0)));
        assert_eq!(from_word("[1, 2.5]", &Type::parse("Vec<f32>")), Ok(Value::Array(vec![1.0.into(), 2.5.into()])));
    }

    #[test]
    fn bytes_come_as_text_list_or_file() {
        let bytes = Ok(Value::Bytes(vec![104, 105]));
        for wanted in ["Bytes", "wxec::Bytes", "&[u8]"] {
            for word in ["hi", r#""hi""#, "[104, 105]"] {
                assert_eq!(from_word(word, &Type::parse(wanted)), bytes, "{word} as {wanted}");
            }
            assert!(matches!(from_word("@/nonexistent", &Type::parse(wanted)), Err(Mismatch::File(_))));
            assert_eq!(from_word("[256]", &Type::parse(wanted)), Err(Mismatch::OtherType));
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
            (r#"[["a",256]]"#, "Vec<(String, u8)>"),
            (r#"[["a"]]"#, "Vec<(String, u8)>"),
            (r#"{"x":1}"#, "BTreeMap<u16, u8>"),
            ("{}", "Vec<u16>"),
            ("[1]", "HashMap<String, u8>"),
            ("0", "()"),
        ] {
            assert_eq!(read(word, wanted), Err(Mismatch::OtherType), "{word} as {wanted}");
        }
    }

    #[test]
    fn types_we_do_not_know_take_any_json() {
        assert_eq!(read(r#"{"b":[1,2.0],"a":"x"}"#, "Person").unwrap(), r#"{"b":[1,2.0],"a":"x"}"#);
        assert!(matches!(read("word", "Person"), Err(Mismatch::NotJson(_))));
    }
}
