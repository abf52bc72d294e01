//! Differences between what a call did and what its vector says that it has to do.

use std::fmt;

use serde_json::{Value as Json, json};
use wxec::{
    CallErrorKind,
    call::{LimitKind, TaskFailure, Value},
    cbor,
    module::Function,
};

use crate::{
    notation::{self, Argument, NotationError},
    observed::{End, Observed, Printed},
    scratch::Scratch,
    vectors::{Denied, Failure, LimitName, Logged, Outcome, Signature, Vector},
};

/// Longest text of a difference: some lines of a terminal.
const MAX_TEXT_CHARS: usize = 600;

/// A difference between a vector and a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs, such as `value`.
    pub what: &'static str,
    /// What the vector expects.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl Difference {
    fn new(what: &'static str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self {
            what,
            expected: shortened(expected.to_string()),
            found: shortened(found.to_string()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            expected,
            found,
        } = self;
        write!(f, "{what}: expected {expected}, found {found}")
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns all differences of a call.
pub(crate) fn differences(
    vector: &Vector,
    observed: &Observed,
    scratch: &Scratch,
) -> Result<Vec<Difference>, NotationError> {
    let mut found = Vec::new();
    found.extend(end(&vector.expect, &observed.end, scratch)?);
    found.extend(sent(&vector.arguments, &observed.sent)?);
    let Printed {
        stdout,
        stderr,
        log,
    } = &observed.printed;
    found.extend(printed("stdout", vector.stdout.as_deref(), stdout));
    found.extend(printed("stderr", vector.stderr.as_deref(), stderr));
    found.extend(
        vector
            .log
            .as_deref()
            .and_then(|expected| logged(expected, log)),
    );
    Ok(found)
}

/// Returns the difference between a function and its signature.
pub(crate) fn description(expected: &Signature, found: &Function) -> Option<Difference> {
    let parameters = expected.parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|parameter| format!("{}: {}", parameter.name, parameter.type_name))
        .collect();
    let returns = match &*found.returns {
        "" => "()",
        returns => returns,
    };
    // The errors of a language that returns one from each function are no difference.
    let is_alike = parameters == parameters_of(found)
        && expected.returns == returns
        && (found.error.is_some() || !expected.fails);
    let text = |parameters: &[String], returns: &str, fails: bool| {
        let fails = if fails { ", and can fail" } else { "" };
        format!("({}) -> {returns}{fails}", parameters.join(", "))
    };
    (!is_alike).then(|| {
        Difference::new(
            "description",
            text(&parameters, &expected.returns, expected.fails),
            text(&parameters_of(found), returns, found.error.is_some()),
        )
    })
}

fn parameters_of(function: &Function) -> Vec<String> {
    let parameters = function.parameters.iter();
    parameters
        .map(|parameter| format!("{}: {}", parameter.name, parameter.type_name))
        .collect()
}

fn end(
    expected: &Outcome,
    found: &End,
    scratch: &Scratch,
) -> Result<Option<Difference>, NotationError> {
    let is_alike = match (expected, found) {
        (Outcome::Value(expected), End::Returned(found)) => {
            same(&notation::value(expected)?, found)
        }
        (Outcome::Failure(expected), End::Failed(CallErrorKind::Failed(found))) => {
            is_failure(expected, found, scratch)?
        }
        (Outcome::Ended, End::Returned(_) | End::Failed(CallErrorKind::Failed(_))) => true,
        (Outcome::BadArguments(texts), End::Failed(CallErrorKind::BadArguments(reason))) => {
            contains(reason, texts, scratch)
        }
        (Outcome::Panic(text), End::Failed(CallErrorKind::Panic { message, .. })) => {
            message.contains(text)
        }
        (Outcome::Trap, End::Failed(CallErrorKind::Trap { .. })) => true,
        (
            Outcome::Limit(LimitName::Memory),
            End::Failed(CallErrorKind::Limit {
                which: LimitKind::Memory,
                ..
            }),
        ) => true,
        (Outcome::Limit(LimitName::Time), End::Failed(CallErrorKind::Timeout { .. })) => true,
        (Outcome::Denied(expected), End::Failed(CallErrorKind::Denied { needs, message })) => {
            let needs: Vec<_> = needs.iter().map(ToString::to_string).collect();
            let wanted: Vec<_> = expected.needs.iter().map(|it| scratch.place(it)).collect();
            needs == wanted && contains(message, &expected.contains, scratch)
        }
        (Outcome::Cancelled, End::Cancelled) => true,
        _ => false,
    };
    Ok((!is_alike).then(|| Difference::new("end", expected, found)))
}

fn is_failure(
    expected: &Failure,
    found: &TaskFailure,
    scratch: &Scratch,
) -> Result<bool, NotationError> {
    let Failure {
        type_name,
        message,
        chain,
        data,
        contains: texts,
    } = expected;
    let data_is_alike = match data {
        None => true,
        Some(expected) => {
            let found = found.data.as_deref().map(cbor::decode);
            let expected = notation::value(expected)?;
            matches!(found, Some(Ok(found)) if same(&expected, &found))
        }
    };
    Ok(data_is_alike
        && type_name.as_ref().is_none_or(|it| *it == found.type_name)
        && message.as_ref().is_none_or(|it| *it == found.message)
        && chain.as_ref().is_none_or(|it| *it == found.chain)
        && contains(&found.to_string(), texts, scratch))
}

fn contains(text: &str, parts: &[String], scratch: &Scratch) -> bool {
    parts.iter().all(|part| text.contains(&scratch.place(part)))
}

