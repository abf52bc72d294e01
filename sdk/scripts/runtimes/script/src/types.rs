//! Types of parameters and values, in the notation of Rust, and the check of values against them.

use std::{collections::BTreeMap, fmt, iter};

use crate::Value;

/// Definitions of records, by name.
pub type Records = BTreeMap<String, Vec<Field>>;

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, in the notation.
    pub type_name: String,
}

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `bool`
    Bool,
    /// An integer: its name, its least and its greatest value.
    Int(&'static str, i128, i128),
    /// `f64`
    Float,
    /// `String`
    Text,
    /// `Bytes`
    Bytes,
    /// `Vec<T>`
    List(Box<Type>),
    /// `Option<T>`
    Option(Box<Type>),
    /// `BTreeMap<K, V>`
    Map(Box<(Type, Type)>),
    /// `(A, B)`
    Tuple(Vec<Type>),
    /// `()`
    Unit,
    /// `Sender<T>`
    Sender(Box<Type>),
    /// `Receiver<T>`
    Receiver(Box<Type>),
    /// A record: its name, and its fields.
    Record(String, Vec<(String, Type)>),
    /// `Value`: anything.
    Any,
}

/// The integers of the notation.
const INTEGERS: [(&str, i128, i128); 10] = [
    ("i8", i8::MIN as i128, i8::MAX as i128),
    ("i16", i16::MIN as i128, i16::MAX as i128),
    ("i32", i32::MIN as i128, i32::MAX as i128),
    ("i64", i64::MIN as i128, i64::MAX as i128),
    ("isize", i32::MIN as i128, i32::MAX as i128),
    ("u8", 0, u8::MAX as i128),
    ("u16", 0, u16::MAX as i128),
    ("u32", 0, u32::MAX as i128),
    ("u64", 0, u64::MAX as i128),
    ("usize", 0, u32::MAX as i128),
];

/// Nesting of one type, so that a record that contains itself is an error.
const MAX_NESTING: usize = 32;

/// Direction of a checked value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the script: only values of the type are taken.
    In,
    /// From the script: a number takes the form that the type wants, as scripts have fewer types of
    /// numbers.
    Out,
}

impl Type {
    /// Reads a type.
    pub fn parse(text: &str, records: &Records) -> Result<Self, String> {
        parse(text, records, 0)
    }

    /// Returns true if an argument of this type may be absent.
    pub fn is_optional(&self) -> bool {
        matches!(self, Self::Option(_) | Self::Any | Self::Unit)
    }

    /// Returns the value in the form of this type, or a complaint such as `expected i64, found a
    /// text`.
    pub fn check(&self, value: Value, direction: Direction) -> Result<Value, String> {
        let out = direction == Direction::Out;
        Ok(match (self, value) {
            (Self::Any, value) => value,
            (Self::Option(_) | Self::Unit, Value::Null) => Value::Null,
            (Self::Option(inner), value) => inner.check(value, direction)?,
            // What a function without a value returns is of no interest.
            (Self::Unit, _) if out => Value::Null,
            (Self::Bool, value @ Value::Bool(_))
            | (Self::Text, value @ Value::Text(_))
            | (Self::Bytes, value @ Value::Bytes(_))
            | (Self::Float, value @ Value::Float(_)) => value,
            (Self::Float, Value::Int(number)) => Value::Float(number as f64),
            (Self::Int(_, least, greatest), Value::Int(number))
                if (least..=greatest).contains(&&number) =>
            {
                Value::Int(number)
            }
            // Beyond 2^53 a floating point number no longer tells neighbouring integers apart.
            (Self::Int(_, least, greatest), Value::Float(number))
                if out
                    && number.trunc() == number
                    && number.abs() <= MAX_SAFE
                    && (least..=greatest).contains(&&(number as i128)) =>
            {
                Value::Int(number as i128)
            }
            (Self::List(inner), Value::List(items)) => {
                let items = items.into_iter().enumerate();
                let checked = items.map(|(at, item)| {
                    let item = inner.check(item, direction);
                    item.map_err(|why| format!("item {}: {why}", at + 1))
                });
                Value::List(checked.collect::<Result<_, _>>()?)
            }
            (Self::Tuple(types), Value::List(items)) if types.len() == items.len() => {
                let places = iter::zip(types, items).enumerate();
                let checked = places.map(|(at, (one, item))| {
                    let item = one.check(item, direction);
                    item.map_err(|why| format!("item {}: {why}", at + 1))
                });
                Value::List(checked.collect::<Result<_, _>>()?)
            }
            (Self::Map(types), Value::Map(entries)) => {
                let entries = entries.into_iter().map(|(key, value)| {
                    let key = types.0.check_key(key, direction);
                    let key = key.map_err(|why| format!("a key: {why}"))?;
                    let value = types.1.check(value, direction);
                    let value = value.map_err(|why| match &key {
                        Value::Text(key) => format!("entry `{}`: {why}", key.escape_debug()),
                        _ => format!("an entry: {why}"),
                    })?;
                    Ok((key, value))
                });
                Value::Map(entries.collect::<Result<_, String>>()?)
            }
            (Self::Record(_, fields), Value::Map(mut entries)) => {
                let checked = fields.iter().map(|(name, one)| {
                    let entry = entries
                        .iter()
                        .position(|(key, _)| matches!(key, Value::Text(key) if key == name));
                    let value = match entry {
                        Some(entry) => entries.swap_remove(entry).1,
                        None if one.is_optional() => Value::Null,
                        None => return Err(format!("field `{name}` is missing")),
                    };
                    let value = one.check(value, direction);
                    let value = value.map_err(|why| format!("field `{name}`: {why}"))?;
                    Ok((Value::from(&**name), value))
                });
                Value::Map(checked.collect::<Result<_, _>>()?)
            }
            (Self::Int(name, _, greatest), Value::Int(number)) if *greatest == MAX_SAFE as i128 => {
                return Err(format!(
                    "expected {name} of at most 53 bits, found the integer {number}"
                ));
            }
            (_, found) => return Err(format!("expected {self}, found {found}")),
        })
    }

