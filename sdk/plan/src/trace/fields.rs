//! Tables: all fields are given but one, which shows whether that one is required.

use serde::{
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{Field, Kind, Node, Refusal, TraceRun, deserializer::Tracer};

/// Returns fields of which nothing is known but their names.
pub(super) fn unknown(names: &[&'static str]) -> Vec<Field> {
    let field = |name: &&'static str| Field {
        name,
        alias_of: None,
        is_required: false,
        schema: Node::default(),
        is_decided: false,
        is_given: false,
    };
    names.iter().map(field).collect()
}

/// Gives the fields to a table, and notes what that shows.
pub(super) fn give<'de, V: Visitor<'de>>(
    fields: &mut [Field],
    run: &mut TraceRun,
    visitor: V,
) -> Result<V::Value, Refusal> {
    let left_away = begin(fields, run);
    let mut given = Fields {
        current: None,
        gives_all: left_away.is_none(),
        fields,
        run,
    };
    let taken = visitor.visit_map(&mut given);
    let current = given.current;
    end(fields, run, left_away, current, taken.as_ref().err());
    taken
}

/// Begins a run. Returns the field that it leaves away, if it does.
fn begin(fields: &mut [Field], run: &mut TraceRun) -> Option<usize> {
    fields.iter_mut().for_each(|field| field.is_given = false);
    let is_seen = |field: &Field| !matches!(field.schema.kind, Kind::Unseen);
    let is_told = |field: &Field| field.alias_of.is_some() || is_seen(field);
    // Before that, another name of a field could stand in for it.
    let may_leave = fields.iter().all(is_told) || fields.iter().any(|it| it.schema.is_stuck());
    let is_next = |field: &Field| field.alias_of.is_none() && !field.is_decided && is_seen(field);
    let next = fields.iter().position(is_next);
    let next = next.filter(|_| may_leave && !run.leaves_away)?;
    run.leaves_away = true;
    fields[next].is_given = true;
    Some(next)
}

/// Notes what a run has shown. `current` is the field whose name was given and whose value was not
/// asked for.
fn end(
    fields: &mut [Field],
    run: &mut TraceRun,
    left_away: Option<usize>,
    current: Option<usize>,
    refusal: Option<&Refusal>,
) {
    if let (Some(field), Some(Refusal::Given(name))) = (current, refusal) {
        if fields[field].name == *name {
            // The next run gives it first, and finds the other names.
            fields[..=field].rotate_right(1);
        } else {
            fields[field].alias_of = Some(name);
        }
        (run.has_news, run.is_tried_again) = (true, true);
        return;
    }
    let Some(field) = left_away else { return };
    let field = &mut fields[field];
    field.is_given = false;
    match refusal {
        Some(Refusal::Missing(name)) if *name == field.name => field.is_required = true,
        // The next run may tell.
        Some(_) if run.is_tried_again => return,
        _ => {}
    }
    field.is_decided = true;
    run.has_news = true;
}

/// The fields that are given: first those that are taken, so that all of them are.
struct Fields<'a> {
    current: Option<usize>,
    /// False to leave away those that are not taken: the run could not show what is missing.
    gives_all: bool,
    fields: &'a mut [Field],
    run: &'a mut TraceRun,
}

impl<'de> MapAccess<'de> for &mut Fields<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        let is_left = |field: &Field| !field.is_given && field.alias_of.is_none();
        let is_easy = |field: &Field| is_left(field) && !field.schema.is_stuck();
        let fields = self.fields.iter();
        let next = fields.clone().position(is_easy);
        let last = || fields.clone().position(is_left);
        self.current = next.or_else(|| last().filter(|_| self.gives_all));
        let Some(current) = self.current else {
            return Ok(None);
        };
        let field = &mut self.fields[current];
        field.is_given = true;
        seed.deserialize(Name(field.name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        let run = &mut *self.run;
        let Some(current) = self.current.take() else {
            return Err(Refusal::Other);
        };
        let (node, left_away) = (&mut self.fields[current].schema, run.leaves_away);
        let taken = seed.deserialize(Tracer { node, run });
        // A type may check what it has made of a sample.
        let is_explained = run.is_tried_again || run.leaves_away != left_away || node.is_stuck();
        if taken.is_err() && !is_explained {
            node.refuse();
            (run.has_news, run.is_tried_again) = (true, true);
        }
        taken
    }
}

/// The name of a field or a variant.
pub(super) struct Name(pub(super) &'static str);

impl<'de> Deserializer<'de> for Name {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_str(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