/// Compares two values. A NaN is like any other, and the order of a map's entries does not matter.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let has = |entries: &[(Value, Value)], key: &Value, value: &Value| {
                let mut entries = entries.iter();
                entries.any(|(other, found)| same(key, other) && same(value, found))
            };
            a.len() == b.len() && a.iter().all(|(key, value)| has(b, key, value))
        }
        (a, b) => a == b,
    }
}

/// Compares the items of each channel that the function sends on.
fn sent(arguments: &Json, sent: &[Vec<Value>]) -> Result<Option<Difference>, NotationError> {
    let arguments: Vec<_> = match arguments {
        Json::Array(items) => items.iter().collect(),
        Json::Object(entries) => entries.values().collect(),
        one => vec![one],
    };
    let mut expected = Vec::new();
    for argument in arguments {
        if let Argument::Sender(items) | Argument::First(items) = notation::argument(argument)? {
            expected.push(Value::Array(items));
        }
    }
    let found: Vec<_> = sent.iter().cloned().map(Value::Array).collect();
    let (expected, found) = (Value::Array(expected), Value::Array(found));
    Ok((!same(&expected, &found)).then(|| {
        let (expected, found) = (notation::to_json(&expected), notation::to_json(&found));
        Difference::new("items sent", expected, found)
    }))
}

fn printed(what: &'static str, expected: Option<&str>, found: &[u8]) -> Option<Difference> {
    let expected = expected.filter(|expected| expected.as_bytes() != found)?;
    let found = String::from_utf8_lossy(found);
    Some(Difference::new(
        what,
        format_args!("{expected:?}"),
        format_args!("{found:?}"),
    ))
}

fn logged(expected: &[Logged], found: &[Logged]) -> Option<Difference> {
    let texts = |records: &[Logged]| {
        let texts = records.iter().map(|record| {
            let Logged {
                level,
                target,
                message,
            } = record;
            json!([level, target, message])
        });
        Json::Array(texts.collect())
    };
    (expected != found).then(|| Difference::new("log", texts(expected), texts(found)))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "the value {value}"),
            Self::Failure(failure) => failure.fmt(f),
            Self::Ended => f.write_str("a value or a failure"),
            Self::BadArguments(texts) if texts.is_empty() => {
                f.write_str("a refusal of the arguments")
            }
            Self::BadArguments(texts) => {
                write!(f, "a refusal of the arguments with {}", texts.join(" and "))
            }
            Self::Panic(message) => write!(f, "a panic with {message:?}"),
            Self::Trap => f.write_str("a trap"),
            Self::Limit(LimitName::Time) => f.write_str("an end by the limit of time"),
            Self::Limit(LimitName::Memory) => f.write_str("an end by the limit of memory"),
            Self::Denied(Denied { needs, contains }) => {
                write!(f, "an end for want of {}", needs.join(" "))?;
                if !contains.is_empty() {
                    write!(f, ", with {}", contains.join(" and "))?;
                }
                Ok(())
            }
            Self::Cancelled => f.write_str("a call that runs until it is cancelled"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a failure")?;
        let mut parts = Vec::new();
        parts.extend(self.type_name.as_ref().map(|it| format!("type {it}")));
        parts.extend(self.message.as_ref().map(|it| format!("message {it:?}")));
        parts.extend(self.chain.as_ref().map(|it| format!("chain {it:?}")));
        parts.extend(self.data.as_ref().map(|it| format!("data {it}")));
        if !self.contains.is_empty() {
            parts.push(format!(
                "text that contains {}",
                self.contains.join(" and ")
            ));
        }
        if !parts.is_empty() {
            write!(f, " with {}", parts.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(value) => write!(f, "the value {}", notation::to_json(value)),
            Self::Garbled(reason) => write!(f, "a value that is no CBOR: {reason}"),
            Self::Failed(CallErrorKind::Failed(failure)) => {
                let TaskFailure {
                    type_name,
                    message,
                    chain,
                    data,
                } = failure;
                write!(
                    f,
                    "a failure with type {type_name}, message {message:?}, chain {chain:?}"
                )?;
                match data.as_deref().map(cbor::decode::<Value>) {
                    None => Ok(()),
                    Some(Ok(data)) => write!(f, ", data {}", notation::to_json(&data)),
                    Some(Err(error)) => write!(f, ", data that is no CBOR: {error}"),
                }
            }
            Self::Failed(kind) => kind.fmt(f),
            Self::Cancelled => f.write_str("a call that was still under way"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_the_abi_means_them() {
        let map = |entries: [(&str, i64); 2]| {
            Value::Map(
                entries
                    .map(|(key, value)| (key.into(), value.into()))
                    .into(),
            )
        };
        assert!(same(&map([("a", 1), ("b", 2)]), &map([("b", 2), ("a", 1)])));
        assert!(!same(
            &map([("a", 1), ("b", 2)]),
            &map([("a", 2), ("b", 1)])
        ));
        assert!(same(&f64::NAN.into(), &(-f64::NAN).into()));
        assert!(!same(&0.0.into(), &(-0.0).into()));
        assert!(!same(&1.into(), &1.0.into()), "a number of each kind");
    }

    #[test]
    fn a_long_value_is_cut_where_it_is_shown() {
        let difference = Difference::new("value", "é".repeat(1000), "x");
        assert_eq!(difference.expected.chars().count(), MAX_TEXT_CHARS + 1);
        assert!(difference.to_string().ends_with("…, found x"));
    }
}