    /// Checks a key. Some scripts have texts alone as keys, so a text that is a number will do for
    /// one on the way out.
    fn check_key(&self, key: Value, direction: Direction) -> Result<Value, String> {
        let key = match (self, direction, key) {
            (Self::Int(..), Direction::Out, Value::Text(text)) => match text.parse() {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Text(text),
            },
            (_, _, key) => key,
        };
        self.check(key, direction)
    }
}

/// The greatest integer below which all are exact in a floating point number.
pub const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int(name, ..) => f.write_str(name),
            Self::Float => f.write_str("f64"),
            Self::Text => f.write_str("String"),
            Self::Bytes => f.write_str("Bytes"),
            Self::List(inner) => write!(f, "Vec<{inner}>"),
            Self::Option(inner) => write!(f, "Option<{inner}>"),
            Self::Map(types) => write!(f, "BTreeMap<{}, {}>", types.0, types.1),
            Self::Tuple(types) => {
                f.write_str("(")?;
                for (at, one) in types.iter().enumerate() {
                    write!(f, "{}{one}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(if types.len() == 1 { ",)" } else { ")" })
            }
            Self::Unit => f.write_str("()"),
            Self::Sender(inner) => write!(f, "Sender<{inner}>"),
            Self::Receiver(inner) => write!(f, "Receiver<{inner}>"),
            Self::Record(name, _) => f.write_str(name),
            Self::Any => f.write_str("Value"),
        }
    }
}

fn parse(text: &str, records: &Records, nesting: usize) -> Result<Type, String> {
    let text = text.trim();
    if nesting > MAX_NESTING {
        return Err(format!("the type `{text}` nests too deeply"));
    }
    let inner = |text: &str| parse(text, records, nesting + 1).map(Box::new);
    if let Some(integer) = INTEGERS.iter().find(|(name, ..)| *name == text) {
        return Ok(Type::Int(integer.0, integer.1, integer.2));
    }
    // Integers that fit into a floating point number, for scripts that have no other numbers.
    match text {
        "int" => return Ok(Type::Int("i64", -(MAX_SAFE as i128), MAX_SAFE as i128)),
        "uint" => return Ok(Type::Int("u64", 0, MAX_SAFE as i128)),
        _ => {}
    }
    if let Some(fields) = records.get(text) {
        let fields = fields.iter().map(|field| {
            let one = parse(&field.type_name, records, nesting + 1)?;
            Ok((field.name.clone(), one))
        });
        return Ok(Type::Record(
            text.to_owned(),
            fields.collect::<Result<_, String>>()?,
        ));
    }
    if let Some(items) = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        let types = split(items).into_iter().map(|one| inner(one).map(|t| *t));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        return Ok(match types.is_empty() {
            true => Type::Unit,
            false => Type::Tuple(types),
        });
    }
    let generic = text
        .split_once('<')
        .and_then(|(name, rest)| Some((name, rest.strip_suffix('>')?)));
    Ok(match (text, generic) {
        ("bool", _) => Type::Bool,
        ("f64" | "f32", _) => Type::Float,
        ("String" | "&str", _) => Type::Text,
        ("Bytes", _) => Type::Bytes,
        ("Value", _) => Type::Any,
        (_, Some(("Vec", item))) => Type::List(inner(item)?),
        (_, Some(("Option", item))) => Type::Option(inner(item)?),
        (_, Some(("Sender", item))) => Type::Sender(inner(item)?),
        (_, Some(("Receiver", item))) => Type::Receiver(inner(item)?),
        (_, Some(("BTreeMap", items))) => match split(items)[..] {
            [key, value] => Type::Map(Box::new((*inner(key)?, *inner(value)?))),
            _ => return Err(format!("`{text}` needs a type of keys and one of values")),
        },
        _ => return Err(format!("the type `{text}` is not known")),
    })
}

