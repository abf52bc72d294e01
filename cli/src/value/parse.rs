//! Reads JSON: numbers keep all their digits, and ambiguous input is refused.

use std::{collections::HashSet, fmt};

use serde::{
    Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use wxec::{call::Value, cbor};

/// Reason why a text cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not JSON, for this reason of the parser.
    NotJson(String),
    /// It is JSON, but refused for this reason.
    Refused(String),
}

/// Reads a value that nests no deeper than [`cbor::MAX_DEPTH`].
pub(crate) fn parse(text: &str) -> Result<Value, Unreadable> {
    read(json(text)?, cbor::MAX_DEPTH)
}

/// Reads arguments in a list or an object, which adds one level.
pub(crate) fn parse_arguments(text: &str) -> Result<Value, Unreadable> {
    read(json(text)?, cbor::MAX_DEPTH + 1)
}

fn json<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable::NotJson(error.to_string()))
}

fn read(raw: &RawValue, levels: usize) -> Result<Value, Unreadable> {
    let text = raw.get();
    let inside = || {
        let refused =
            || Unreadable::Refused(format!("it nests deeper than {} levels", cbor::MAX_DEPTH));
        levels.checked_sub(1).ok_or_else(refused)
    };
    match text.as_bytes() {
        [b'{', ..] => object(text, inside()?),
        [b'[', ..] => {
            let levels = inside()?;
            let items: Vec<&RawValue> = json(text)?;
            let items = items.into_iter().map(|raw| read(raw, levels));
            items.collect::<Result<_, _>>().map(Value::Array)
        }
        [b'"', ..] => json(text).map(Value::Text),
        [b't' | b'f', ..] => json(text).map(Value::Bool),
        [b'n', ..] => Ok(Value::Null),
        _ => number(text),
    }
}

fn object(text: &str, levels: usize) -> Result<Value, Unreadable> {
    let mut names = HashSet::new();
    let entry = |(name, raw): (String, &RawValue)| {
        let value = read(raw, levels)?;
        if !names.insert(name.clone()) {
            return Err(Unreadable::Refused(format!(
                "the key {name:?} stands twice in one object"
            )));
        }
        Ok((Value::Text(name), value))
    };
    let entries = entries(text)?.into_iter().map(entry);
    entries.collect::<Result<_, _>>().map(Value::Map)
}

/// The entries of an object, in their order.
fn entries(text: &str) -> Result<Vec<(String, &RawValue)>, Unreadable> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    reader
        .deserialize_map(Entries)
        .map_err(|error| Unreadable::NotJson(error.to_string()))
}

fn number(text: &str) -> Result<Value, Unreadable> {
    let is_whole = !text.contains(['.', 'e', 'E']) && text != "-0";
    if is_whole && let Some(number) = whole(text) {
        return Ok(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && !is_whole => Ok(number.into()),
        Ok(_) => Err(Unreadable::Refused(format!(
            "the number {text} is too large"
        ))),
        Err(_) => Err(Unreadable::NotJson(
            serde_json::Error::custom("invalid number").to_string(),
        )),
    }
}

/// Reads a whole number of up to 128 bits.
pub(super) fn whole(text: &str) -> Option<Value> {
    text.parse()
        .map(i128::into)
        .or_else(|_| text.parse().map(u128::into))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json::to_json;

    #[test]
    fn what_is_read_is_what_is_printed() {
        for text in [
            "null",
            "true",
            "[1,-2,0.5,1e+300,-0.0,[],{}]",
            r#"{"b":{"c":"é\n\""},"a":[null]}"#,
            "340282366920938463463374607431768211455",
            "-170141183460469231731687303715884105728",
            "9007199254740993",
        ] {
            assert_eq!(parse(text).map(|value| to_json(&value)).unwrap(), text);
        }
        assert_eq!(
            parse(" [ 1 , { \"a\" : -0 } ] ")
                .map(|value| to_json(&value))
                .unwrap(),
            r#"[1,{"a":-0.0}]"#
        );
    }

    #[test]
    fn what_is_doubtful_is_refused() {
        let refused = |text: &str| match parse(text) {
            Err(Unreadable::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            refused(r#"[{"a":1,"b":2,"a":3}]"#),
            r#"the key "a" stands twice in one object"#
        );
        assert_eq!(refused("1e999"), "the number 1e999 is too large");
        assert!(refused(&"9".repeat(40)).ends_with("is too large"));
        for text in [
            "",
            "nul",
            "[1,]",
            "{\"a\"}",
            "1 2",
            "01",
            "NaN",
            "\"\\ud800\"",
            "{1:2}",
        ] {
            assert!(matches!(parse(text), Err(Unreadable::NotJson(_))), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit_and_takes_no_stack() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(cbor::MAX_DEPTH)).is_ok());
        assert!(parse_arguments(&nested(cbor::MAX_DEPTH + 1)).is_ok());
        for text in [
            nested(cbor::MAX_DEPTH + 1),
            nested(100_000),
            "{\"a\":".repeat(200) + "1" + &"}".repeat(200),
        ] {
            assert_eq!(
                parse(&text),
                Err(Unreadable::Refused(
                    "it nests deeper than 128 levels".into()
                ))
            );
        }
    }
}
