//! Settings of a plan for each host: those of the inventory, and those that were typed.

use std::collections::HashMap;

use wxec::{Host, Module, call::Value, inventory::Inventory, module::Function};
use wxec_plan::config::{Layers, References, Schema};

use crate::{
    args::{call_arguments::CallArguments, connect_args::ConnectArgs, target},
    base::verbosity::Verbosity,
    output::{command_error::CommandError, guest_output::guest_output},
    plans::{asked::Asked, find::last_part, mistakes::Mistakes},
    value::{json::to_json, parse::parse},
};

/// A setting that was typed: `tls.port=443`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Typed {
    path: Vec<String>,
    text: String,
}

impl std::str::FromStr for Typed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, text) = text.split_once('=').ok_or("write NAME=VALUE")?;
        let path: Vec<_> = name.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("`{}` is no name of a setting", name.escape_debug()));
        }
        let text = text.to_owned();
        Ok(Self { path, text })
    }
}

impl Typed {
    /// Returns the value: JSON, or the text itself where it is none, or where a text is wanted.
    fn value(&self, schema: Option<&Schema>) -> Value {
        let text = || self.text.as_str().into();
        let is_text = schema
            .and_then(|schema| schema.at(&self.path))
            .is_some_and(Schema::is_text);
        match parse(&self.text) {
            Ok(value @ (Value::Text(_) | Value::Map(_))) => value,
            Ok(value) if !is_text => value,
            _ => text(),
        }
    }
}

/// The settings of a plan for all hosts of a command.
pub(crate) struct Settings {
    function: Function,
    asked: Option<Asked>,
    pub(crate) schema: Option<Schema>,
    pub(crate) hosts: Vec<(Host, Layers)>,
}

impl Settings {
    /// Finds the settings of the hosts of a target: those of the inventory, and before them those
    /// that were typed. Connects to none of the hosts.
    pub(crate) fn of(
        (module, function): (&Module, &Function),
        (target, connect): (&str, &ConnectArgs),
        typed: &[Typed],
        verbosity: Verbosity,
    ) -> Result<Self, CommandError> {
        let inventory = connect.inventory(target)?;
        let hosts = target::hosts_in(&inventory, target, connect, |several| {
            guest_output(several, verbosity)
        })?;
        let asked = Asked::of(module, function)?;
        let schema = asked.as_ref().map(Asked::schema).transpose()?;
        let layers = |host: &Host| {
            let mut layers = of_inventory(last_part(&function.path), &inventory, host);
            for typed in typed {
                layers.set(&typed.path, typed.value(schema.as_ref()), "--set");
            }
            layers
        };
        let with_layers = |host: Host| (host.clone(), layers(&host));
        Ok(Self {
            hosts: hosts.into_iter().map(with_layers).collect(),
            function: function.clone(),
            asked,
            schema,
        })
    }

    /// Fails with all mistakes in the settings. References to secrets are not read for it, and
    /// settings with some are compared with the schema only.
    pub(crate) fn check(&self) -> Result<(), CommandError> {
        self.check_schema()?;
        let without = self
            .hosts
            .iter()
            .filter(|(_, layers)| !layers.has_references());
        let configs = without.map(|(host, layers)| (host, layers, layers.to_value()));
        self.check_by_plan(configs)
    }

    /// Reads the secrets that settings refer to, and checks all settings. Returns the config of each
    /// host, by its name.
    pub(crate) fn configs(&self) -> Result<HashMap<String, Value>, CommandError> {
        self.check_schema()?;
        let mut references = References::new();
        let (mut configs, mut mistakes) = (HashMap::new(), Mistakes::default());
        for (host, layers) in &self.hosts {
            match layers.resolve(&mut references) {
                Ok(config) => drop(configs.insert(host.name().to_owned(), config)),
                Err(found) => mistakes.add(host.name(), found),
            }
        }
        mistakes.into_result()?;
        let given = self.hosts.iter();
        self.check_by_plan(
            given.map(|(host, layers)| (host, layers, configs[host.name()].clone())),
        )?;
        Ok(configs)
    }

    fn check_schema(&self) -> Result<(), CommandError> {
        let mut mistakes = Mistakes::default();
        if let Some(schema) = &self.schema {
            for (host, layers) in &self.hosts {
                mistakes.add(host.name(), schema.check(layers));
            }
        }
        mistakes.into_result()
    }