/// Splits a list of types at its commas, but not at those within a type.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' | b'(' => depth += 1,
            b'>' | b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(type_name: &str, value: Value, direction: Direction) -> Result<Value, String> {
        let fields = ["x", "y"].map(|name| Field {
            name: name.into(),
            type_name: "i64".into(),
        });
        let records = Records::from([("Point".into(), fields.into())]);
        Type::parse(type_name, &records)
            .unwrap()
            .check(value, direction)
    }

    #[test]
    fn types_are_shown_as_they_are_written() {
        for text in [
            "bool",
            "i64",
            "u8",
            "f64",
            "String",
            "Bytes",
            "Vec<Option<String>>",
            "()",
            "Value",
            "BTreeMap<String, Vec<(i64, String)>>",
            "(i64,)",
            "Sender<(i64, f64)>",
            "Receiver<i64>",
        ] {
            assert_eq!(
                Type::parse(text, &Records::new()).unwrap().to_string(),
                text
            );
        }
        assert_eq!(
            Type::parse("Vec<Pint>", &Records::new()),
            Err("the type `Pint` is not known".into())
        );
    }

    #[test]
    fn a_record_that_contains_itself_is_an_error() {
        let field = Field {
            name: "next".into(),
            type_name: "Option<List>".into(),
        };
        let records = Records::from([("List".into(), vec![field])]);
        assert!(
            Type::parse("List", &records)
                .unwrap_err()
                .contains("nests too deeply")
        );
    }

    #[test]
    fn complaints_name_the_place_the_type_and_the_value() {
        let wrong = |type_name, value| check(type_name, value, Direction::In).unwrap_err();
        assert_eq!(wrong("i64", "a".into()), "expected i64, found a text");
        assert_eq!(
            wrong("u8", Value::Int(256)),
            "expected u8, found the integer 256"
        );
        assert_eq!(
            wrong("i64", Value::Float(1.0)),
            "expected i64, found the number 1.0"
        );
        assert_eq!(
            wrong(
                "Vec<bool>",
                Value::List(vec![Value::Bool(true), Value::Null])
            ),
            "item 2: expected bool, found null"
        );
        assert_eq!(
            wrong("Point", Value::record([("x", Value::Int(1))])),
            "field `y` is missing"
        );
        assert_eq!(
            wrong(
                "BTreeMap<String, u64>",
                Value::record([("a", Value::Int(-1))])
            ),
            "entry `a`: expected u64, found the integer -1"
        );
    }

    #[test]
    fn numbers_of_scripts_take_the_form_of_the_type() {
        let out = |type_name, value| check(type_name, value, Direction::Out);
        assert_eq!(out("f64", Value::Int(2)), Ok(Value::Float(2.0)));
        assert_eq!(out("i64", Value::Float(2.0)), Ok(Value::Int(2)));
        assert!(out("i64", Value::Float(2.5)).is_err());
        assert!(out("i64", Value::Float(1e300)).is_err());
        assert!(out("u64", Value::Float(-1.0)).is_err());
        assert_eq!(
            out(
                "BTreeMap<u64, u64>",
                Value::record([("3", Value::Float(1.0))])
            ),
            Ok(Value::Map(vec![(Value::Int(3), Value::Int(1))]))
        );
        assert_eq!(out("()", Value::Int(1)), Ok(Value::Null));
    }
}
