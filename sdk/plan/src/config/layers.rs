//! Settings of a plan from several layers, each value with the layer that it comes from.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use wxec::{
    Host,
    call::Value,
    inventory::{Inventory, InventoryHost},
};

use super::{
    mistake::{Mistake, MistakeKind},
    reference::{KEY, Reference, References},
};

/// The settings of a plan, from several layers. A later layer wins, value by value: tables are
/// merged, lists and single values are replaced.
///
/// ```
/// use wxec::call::Value;
/// use wxec_plan::config::Layers;
///
/// let mut layers = Layers::new();
/// let tls = Value::Map(vec![("on".into(), true.into()), ("port".into(), 443.into())]);
/// layers.set(&["tls"], tls, "group web");
/// layers.set(&["tls", "port"], 8443.into(), "--set");
/// let settings: Vec<_> = layers
///     .settings()
///     .into_iter()
///     .map(|setting| (setting.name(), setting.origin.to_string()))
///     .collect();
/// let expected = [("tls.on", "group web"), ("tls.port", "--set")];
/// assert_eq!(settings, expected.map(|(name, layer)| (name.into(), layer.into())));
/// ```
///
/// A table whose only key is `secret` is a [`Reference`] to a secret. [`resolve`](Self::resolve)
/// reads it, and nothing else shows more of it than the reference.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    settings: BTreeMap<Vec<String>, (Value, Origin)>,
}

/// A setting of a plan.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Setting {
    /// The keys that lead to it, such as `tls` and `port`.
    pub path: Vec<String>,
    /// The value, or a table with a [`Reference`] to it.
    pub value: Value,
    /// The layer that sets it.
    pub origin: Origin,
}

impl Setting {
    /// Returns its name, such as `tls.port`.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// Returns true if it refers to a secret.
    pub fn is_reference(&self) -> bool {
        Reference::text_in(&self.value).is_some()
    }

    /// Returns true if a part of it refers to a secret.
    fn refers(mut self) -> bool {
        let mut found = false;
        resolve(&mut self.value, &mut |_| {
            found = true;
            Value::Null
        });
        found
    }
}

/// The place where a setting stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The layer, such as `group web` or `--set`.
    pub layer: String,
    /// The file of the inventory that the layer is a part of.
    pub file: Option<PathBuf>,
    /// The line there.
    pub line: Option<usize>,
}

impl Origin {
    /// Returns the folder at which paths begin.
    fn folder(&self) -> &Path {
        let folder = self.file.as_deref().and_then(Path::parent);
        folder.unwrap_or_else(|| Path::new(""))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.layer)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

impl Layers {
    /// Makes layers without a setting.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the settings that an inventory has for a host, for the plan of this name. There are none
    /// for a host of the same name that is elsewhere: it is another one.
    pub fn of_host(plan: &str, inventory: &Inventory, host: &Host) -> Self {
        let mut layers = Self::new();
        let entry = inventory.host(host.name());
        if let Some(entry) = entry.filter(|entry| entry.address() == host.address()) {
            layers.add_host(plan, inventory, entry);
        }
        layers
    }

    /// Adds settings, which win over those that are there.
    pub fn add(&mut self, later: &Self) {
        for (path, (value, origin)) in &later.settings {
            self.place(path.clone(), value.clone(), origin);
        }
    }

    /// Sets the value at `path`, for people from `layer`.
    pub fn set(&mut self, path: &[impl AsRef<str>], value: Value, layer: &str) {
        let path: Vec<_> = path.iter().map(|part| part.as_ref().to_owned()).collect();
        let origin = Origin {
            layer: layer.to_owned(),
            ..Origin::default()
        };
        self.place(path, value, &origin);
    }

