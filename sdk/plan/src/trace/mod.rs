//! The schema of a type, found out from its `Deserialize`: it is given values that it asks for, and
//! what it asks for is noted. One run of it cannot show everything, so it runs until a run shows
//! nothing new. This is a part of guests, so it says no more than a [`Node`] can: errors have no
//! texts, and numbers have one size.

mod deserializer;
mod fields;
mod items;
mod variants;

use std::fmt;

use serde::{Serialize, de};

use self::deserializer::Tracer;

/// What is known of a type. It travels as `wxec_plan::config::Schema`.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Node {
    kind: Kind,
    /// The number of samples that it has refused so far, or [`STUCK`].
    #[serde(skip)]
    refused: u8,
    /// True if what is inside must not be given, because it is of the type that this is a part of.
    #[serde(skip)]
    is_cut: bool,
}

/// A type that refuses all samples.
const STUCK: u8 = u8::MAX;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A type that was not seen: what stands before it takes no sample. In a schema, `any` as well.
    #[default]
    #[serde(rename = "any")]
    Unseen,
    /// A type that takes what there is.
    Any,
    Unit,
    Bool,
    Integer {
        is_signed: bool,
        bits: u8,
    },
    Float,
    Text,
    Bytes,
    Optional(Box<Node>),
    Secret(Box<Node>),
    List(Box<Node>),
    Tuple(Vec<Node>),
    /// Keys and values.
    Map(Box<(Node, Node)>),
    Table(Vec<Field>),
    Enum(Vec<Variant>),
}

#[derive(Debug, Serialize)]
pub(crate) struct Field {
    name: &'static str,
    /// The field that this is another name of.
    alias_of: Option<&'static str>,
    is_required: bool,
    schema: Node,
    /// True once it is known whether it is required.
    #[serde(skip)]
    is_decided: bool,
    /// True if the run that is under way has given it.
    #[serde(skip)]
    is_given: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Variant {
    name: &'static str,
    /// `None` without content.
    content: Option<Node>,
    /// The runs that had this variant.
    #[serde(skip)]
    runs: u8,
}

/// Most runs: some for each field and variant of a config, of which a large one has hundreds.
const MAX_RUNS: usize = 10_000;

/// Returns what can be known of `T`.
pub(crate) fn trace<T: de::DeserializeOwned>() -> Node {
    let mut root = Node::default();
    for _ in 0..MAX_RUNS {
        let mut run = TraceRun::default();
        // Most runs fail: they leave something away.
        let _ = T::deserialize(Tracer {
            node: &mut root,
            run: &mut run,
        });
        if !run.has_news {
            break;
        }
    }
    root
}

/// A run of a type's `Deserialize`.
#[derive(Debug, Default)]
struct TraceRun {
    /// True if it has shown something new.
    has_news: bool,
    /// True if a field was left away already. A run leaves away one, so that its error tells why.
    leaves_away: bool,
    /// True if the next run will give something else where this one has failed.
    is_tried_again: bool,
    /// True until what is around a type that is a part of itself has noted that.
    cuts: bool,
    /// The tables and enums around the current place, by their names and those inside.
    around: Vec<(&'static str, &'static [&'static str])>,
}

impl Node {
    /// Returns true if it refused all samples, so that what it is a part of fails.
    fn is_stuck(&self) -> bool {
        match &self.kind {
            _ if self.refused == STUCK => true,
            Kind::Text => usize::from(self.refused) >= deserializer::TEXTS.len(),
            Kind::Any => self.refused >= deserializer::ANY,
            Kind::Optional(inner) | Kind::List(inner) => !self.is_cut && inner.is_stuck(),
            Kind::Secret(inner) => inner.is_stuck(),
            Kind::Tuple(parts) => parts.iter().any(Self::is_stuck),
            Kind::Map(entry) => !self.is_cut && (entry.0.is_stuck() || entry.1.is_stuck()),
            Kind::Table(fields) => fields.iter().any(|field| field.schema.is_stuck()),
            _ => false,
        }
    }

    /// Notes that what was made of the sample was refused. Returns false if it has no other one.
    fn refuse(&mut self) -> bool {
        let has_others = match &mut self.kind {
            Kind::Text => {
                self.refused += 1;
                !self.is_stuck()
            }
            Kind::Optional(inner) | Kind::Secret(inner) | Kind::List(inner) => inner.refuse(),
            _ => false,
        };
        if !has_others {
            self.refused = STUCK;
        }
        has_others
    }

    /// Returns true if nothing is left to be found out.
    fn is_known(&self) -> bool {
        match &self.kind {
            Kind::Optional(inner) | Kind::Secret(inner) | Kind::List(inner) => inner.is_known(),
            Kind::Tuple(parts) => parts.iter().all(Self::is_known),
            Kind::Map(entry) => entry.1.is_known(),
            Kind::Table(fields) => fields.iter().all(|field| {
                field.alias_of.is_some() || field.is_decided && field.schema.is_known()
            }),
            Kind::Enum(variants) => variants.iter().all(Variant::is_known),
            _ => true,
        }
    }
}

/// The error of a type: why it does not take what it was given.
#[derive(Debug)]
enum Refusal {
    /// This field is missing.
    Missing(&'static str),
    /// This field was given already, by another name.
    Given(&'static str),
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// Texts are left away: they would be most of this code in a guest.
impl de::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn invalid_type(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self::Other
    }

    fn invalid_value(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self::Other
    }

    fn invalid_length(_: usize, _: &dyn de::Expected) -> Self {
        Self::Other
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::Other
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::Given(field)
    }
}
