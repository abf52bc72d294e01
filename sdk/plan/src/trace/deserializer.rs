//! The deserializer: notes what a type asks for, and gives it a sample of that.

use serde::de::{Deserializer, Visitor};

use super::{
    Kind, Node, Refusal, TraceRun, fields,
    items::{Entry, Parts},
    variants,
};
use crate::secret;

/// Gives samples to one place of a type.
pub(super) struct Tracer<'a> {
    pub(super) node: &'a mut Node,
    pub(super) run: &'a mut TraceRun,
}

/// Samples of texts, for types that are written as one: paths, numbers, addresses, versions, dates,
/// times.
pub(super) const TEXTS: [&str; 14] = [
    "a",
    "/",
    "1",
    "127.0.0.1",
    "::1",
    "127.0.0.1:1",
    "[::1]:1",
    "127.0.0.0/8",
    "1.0.0",
    "http://a.b/",
    "2000-01-01",
    "2000-01-01T00:00:00Z",
    "1s",
    "00000000-0000-4000-8000-000000000000",
];

/// Number of samples for types that take anything: nothing, a text, a number.
pub(super) const ANY: u8 = 3;

impl Node {
    /// Notes the kind, unless it is known.
    fn note(&mut self, kind: Kind, run: &mut TraceRun) {
        if std::mem::discriminant(&self.kind) != std::mem::discriminant(&kind) {
            self.kind = kind;
            run.has_news = true;
        }
    }

    /// Notes whether the sample was taken. If not, the next run gives another one, or what is stuck
    /// last.
    fn after_sample<T>(
        &mut self,
        taken: Result<T, Refusal>,
        samples: usize,
        run: &mut TraceRun,
    ) -> Result<T, Refusal> {
        if taken.is_err() && usize::from(self.refused) < samples {
            self.refused += 1;
            run.has_news = true;
            run.is_tried_again = true;
        }
        taken
    }

    /// Notes that what is inside is not to be given, if a run says so.
    fn after_inside<T>(
        &mut self,
        taken: Result<T, Refusal>,
        run: &mut TraceRun,
    ) -> Result<T, Refusal> {
        self.is_cut |= run.is_cut(&taken);
        taken
    }
}

impl TraceRun {
    /// Returns true if the type inside of the current place is one that it is a part of.
    pub(super) fn is_cut<T>(&mut self, taken: &Result<T, Refusal>) -> bool {
        let is_cut = taken.is_err() && std::mem::take(&mut self.cuts);
        self.has_news |= is_cut;
        self.is_tried_again |= is_cut;
        is_cut
    }

    /// Enters a table or an enum. Fails if it is a part of itself.
    pub(super) fn enter(
        &mut self,
        name: &'static str,
        inside: &'static [&'static str],
    ) -> Result<(), Refusal> {
        if self.around.contains(&(name, inside)) {
            self.cuts = true;
            return Err(Refusal::Other);
        }
        self.around.push((name, inside));
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.around.pop();
    }
}

impl Tracer<'_> {
    fn integer<'de, V: Visitor<'de>>(
        self,
        is_signed: bool,
        bits: u8,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.node.note(Kind::Integer { is_signed, bits }, self.run);
        // Numbers that must not be zero take it, too.
        visitor.visit_u64(1)
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        node.note(Kind::Text, run);
        let sample = TEXTS.get(usize::from(node.refused)).unwrap_or(&TEXTS[0]);
        let taken = visitor.visit_str(sample);
        node.after_sample(taken, TEXTS.len(), run)
    }

    fn parts<'de, V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        node.note(Kind::Tuple(Vec::new()), run);
        let Kind::Tuple(parts) = &mut node.kind else {
            return Err(Refusal::Other);
        };
        parts.resize_with(length.min(MAX_PARTS), Node::default);
        visitor.visit_seq(Parts {
            parts: parts.iter_mut(),
            run,
        })
    }
}

/// Longest tuple or array: far longer than people write in a config.
const MAX_PARTS: usize = 64;

macro_rules! integers {
    ($($method:ident $is_signed:literal $bits:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.integer($is_signed, $bits, visitor)
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.text(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Refusal;

    integers! {
        deserialize_i8 true 8;
        deserialize_i16 true 16;
        deserialize_i32 true 32;
        deserialize_i64 true 64;
        deserialize_i128 true 128;
        deserialize_u8 false 8;
        deserialize_u16 false 16;
        deserialize_u32 false 32;
        deserialize_u64 false 64;
        deserialize_u128 false 128;
    }

    texts!(deserialize_char deserialize_str deserialize_string);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        node.note(Kind::Any, run);
        let taken = match node.refused {
            0 => visitor.visit_unit(),
            1 => visitor.visit_str(TEXTS[0]),
            _ => visitor.visit_u64(1),
        };
        node.after_sample(taken, ANY.into(), run)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.node.note(Kind::Bool, self.run);
        visitor.visit_bool(false)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.node.note(Kind::Float, self.run);
        visitor.visit_f64(1.0)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.node.note(Kind::Bytes, self.run);
        visitor.visit_bytes(&[])
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.node.note(Kind::Unit, self.run);
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        node.note(Kind::Optional(Box::default()), run);
        match &mut node.kind {
            Kind::Optional(inner) if !node.is_cut => {
                let node_inside = Tracer { node: inner, run };
                let taken = visitor.visit_some(node_inside);
                node.after_inside(taken, run)
            }
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if name != secret::NAME {
            return visitor.visit_newtype_struct(self);
        }
        let Self { node, run } = self;
        node.note(Kind::Secret(Box::default()), run);
        match &mut node.kind {
            Kind::Secret(node) => visitor.visit_newtype_struct(Tracer { node, run }),
            _ => Err(Refusal::Other),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        node.note(Kind::List(Box::default()), run);
        let Kind::List(item) = &mut node.kind else {
            return Err(Refusal::Other);
        };
        let items = if node.is_cut {
            &mut []
        } else {
            std::slice::from_mut(&mut **item)
        };
        let taken = visitor.visit_seq(Parts {
            parts: items.iter_mut(),
            run: &mut *run,
        });
        node.after_inside(taken, run)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.parts(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.parts(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        node.note(Kind::Map(Box::default()), run);
        let Kind::Map(entry) = &mut node.kind else {
            return Err(Refusal::Other);
        };
        let entry = (!node.is_cut).then_some(&mut **entry);
        let taken = visitor.visit_map(Entry {
            entry,
            run: &mut *run,
        });
        node.after_inside(taken, run)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        run.enter(name, fields)?;
        node.note(Kind::Table(fields::unknown(fields)), run);
        let taken = match &mut node.kind {
            Kind::Table(fields) => fields::give(fields, run, visitor),
            _ => Err(Refusal::Other),
        };
        run.leave();
        taken
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let Self { node, run } = self;
        run.enter(name, names)?;
        node.note(Kind::Enum(variants::unknown(names)), run);
        let taken = match &mut node.kind {
            Kind::Enum(variants) => variants::give(variants, run, visitor),
            _ => Err(Refusal::Other),
        };
        run.leave();
        taken
    }

    /// Fields of a table that has more than its own: their names are not to be known.
    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refusal> {
        self.run.cuts = true;
        Err(Refusal::Other)
    }
}
