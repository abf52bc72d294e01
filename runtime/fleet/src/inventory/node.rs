//! Values of an inventory as they were written: a tree that keeps lines and order, of TOML or JSON.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use wxec_controller::Value;

use super::error::Problem;

/// A value, and its line. Values of JSON have no lines.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: Option<usize>,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// A text, a number, a truth value, or something that has no place in an inventory.
    Single(Value),
    List(Vec<Node>),
    /// Keys with their lines, in the order of the file.
    Table(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) line: Option<usize>,
}

impl Node {
    /// Reads TOML. Returns all mistakes in it if there are any.
    pub(super) fn of_toml(text: &str) -> Result<Self, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let lines = Lines::of(text);
        if !errors.is_empty() {
            let problem = |error: toml::de::Error| Problem {
                line: error.span().map(|span| lines.at(span.start)),
                place: String::new(),
                message: error.message().to_owned(),
            };
            return Err(errors.into_iter().map(problem).collect());
        }
        let line = Some(1);
        let content = table_of_toml(&lines, table.into_inner());
        Ok(Self { line, content })
    }

    /// Reads JSON.
    pub(super) fn of_json(text: &[u8]) -> Result<Self, Vec<Problem>> {
        serde_json::from_slice(text).map_err(|error| {
            vec![Problem {
                line: None,
                place: String::new(),
                message: format!("what it prints is not JSON: {error}"),
            }]
        })
    }

    /// Returns the value without lines.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Single(value) => value.clone(),
            Content::List(nodes) => Value::Array(nodes.iter().map(Self::to_value).collect()),
            Content::Table(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, node)| (key.text.clone().into(), node.to_value()))
                    .collect(),
            ),
        }
    }

    /// Names the kind of the value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Single(Value::Text(_)) => "a text",
            Content::Single(Value::Bool(_)) => "a truth value",
            Content::Single(Value::Null) => "null",
            Content::Single(_) => "a number",
            Content::List(_) => "a list",
            Content::Table(_) => "a table",
        }
    }
}

/// The places of all ends of lines.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// Returns the number of the line with the byte at `offset`.
    fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

fn table_of_toml(lines: &Lines, table: DeTable<'_>) -> Content {
    let mut entries: Vec<_> = table.into_iter().collect();
    // The parser sorts keys; a person who wrote them wants them in the order of the file.
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| {
        let line = Some(lines.at(key.span().start));
        let key = Key {
            line,
            text: key.into_inner().into_owned(),
        };
        (key, node_of_toml(lines, value))
    });
    Content::Table(entries.collect())
}

fn node_of_toml(lines: &Lines, value: Spanned<DeValue<'_>>) -> Node {
    let line = Some(lines.at(value.span().start));
    let content = match value.into_inner() {
        DeValue::String(text) => Content::Single(Value::Text(text.into_owned())),
        DeValue::Integer(number) => Content::Single(integer(number.as_str(), number.radix())),
        DeValue::Float(number) => Content::Single(float(number.as_str())),
        DeValue::Boolean(truth) => Content::Single(Value::Bool(truth)),
        DeValue::Datetime(time) => Content::Single(Value::Text(time.to_string())),
        DeValue::Array(values) => Content::List(
            values
                .into_iter()
                .map(|value| node_of_toml(lines, value))
                .collect(),
        ),
        DeValue::Table(table) => table_of_toml(lines, table),
    };
    Node { line, content }
}

/// Returns the number, or null for one that no program can hold, which is a mistake later.
fn integer(digits: &str, radix: u32) -> Value {
    i128::from_str_radix(digits, radix)
        .ok()
        .and_then(|number| number.try_into().ok())
        .map_or(Value::Null, Value::Integer)
}

fn float(digits: &str) -> Value {
    digits.parse().map_or(Value::Null, Value::Float)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = deserializer.deserialize_any(JsonVisitor)?;
        Ok(Self {
            line: None,
            content,
        })
    }
}

/// Keeps the order of keys, and refuses those that stand twice.
struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Single(Value::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Content, E> {
        Ok(Content::Single(Value::Bool(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Content, E> {
        Ok(Content::Single(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Content, E> {
        Ok(Content::Single(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Content, E> {
        Ok(Content::Single(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Single(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Content::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        while let Some((text, node)) = map.next_entry::<String, Node>()? {
            if !seen.insert(text.clone()) {
                return Err(A::Error::custom(format!("the key {text:?} stands twice")));
            }
            entries.push((Key { text, line: None }, node));
        }
        Ok(Content::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_are_the_same_tree() {
        let toml = Node::of_toml("b = [1, 0x10]\na = { c = 1.5, d = 'x' }\n").unwrap();
        let json = Node::of_json(br#"{"b":[1,16],"a":{"c":1.5,"d":"x"}}"#).unwrap();
        assert_eq!(toml.to_value(), json.to_value());
        let Content::Table(entries) = toml.content else {
            panic!("a table")
        };
        let keys: Vec<_> = entries
            .iter()
            .map(|(key, _)| (&*key.text, key.line))
            .collect();
        assert_eq!(keys, [("b", Some(1)), ("a", Some(2))]);
    }

    #[test]
    fn every_mistake_in_the_text_has_its_line() {
        let problems = Node::of_toml("a = \nb = 1\nb = 2\n").unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [Some(1), Some(3)], "{problems:?}");
        let problems = Node::of_json(br#"{"a":1,"a":2}"#).unwrap_err();
        assert!(problems[0].message.contains("stands twice"), "{problems:?}");
    }
}