    fn place(&mut self, path: Vec<String>, value: Value, origin: &Origin) {
        match value {
            Value::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let key = key.into_text().unwrap_or_else(|key| format!("{key:?}"));
                    self.place([&path[..], &[key]].concat(), value, origin);
                }
            }
            value => {
                // Where one of two is a table and the other is none, all of the table gives way.
                self.settings
                    .retain(|known, _| !(known.starts_with(&path) || path.starts_with(known)));
                self.settings.insert(path, (value, origin.clone()));
            }
        }
    }

    /// Adds the settings that a host of an inventory has for the plan of this name: its variables in
    /// the table of that name, each with the part of the inventory that sets it.
    pub fn add_host(&mut self, plan: &str, inventory: &Inventory, host: &InventoryHost) {
        for setting in host.variables().values() {
            let Some((table, path)) = setting.path.split_first() else {
                continue;
            };
            if table == plan && !path.is_empty() {
                let origin = Origin {
                    layer: setting.layer.to_string(),
                    file: inventory.file().map(Path::to_owned),
                    line: setting.line,
                };
                self.place(path.to_owned(), setting.value.clone(), &origin);
            }
        }
    }

    /// Returns each setting.
    pub fn settings(&self) -> Vec<Setting> {
        let all = self.settings.iter();
        all.map(|(path, (value, origin))| {
            let (path, value) = match self.reference(path, value) {
                Some(table) => (table.to_vec(), one_entry(value.clone())),
                None => (path.clone(), value.clone()),
            };
            Setting {
                path,
                value,
                origin: origin.clone(),
            }
        })
        .collect()
    }

    /// Returns the place of the setting at `path`, of the first one in that table, or of the one that
    /// it is a part of.
    pub(super) fn origin(&self, path: &[String]) -> Option<&Origin> {
        let mut settings = self.settings.iter();
        let is_it = |known: &[String]| known.starts_with(path) || path.starts_with(known);
        settings.find_map(|(known, (_, origin))| is_it(known).then_some(origin))
    }

    /// Returns the path of the table that is a reference, if the value at `path` is all of it.
    fn reference<'a>(&self, path: &'a [String], value: &Value) -> Option<&'a [String]> {
        let (key, table) = path.split_last()?;
        let is_only = || {
            let inside = self.settings.keys().filter(|path| path.starts_with(table));
            inside.count() == 1
        };
        (key == KEY && value.is_text() && !table.is_empty() && is_only()).then_some(table)
    }

    /// Returns true if a setting refers to a secret.
    pub fn has_references(&self) -> bool {
        self.settings().into_iter().any(Setting::refers)
    }

    /// Makes the mistake that the plan does not take the setting at `path`, for this reason. A reason
    /// that may quote a secret is not told.
    pub fn refused(&self, path: &[impl AsRef<str>], reason: &str) -> Mistake {
        let path: Vec<_> = path.iter().map(|part| part.as_ref().to_owned()).collect();
        let origin = self.origin(&path).filter(|_| !path.is_empty());
        let has_secret = self.settings().into_iter().any(|setting| {
            let place = &setting.path;
            (place.starts_with(&path) || path.starts_with(place)) && setting.refers()
        });
        // Of a whole table, only complaints about values quote them.
        let may_quote = has_secret && (!path.is_empty() || reason.starts_with("invalid"));
        let reason = if may_quote {
            "the secret is not what the plan takes"
        } else {
            reason
        };
        Mistake {
            name: path.join("."),
            origin: origin.cloned(),
            kind: MistakeKind::Refused(reason.to_owned()),
        }
    }

    /// Returns the settings as one table, with references as they are.
    pub fn to_value(&self) -> Value {
        let mut root = Vec::new();
        for (path, (value, _)) in &self.settings {
            insert(&mut root, path, value);
        }
        Value::Map(root)
    }

    /// Returns the settings as one table, with the secrets that references name. Fails with each of
    /// those that cannot be read.
    ///
    /// ```
    /// use wxec::call::Value;
    /// use wxec_plan::config::{Layers, References};
    ///
    /// let mut layers = Layers::new();
    /// layers.set(&["key", "secret"], "command:echo hunter2".into(), "host");
    /// let resolved = layers.resolve(&mut References::new()).unwrap();
    /// assert_eq!(resolved, Value::Map(vec![("key".into(), "hunter2".into())]));
    ///
    /// layers.set(&["key", "secret"], "env:NO_SUCH_NAME".into(), "host");
    /// let mistakes = layers.resolve(&mut References::new()).unwrap_err();
    /// assert_eq!(
    ///     mistakes[0].to_string(),
    ///     "host: key: no secret at `env:NO_SUCH_NAME`: the variable is not set"
    /// );
    /// ```
    pub fn resolve(&self, references: &mut References) -> Result<Value, Vec<Mistake>> {
        let (mut root, mut mistakes) = (Vec::new(), Vec::new());
        for Setting {
            path,
            mut value,
            origin,
        } in self.settings()
        {
            resolve(
                &mut value,
                &mut |place| match references.read(place, origin.folder()) {
                    Ok(secret) => secret.expose().as_str().into(),
                    Err(fault) => {
                        mistakes.push(Mistake {
                            name: path.join("."),
                            origin: Some(origin.clone()),
                            kind: MistakeKind::Reference {
                                place: place.to_owned(),
                                fault,
                            },
                        });
                        Value::Null
                    }
                },
            );
            insert(&mut root, &path, &value);
        }
        if mistakes.is_empty() {
            Ok(Value::Map(root))
        } else {
            Err(mistakes)
        }
    }
}

/// Makes the table that is a reference.
fn one_entry(place: Value) -> Value {
    Value::Map(vec![(KEY.into(), place)])
}

/// Replaces each reference in `value`, those in lists as well.
fn resolve(value: &mut Value, read: &mut impl FnMut(&str) -> Value) {
    if let Some(place) = Reference::text_in(value) {
        *value = read(place);
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, read)),
        Value::Map(entries) => entries
            .iter_mut()
            .for_each(|(_, value)| resolve(value, read)),
        _ => {}
    }
}

fn insert(table: &mut Vec<(Value, Value)>, path: &[String], value: &Value) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    let key = Value::from(key.as_str());
    if rest.is_empty() {
        table.push((key, value.clone()));
        return;
    }
    if table.last().is_none_or(|(last, _)| *last != key) {
        table.push((key, Value::Map(Vec::new())));
    }
    if let Some((_, Value::Map(inner))) = table.last_mut() {
        insert(inner, rest, value);
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
