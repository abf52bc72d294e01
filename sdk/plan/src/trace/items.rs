//! Lists and maps: their items are given one by one.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::{Node, Refusal, TraceRun, deserializer::Tracer};

/// The items of a list or a tuple.
pub(super) struct Parts<'a, I> {
    pub(super) parts: I,
    pub(super) run: &'a mut TraceRun,
}

impl<'de, 'n, I: Iterator<Item = &'n mut Node>> SeqAccess<'de> for Parts<'_, I> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let run = &mut *self.run;
        let part = self.parts.next();
        part.map(|node| seed.deserialize(Tracer { node, run }))
            .transpose()
    }
}

/// The entry of a map, or none.
pub(super) struct Entry<'a> {
    pub(super) entry: Option<&'a mut (Node, Node)>,
    pub(super) run: &'a mut TraceRun,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        let run = &mut *self.run;
        let key = self.entry.as_mut();
        key.map(|entry| {
            seed.deserialize(Tracer {
                node: &mut entry.0,
                run,
            })
        })
        .transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        let run = &mut *self.run;
        match self.entry.take() {
            Some(entry) => seed.deserialize(Tracer {
                node: &mut entry.1,
                run,
            }),
            None => Err(Refusal::Other),
        }
    }
}