    /// Lets the plan's own type read the settings, each of those that differ once.
    fn check_by_plan<'a>(
        &self,
        configs: impl Iterator<Item = (&'a Host, &'a Layers, Value)>,
    ) -> Result<(), CommandError> {
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        let (mut answers, mut mistakes) = (HashMap::new(), Mistakes::default());
        for (host, layers, config) in configs {
            let order = self.order(("", true), config)?;
            let key = to_json(&order);
            let answer = match answers.get(&key) {
                Some(answer) => answer,
                None => answers.entry(key).or_insert(asked.settled(&order)?),
            };
            if let Err(reason) = answer {
                let (path, reason) = place(reason);
                mistakes.add(host.name(), [layers.refused(&path, reason)]);
            }
        }
        mistakes.into_result()
    }

    /// Returns the order for each host, by its name.
    pub(crate) fn orders(
        &self,
        way: (&str, bool),
        configs: HashMap<String, Value>,
    ) -> Result<HashMap<String, Value>, CommandError> {
        let orders = configs.into_iter();
        orders
            .map(|(host, config)| Ok((host, self.order(way, config)?)))
            .collect()
    }

    fn order(&self, (mode, preview): (&str, bool), config: Value) -> Result<Value, CommandError> {
        let takes_none = self
            .function
            .parameters
            .first()
            .is_some_and(|order| order.type_name.ends_with("Order<()>"));
        let config = match config {
            Value::Map(settings) if settings.is_empty() && takes_none => Value::Null,
            settings => settings,
        };
        let order = vec![
            ("mode".into(), mode.into()),
            ("preview".into(), preview.into()),
            ("config".into(), config),
        ];
        let arguments = Value::Array(vec![Value::Map(order)]);
        CallArguments::Json(to_json(&arguments)).into_value(Some(&self.function))
    }
}

/// Returns the settings that the inventory has for a host.
fn of_inventory(plan: &str, inventory: &Inventory, host: &Host) -> Layers {
    let mut layers = Layers::new();
    // A host of the same name that is elsewhere is another one.
    let entry = inventory.host(host.name());
    if let Some(entry) = entry.filter(|entry| entry.address() == host.address()) {
        layers.add_host(plan, inventory, entry);
    }
    layers
}

/// Finds the setting in the complaint of a plan about its order.
fn place(complaint: &str) -> (Vec<String>, &str) {
    let of_order = complaint
        .strip_prefix("argument `order` (the settings)")
        .unwrap_or(complaint);
    let named = of_order
        .strip_prefix(", at `order.config")
        .and_then(|rest| rest.split_once("`: "));
    let (path, reason) = named.unwrap_or_else(|| ("", of_order.trim_start_matches(": ")));
    let path = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
    (path.map(str::to_owned).collect(), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_setting_is_json_or_a_text() {
        let typed = |text: &str| text.parse::<Typed>();
        let setting = |path: &[&str], value: Value| {
            let path: Vec<_> = path.iter().map(ToString::to_string).collect();
            (path, value)
        };
        let read = |text: &str| {
            let typed = typed(text).unwrap();
            (typed.path.clone(), typed.value(None))
        };
        assert_eq!(read("tls.port=443"), setting(&["tls", "port"], 443.into()));
        assert_eq!(read("title=A site"), setting(&["title"], "A site".into()));
        assert_eq!(read("a=b=c"), setting(&["a"], "b=c".into()));
        assert_eq!(read("on=true"), setting(&["on"], true.into()));
        assert_eq!(read("none="), setting(&["none"], "".into()));
        assert!(typed("title").is_err() && typed("a..b=1").is_err() && typed("=1").is_err());
    }

    #[test]
    fn what_looks_like_a_number_is_a_text_where_one_is_wanted() {
        #[derive(serde::Deserialize)]
        #[expect(dead_code, reason = "it is looked at only")]
        struct Config {
            name: String,
            port: u16,
            key: Option<wxec_plan::Secret<String>>,
        }
        let schema = Schema::of::<Config>();
        let read = |text: &str| text.parse::<Typed>().unwrap().value(Some(&schema));
        assert_eq!(read("name=443"), "443".into());
        assert_eq!(read("name=\"443\""), "443".into());
        assert_eq!(read("port=443"), 443.into());
        assert_eq!(read("key=12"), "12".into());
        let reference = Value::Map(vec![("secret".into(), "env:KEY".into())]);
        assert_eq!(read(r#"key={"secret":"env:KEY"}"#), reference);
    }

    #[test]
    fn the_setting_is_found_in_a_complaint() {
        let found = |text| {
            let (path, reason) = place(text);
            format!("{}: {reason}", path.join("."))
        };
        assert_eq!(
            found("argument `order` (the settings), at `order.config.tls.list[1]`: it is odd"),
            "tls.list.1: it is odd"
        );
        assert_eq!(
            found("argument `order` (the settings): it is odd"),
            ": it is odd"
        );
    }
}
