//! Settings against the schema of their plan: all mistakes at once.

use wxec::call::Value;

use super::{
    layers::Layers,
    mistake::{Mistake, MistakeKind},
    reference::Reference,
    schema::{Field, Schema, Variant},
};

/// The name of the host's facts, in plans and their templates.
pub(super) const TARGET: &str = "target";

/// Likeness from which on a name may be a misspelling of another.
const ALIKE: f64 = 0.8;

impl Schema {
    /// Returns all mistakes in the settings of a plan, as far as the schema tells: names that it does
    /// not have, settings that are missing, and values of other kinds. Nothing is read for that, and
    /// no value is shown.
    ///
    /// ```
    /// use serde::Deserialize;
    /// use wxec_plan::config::{Layers, Schema};
    ///
    /// #[derive(Deserialize)]
    /// struct Site { title: String, port: u16 }
    ///
    /// let mut layers = Layers::new();
    /// layers.set(&["titel"], "A site".into(), "group web");
    /// layers.set(&["port"], 70_000.into(), "--set");
    /// let mistakes = Schema::of::<Site>().check(&layers);
    /// let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    /// assert_eq!(mistakes, [
    ///     "--set: port: is out of range, and has to be a number from 0 to 65535",
    ///     "group web: titel: there is no such setting; did you mean `title`?",
    ///     "title: is missing, and has to be a text",
    /// ]);
    /// ```
    pub fn check(&self, layers: &Layers) -> Vec<Mistake> {
        let settings = layers.to_value();
        let is_none = matches!(&settings, Value::Map(entries) if entries.is_empty());
        if is_none && self.takes_null() {
            return Vec::new();
        }
        let mut check = Check {
            layers,
            path: Vec::new(),
            is_in_secret: false,
            mistakes: Vec::new(),
        };
        check.value(self, &settings);
        check.reserved(self);
        check.mistakes
    }

    /// Returns true if a config without settings is null.
    pub(crate) fn takes_null(&self) -> bool {
        matches!(self, Self::Unit | Self::Optional(_))
    }

    /// Returns the schema of the setting at `path`, if it is known.
    pub fn at(&self, path: &[impl AsRef<str>]) -> Option<&Self> {
        let Some((key, rest)) = path.split_first() else {
            return Some(self);
        };
        let inside = match self.bare() {
            Self::Table(_) => &self.field(key.as_ref())?.schema,
            Self::Map(entry) => &entry.1,
            Self::Enum(variants) => named(variants, key.as_ref())?.content.as_ref()?,
            _ => return None,
        };
        inside.at(rest)
    }

    /// Returns true if nothing of the setting at `path` is to be shown: it is a secret, a part of
    /// one, or something with a secret in it.
    pub fn is_hidden(&self, path: &[impl AsRef<str>]) -> bool {
        let is_secret = |length| self.at(&path[..length]).is_some_and(Self::is_secret);
        let whole = self.at(path);
        (0..path.len()).any(is_secret)
            || whole.is_some_and(|whole| *whole.bare() != Self::Any && whole.may_have_secret())
    }
}

