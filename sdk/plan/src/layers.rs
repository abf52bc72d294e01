//! Settings of a plan from several layers, each value with the layer that it comes from.

use std::collections::BTreeMap;

use wxec::{call::Value, inventory::InventoryHost};

/// The settings of a plan, from several layers. A later layer wins, value by value: tables are
/// merged, lists and single values are replaced.
///
/// ```
/// use wxec::call::Value;
/// use wxec_plan::Layers;
///
/// let mut layers = Layers::new();
/// let tls = Value::Map(vec![("on".into(), true.into()), ("port".into(), 443.into())]);
/// layers.set(&["tls"], tls, "group web");
/// layers.set(&["tls", "port"], 8443.into(), "--set");
/// let settings: Vec<_> = layers.settings().map(|(name, _, layer)| (name, layer)).collect();
/// assert_eq!(settings, [("tls.on".into(), "group web"), ("tls.port".into(), "--set")]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Layers {
    settings: BTreeMap<Vec<String>, (Value, String)>,
}

impl Layers {
    /// Makes layers without a setting.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value at `path`, for people from `layer`.
    pub fn set(&mut self, path: &[impl AsRef<str>], value: Value, layer: &str) {
        let path: Vec<_> = path.iter().map(|part| part.as_ref().to_owned()).collect();
        match value {
            Value::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    let key = key.into_text().unwrap_or_else(|key| format!("{key:?}"));
                    self.set(&[&path[..], &[key]].concat(), value, layer);
                }
            }
            value => {
                // Where one of two is a table and the other is none, all of the table gives way.
                self.settings
                    .retain(|known, _| !(known.starts_with(&path) || path.starts_with(known)));
                self.settings.insert(path, (value, layer.to_owned()));
            }
        }
    }

    /// Adds the settings that a host of an inventory has for the plan of this name: its variables in
    /// the table of that name, each with the part of the inventory that sets it.
    pub fn add_host(&mut self, plan: &str, host: &InventoryHost) {
        for setting in host.variables().values() {
            let Some((table, path)) = setting.path.split_first() else {
                continue;
            };
            if table == plan && !path.is_empty() {
                let line = setting.line.map(|line| format!(", line {line}"));
                let layer = format!("{}{}", setting.layer, line.unwrap_or_default());
                self.set(path, setting.value.clone(), &layer);
            }
        }
    }

    /// Returns each setting: its name, such as `tls.port`, its value, and its layer.
    pub fn settings(&self) -> impl Iterator<Item = (String, &Value, &str)> {
        self.settings
            .iter()
            .map(|(path, (value, layer))| (path.join("."), value, &**layer))
    }

    /// Returns the settings as one table.
    pub fn to_value(&self) -> Value {
        let mut root = Vec::new();
        for (path, (value, _)) in &self.settings {
            insert(&mut root, path, value);
        }
        Value::Map(root)
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
mod tests {
    use super::*;

    fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
        Value::Map(entries.collect())
    }

    #[test]
    fn tables_are_merged_and_all_else_is_replaced() {
        let mut layers = Layers::new();
        let list = |items: &[i32]| Value::Array(items.iter().map(|item| (*item).into()).collect());
        let low = table([
            ("a", table([("x", 1.into()), ("y", 2.into())])),
            ("b", list(&[1, 2])),
            ("c", table([("z", 3.into())])),
        ]);
        layers.set(&[""; 0], low, "low");
        layers.set(&["a", "y"], 9.into(), "high");
        layers.set(&["b"], list(&[3]), "high");
        layers.set(&["c"], "none".into(), "high");
        let merged = table([
            ("a", table([("x", 1.into()), ("y", 9.into())])),
            ("b", list(&[3])),
            ("c", "none".into()),
        ]);
        assert_eq!(layers.to_value(), merged);
        let layers: Vec<_> = layers
            .settings()
            .map(|(name, _, layer)| format!("{name} {layer}"))
            .collect();
        assert_eq!(layers, ["a.x low", "a.y high", "b high", "c high"]);
        assert_eq!(Layers::new().to_value(), Value::Map(Vec::new()));
    }
}
