//! Enums: each run has one variant, the first of which something is to be found out.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, VariantAccess, Visitor};

use super::{Node, Refusal, TraceRun, Variant, deserializer::Tracer, fields::Name};

/// Most runs of one variant. One that has not shown everything by then would show nothing more.
const MAX_RUNS: u8 = 200;

/// Returns variants of which nothing is known but their names.
pub(super) fn unknown(names: &[&'static str]) -> Vec<Variant> {
    let variant = |name: &&'static str| Variant {
        name,
        content: None,
        runs: 0,
    };
    names.iter().map(variant).collect()
}

/// Gives a variant to an enum, and notes what that shows.
pub(super) fn give<'de, V: Visitor<'de>>(
    variants: &mut [Variant],
    run: &mut TraceRun,
    visitor: V,
) -> Result<V::Value, Refusal> {
    let is_wanted = |variant: &Variant| !variant.is_known();
    let is_good = |variant: &Variant| !variant.content.as_ref().is_some_and(Node::is_bad);
    let next = variants.iter().position(is_wanted);
    let next = next.or_else(|| variants.iter().position(is_good));
    let Some(variant) = variants.get_mut(next.unwrap_or_default()) else {
        return Err(Refusal::Other);
    };
    if !variant.is_known() {
        variant.runs += 1;
        run.has_news = true;
    }
    let taken = visitor.visit_enum(Given {
        variant: &mut *variant,
        run: &mut *run,
    });
    let is_given_up = taken.is_err() && variant.runs >= MAX_RUNS;
    if (run.is_cut(&taken) || is_given_up)
        && let Some(content) = &mut variant.content
    {
        content.is_cut = true;
    }
    // Another variant may be taken.
    run.is_tried_again |= taken.is_err() && variants.iter().any(|variant| !variant.is_known());
    taken
}

impl Variant {
    /// Returns true if nothing is left to be found out.
    pub(super) fn is_known(&self) -> bool {
        let is_known = |content: &Node| content.is_bad() || content.is_known();
        self.runs >= MAX_RUNS || self.runs > 0 && self.content.as_ref().is_none_or(is_known)
    }
}

impl Node {
    /// Returns true if what is around it fails with it.
    fn is_bad(&self) -> bool {
        self.is_cut || self.is_stuck()
    }
}

/// The variant that is given.
struct Given<'a> {
    variant: &'a mut Variant,
    run: &'a mut TraceRun,
}

impl<'a> Given<'a> {
    fn content(self) -> Tracer<'a> {
        Tracer {
            node: self.variant.content.get_or_insert_default(),
            run: self.run,
        }
    }
}

impl<'de> EnumAccess<'de> for Given<'_> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let name = seed.deserialize(Name(self.variant.name))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Given<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refusal> {
        seed.deserialize(self.content())
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.content().deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let name = self.variant.name;
        self.content().deserialize_struct(name, fields, visitor)
    }
}