/// A check that is under way.
struct Check<'a> {
    layers: &'a Layers,
    path: Vec<String>,
    /// True if what is at the path is a secret or a part of one.
    is_in_secret: bool,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn mistake(&mut self, kind: MistakeKind) {
        let origin = self.layers.origin(&self.path);
        self.mistakes.push(Mistake {
            name: self.path.join("."),
            origin: origin.cloned(),
            kind,
        });
    }

    /// Refuses a plan that calls a setting by the name of the host's facts: a fact must never be
    /// taken for a setting, nor the other way.
    fn reserved(&mut self, schema: &Schema) {
        if schema.field(TARGET).is_some() {
            self.inside(TARGET, |check| check.mistake(MistakeKind::Reserved));
        }
    }

    fn wrong(&mut self, found: &'static str, schema: &Schema) {
        let wanted = schema.with_article();
        self.mistake(MistakeKind::Wrong { found, wanted });
    }

    fn inside(&mut self, key: &str, check: impl FnOnce(&mut Self)) {
        self.path.push(key.to_owned());
        check(self);
        self.path.pop();
    }

    fn value(&mut self, schema: &Schema, value: &Value) {
        let outer = self.is_in_secret;
        self.is_in_secret |= schema.is_secret();
        match Reference::text_in(value).filter(|_| !self.path.is_empty()) {
            Some(place) => self.reference(schema, place),
            None => self.known(schema, value),
        }
        self.is_in_secret = outer;
    }

    fn known(&mut self, schema: &Schema, value: &Value) {
        if matches!(value, Value::Null) && matches!(schema, Schema::Optional(_)) {
            return;
        }
        let schema = schema.bare();
        match (schema, value) {
            (Schema::Any, _)
            | (Schema::Unit, Value::Null)
            | (Schema::Bool, Value::Bool(_))
            | (Schema::Float, Value::Float(_) | Value::Integer(_))
            | (Schema::Text | Schema::Bytes, Value::Text(_))
            | (Schema::Bytes, Value::Bytes(_)) => {}
            (Schema::Integer { .. }, Value::Integer(number)) => {
                let is_within = schema
                    .bounds()
                    .is_none_or(|(least, most)| (least..=most).contains(&i128::from(*number)));
                if !is_within {
                    self.wrong("out of range", schema);
                }
            }
            (Schema::Integer { .. }, Value::Tag(..)) if schema.bounds().is_none() => {}
            (Schema::Bytes, Value::Array(_)) => {}
            (Schema::List(item), Value::Array(items)) => self.items(|_| item, items),
            (Schema::Tuple(parts), Value::Array(items)) if parts.len() == items.len() => {
                self.items(|index| &parts[index], items);
            }
            (Schema::Map(entry), Value::Map(entries)) => {
                for (key, value) in texts(entries) {
                    self.inside(key, |check| check.value(&entry.1, value));
                }
            }
            (Schema::Table(fields), Value::Map(entries)) => self.table(schema, fields, entries),
            (Schema::Unit, Value::Map(entries)) if self.path.is_empty() => {
                self.table(schema, &[], entries);
            }
            (Schema::Enum(variants), Value::Text(name)) => {
                match named(variants, name).map(|variant| &variant.content) {
                    Some(None) => {}
                    _ => self.wrong("another text", schema),
                }
            }
            (Schema::Enum(variants), Value::Map(entries)) => {
                let only = texts(entries).next().filter(|_| entries.len() == 1);
                let content = only.and_then(|(name, value)| {
                    Some((name, value, named(variants, name)?.content.as_ref()?))
                });
                match content {
                    Some((name, value, content)) => {
                        self.inside(name, |check| check.value(content, value));
                    }
                    None => self.wrong("another table", schema),
                }
            }
            (schema, value) => self.wrong(kind(value), schema),
        }
    }

    /// Checks a reference without reading it.
    fn reference(&mut self, schema: &Schema, place: &str) {
        if let Err(fault) = place.parse::<Reference>() {
            let place = place.to_owned();
            return self.mistake(MistakeKind::Reference { place, fault });
        }
        match schema.bare() {
            Schema::Any => {}
            _ if !self.is_in_secret => self.mistake(MistakeKind::NotSecret),
            Schema::Text | Schema::Enum(_) | Schema::Bytes => {}
            _ => self.wrong("a reference to a text", schema),
        }
    }

    fn items<'s>(&mut self, schema: impl Fn(usize) -> &'s Schema, items: &[Value]) {
        for (index, item) in items.iter().enumerate() {
            self.inside(&index.to_string(), |check| check.value(schema(index), item));
        }
    }

    fn table(&mut self, schema: &Schema, fields: &[Field], entries: &[(Value, Value)]) {
        for (key, value) in texts(entries) {
            self.inside(key, |check| match schema.field(key) {
                Some(field) => check.value(&field.schema, value),
                None => check.unknown(key, fields),
            });
        }
        let is_given = |field: &Field| {
            texts(entries).any(|(key, _)| {
                let given = schema.field(key);
                given.is_some_and(|given| given.name == field.name)
            })
        };
        for field in fields.iter().filter(|field| field.is_required) {
            if !is_given(field) {
                let wanted = field.schema.with_article();
                self.path.push(field.name.clone());
                self.mistakes.push(Mistake {
                    name: self.path.join("."),
                    origin: None,
                    kind: MistakeKind::Missing { wanted },
                });
                self.path.pop();
            }
        }
    }

    fn unknown(&mut self, key: &str, fields: &[Field]) {
        let known = fields.iter().map(|field| &*field.name);
        let similar = similar(key, known.clone()).map(str::to_owned);
        let fields = fields.iter().filter(|field| field.alias_of.is_none());
        let known = fields.map(|field| field.name.clone()).collect();
        self.mistake(MistakeKind::Unknown { similar, known });
    }
}

/// Returns the entries with keys that are texts, which those of settings are.
fn texts(entries: &[(Value, Value)]) -> impl Iterator<Item = (&str, &Value)> {
    entries
        .iter()
        .filter_map(|(key, value)| Some((key.as_text()?, value)))
}

fn named<'a>(variants: &'a [Variant], name: &str) -> Option<&'a Variant> {
    variants.iter().find(|variant| variant.name == name)
}

/// Returns the one of `names` that `name` is most likely a misspelling of.
pub(super) fn similar<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

/// Names the kind of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Bool(_) => "a truth value",
        Value::Null => "nothing",
        Value::Float(_) => "a number with a fraction",
        Value::Integer(_) | Value::Tag(..) => "a number",
        Value::Array(_) => "a list of another length or kind",
        Value::Bytes(_) => "bytes",
        _ => "a table",
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
