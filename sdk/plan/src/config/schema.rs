//! The schema of a plan's config, found out from its type.

use serde::{Deserialize, de::DeserializeOwned};

use crate::trace;

/// What a config has to be like, as far as its type tells.
///
/// ```
/// use serde::Deserialize;
/// use wxec_plan::{Secret, config::Schema};
///
/// #[derive(Deserialize)]
/// struct Site {
///     title: String,
///     #[serde(default)]
///     ports: Vec<u16>,
///     key: Secret<String>,
/// }
///
/// let Schema::Table(fields) = Schema::of::<Site>() else { unreachable!() };
/// let shown: Vec<_> = fields
///     .iter()
///     .map(|field| (&*field.name, field.schema.to_string(), field.is_required))
///     .collect();
/// assert_eq!(shown, [
///     ("title", "text".into(), true),
///     ("ports", "list of numbers from 0 to 65535".into(), false),
///     ("key", "secret text".into(), true),
/// ]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schema {
    /// A type that does not tell, or takes anything.
    Any,
    /// Nothing.
    Unit,
    /// True or false.
    Bool,
    /// A whole number.
    Integer {
        /// True if it may be negative.
        is_signed: bool,
        /// Its size.
        bits: u8,
    },
    /// A number.
    Float,
    /// A text.
    Text,
    /// Bytes: a text in base64, or a list of numbers.
    Bytes,
    /// What there is, or null.
    Optional(Box<Self>),
    /// A [`Secret`](crate::Secret).
    Secret(Box<Self>),
    /// A list of any length.
    List(Box<Self>),
    /// A list with these parts.
    Tuple(Vec<Self>),
    /// A table with any keys: the schemas of these and of the values.
    Map(Box<(Self, Self)>),
    /// A table with these keys.
    Table(Vec<Field>),
    /// One of these.
    Enum(Vec<Variant>),
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The field that this is another name of.
    pub alias_of: Option<String>,
    /// True if it must be there. False as well where its type does not tell.
    pub is_required: bool,
    /// Its value.
    pub schema: Schema,
}

/// One of the values of an enum: a text with its name or, with content, a table of that one key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: Option<Schema>,
}

impl Schema {
    /// Finds out the schema of a type.
    pub fn of<C: DeserializeOwned>() -> Self {
        let traced = wxec::cbor::encode(&trace::trace::<C>()).expect("it is names and numbers");
        wxec::cbor::decode(&traced).expect("a node is a schema")
    }

    /// Returns what a value has to be like if there is one, and if it is a secret or not.
    pub(super) fn bare(&self) -> &Self {
        match self {
            Self::Optional(inner) | Self::Secret(inner) => inner.bare(),
            other => other,
        }
    }

    /// Returns true if it is a secret, also where there may be none.
    pub(super) fn is_secret(&self) -> bool {
        match self {
            Self::Secret(_) => true,
            Self::Optional(inner) => inner.is_secret(),
            _ => false,
        }
    }

    /// Returns true if it is a text, secret or not, or one that there may be.
    pub fn is_text(&self) -> bool {
        *self.bare() == Self::Text
    }

    /// Returns true if a secret may be in it: one that is known, or one of a type that does not tell.
    pub fn may_have_secret(&self) -> bool {
        match self {
            Self::Secret(_) | Self::Any => true,
            Self::Optional(inner) | Self::List(inner) => inner.may_have_secret(),
            Self::Tuple(parts) => parts.iter().any(Self::may_have_secret),
            Self::Map(entry) => entry.0.may_have_secret() || entry.1.may_have_secret(),
            Self::Table(fields) => fields.iter().any(|field| field.schema.may_have_secret()),
            Self::Enum(variants) => variants
                .iter()
                .any(|variant| variant.content.as_ref().is_some_and(Self::may_have_secret)),
            _ => false,
        }
    }

    /// Returns the field of a table with this name, or with another name that means it.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        let Self::Table(fields) = self.bare() else {
            return None;
        };
        let field = fields.iter().find(|field| field.name == name)?;
        match &field.alias_of {
            Some(name) => fields.iter().find(|field| field.name == *name),
            None => Some(field),
        }
    }
}

/// Says it in words, for a person who is to write such a value.
impl std::fmt::Display for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any value"),
            Self::Unit => f.write_str("nothing"),
            Self::Bool => f.write_str("true or false"),
            Self::Integer { .. } => write!(f, "number {}", self.range()),
            Self::Float => f.write_str("number"),
            Self::Text => f.write_str("text"),
            Self::Bytes => f.write_str("bytes"),
            Self::Optional(inner) => inner.fmt(f),
            Self::Secret(inner) => write!(f, "secret {inner}"),
            Self::List(item) => write!(f, "list of {}", item.plural()),
            Self::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
                write!(f, "list of {}", parts.join(", "))
            }
            Self::Map(entry) => write!(f, "table of {}", entry.1.plural()),
            Self::Table(_) => f.write_str("table"),
            Self::Enum(variants) => {
                let name = |variant: &Variant| match &variant.content {
                    None => format!("\"{}\"", variant.name),
                    Some(content) => format!("{{ {} = {content} }}", variant.name),
                };
                let names: Vec<_> = variants.iter().map(name).collect();
                f.write_str(&names.join(" or "))
            }
        }
    }
}

impl Schema {
    /// Returns the smallest and the largest number, if it is a whole one of up to 64 bits.
    pub fn bounds(&self) -> Option<(i128, i128)> {
        match self {
            Self::Integer { bits, is_signed } if *bits <= 64 => Some(if *is_signed {
                (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
            } else {
                (0, (1 << bits) - 1)
            }),
            _ => None,
        }
    }

    /// Says it in words that begin with an article.
    pub(super) fn with_article(&self) -> String {
        match self.bare() {
            one @ (Self::Integer { .. }
            | Self::Float
            | Self::Text
            | Self::List(_)
            | Self::Tuple(_)
            | Self::Map(_)
            | Self::Table(_)) => format!("a {one}"),
            other => other.to_string(),
        }
    }

    fn range(&self) -> String {
        match (self, self.bounds()) {
            (Self::Integer { bits: ..=32, .. }, Some((least, most))) => {
                format!("from {least} to {most}")
            }
            (
                Self::Integer {
                    is_signed: true, ..
                },
                _,
            ) => "without a fraction".into(),
            _ => "from 0 on".into(),
        }
    }

    fn plural(&self) -> String {
        match self {
            Self::Any => "any values".into(),
            Self::Integer { .. } => format!("numbers {}", self.range()),
            Self::Float | Self::Text | Self::Table(_) => format!("{self}s"),
            Self::List(_) | Self::Tuple(_) => self.to_string().replacen("list", "lists", 1),
            Self::Map(_) => self.to_string().replacen("table", "tables", 1),
            Self::Secret(inner) => format!("secret {}", inner.plural()),
            Self::Optional(inner) => inner.plural(),
            Self::Unit | Self::Bool | Self::Bytes | Self::Enum(_) => self.to_string(),
        }
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
