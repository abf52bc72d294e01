//! Types as people write them, and what is found out of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    num::NonZeroU8,
    path::PathBuf,
    time::Duration,
};

use super::*;
use crate::Secret;

/// Writes a schema in one line: optional fields have a `?`, secrets a `!`.
fn line(schema: &Schema) -> String {
    let all = |schemas: &[Schema]| schemas.iter().map(line).collect::<Vec<_>>().join(" ");
    match schema {
        Schema::Integer { is_signed, bits } => {
            format!("{}{bits}", if *is_signed { "i" } else { "u" })
        }
        Schema::Optional(inner) => format!("{}|null", line(inner)),
        Schema::Secret(inner) => format!("!{}", line(inner)),
        Schema::List(item) => format!("[{}…]", line(item)),
        Schema::Tuple(parts) => format!("[{}]", all(parts)),
        Schema::Map(entry) => format!("{{{}: {}…}}", line(&entry.0), line(&entry.1)),
        Schema::Table(fields) => {
            let field = |field: &Field| match &field.alias_of {
                Some(name) => format!("{}={name}", field.name),
                None => {
                    let mark = if field.is_required { "" } else { "?" };
                    format!("{}{mark}: {}", field.name, line(&field.schema))
                }
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Schema::Enum(variants) => {
            let variant = |variant: &Variant| match &variant.content {
                None => variant.name.clone(),
                Some(content) => format!("{}={}", variant.name, line(content)),
            };
            let variants: Vec<_> = variants.iter().map(variant).collect();
            format!("<{}>", variants.join(" "))
        }
        other => format!("{other:?}").to_lowercase(),
    }
}

fn of<C: DeserializeOwned>() -> String {
    line(&Schema::of::<C>())
}

macro_rules! types {
    ($($item:item)*) => {
        $(#[derive(Debug, Deserialize)] #[allow(dead_code, reason = "they are looked at only")] $item)*
    };
}

types! {
    struct Site {
        title: String,
        #[serde(default)]
        names: Vec<String>,
        tls: Option<Tls>,
        key: Secret<String>,
        #[serde(rename = "log-level", alias = "level", alias = "verbosity")]
        level: Level,
        limits: BTreeMap<String, u64>,
        inner: Tls,
    }

    struct Tls {
        port: u16,
        #[serde(default = "some_text")]
        ciphers: String,
    }

    #[serde(rename_all = "kebab-case")]
    enum Level {
        Quiet,
        Loud(u8),
        ToFile { path: PathBuf, #[serde(default)] keep: bool },
        Both(Box<Tls>, f32),
    }

    struct Picky {
        before: bool,
        address: IpAddr,
        socket: SocketAddr,
        count: NonZeroU8,
        character: char,
        timeout: Duration,
        unknown: serde_json::Value,
        set: BTreeSet<(i8, u16)>,
        after: Option<Secret<u8>>,
    }

    struct Tree {
        name: String,
        inside: Vec<Self>,
        left: Option<Box<Self>>,
        by_name: BTreeMap<String, Self>,
        last: u8,
    }

    enum Rule {
        And(Box<Self>, Box<Self>),
        Not(Box<Self>),
        All(Vec<Self>),
        Is { name: String },
    }

    struct Stuck {
        first: u8,
        #[serde(deserialize_with = "many_letters")]
        odd: String,
        last: u8,
        rule: Option<u8>,
    }

    struct Flat {
        own: u8,
        #[serde(flatten)]
        rest: Tls,
    }

    struct Both {
        flat: Flat,
        other: Shape,
        more: u8,
    }

    /// A type that checks a text after it was read.
    #[serde(try_from = "String")]
    struct Version(u8);

    struct Versions {
        one: Version,
        many: Vec<Option<Version>>,
        last: bool,
    }

    #[serde(untagged)]
    enum Shape {
        Number(u8),
        Text(String),
    }
}

impl TryFrom<String> for Version {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split('.').count() {
            3 => Ok(Self(0)),
            _ => Err("it has not three parts"),
        }
    }
}

fn some_text() -> String {
    "text".into()
}

fn many_letters<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() == 99 {
        return Ok(text);
    }
    Err(serde::de::Error::custom("that has not 99 letters"))
}

#[test]
fn fields_variants_and_defaults_are_found() {
    let tls = "{port: u16, ciphers?: text}";
    assert_eq!(of::<Tls>(), tls);
    let level = format!("<quiet loud=u8 to-file={{path: text, keep?: bool}} both=[{tls} float]>");
    assert_eq!(of::<Level>(), level);
    assert_eq!(
        of::<Site>(),
        format!(
            "{{log-level: {level}, title: text, names?: [text…], tls?: {tls}|null, key: !text, \
             level=log-level, verbosity=log-level, limits: {{text: u64…}}, inner: {tls}}}"
        )
    );
}

#[test]
fn types_that_do_not_take_any_text_are_given_one_they_take() {
    assert_eq!(
        of::<Picky>(),
        "{before: bool, address: text, socket: text, count: u8, character: text, \
         timeout: {secs: u64, nanos: u32}, unknown: any, set: [[i8 u16]…], after?: !u8|null}"
    );
}

#[test]
fn types_that_check_what_they_have_read_are_given_other_texts() {
    assert_eq!(
        of::<Versions>(),
        "{one: text, many: [text|null…], last: bool}"
    );
}

#[test]
fn a_type_that_is_a_part_of_itself_is_told_once() {
    assert_eq!(
        of::<Tree>(),
        "{name: text, inside: [any…], left?: any|null, by_name: {text: any…}, last: u8}"
    );
    assert_eq!(
        of::<Rule>(),
        "<And=[any any] Not=any All=[any…] Is={name: text}>"
    );
}

#[test]
fn what_cannot_be_found_out_is_said_to_be_anything() {
    assert_eq!(
        of::<Stuck>(),
        "{first: u8, odd: text, last?: u8, rule?: u8|null}",
        "with one that is never taken"
    );
    assert_eq!(of::<Both>(), "{flat: {any: any…}, other?: any, more?: u8}");
    assert_eq!(of::<()>(), "unit");
    assert_eq!(of::<String>(), "text");
    assert_eq!(of::<Option<Secret<u8>>>(), "!u8|null");
}
