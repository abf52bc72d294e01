//! Settings of a plan for each host: those of the inventory, and those that were typed.

use std::{collections::HashMap, path::PathBuf};

use wxec::{
    Host, Module,
    call::Value,
    here::Facts,
    module::{Function, Plan},
};
use wxec_plan::{
    Order, Rendered,
    config::{
        Layers, Mistakes, References, Schema, Template, TemplateFault, TemplateFolder, Templates,
    },
};

use crate::{
    args::{call_arguments::CallArguments, connect_args::ConnectArgs, target},
    base::{exit_code, verbosity::Verbosity},
    output::{command_error::CommandError, guest_output::guest_output},
    plans::{asked::Asked, find::last_part},
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

/// Settings, and files in place of templates, as they are typed.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingArgs {
    /// Set a value of the plan's config: JSON, or a text
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Typed>,
    /// Take templates of the plan from DIR/PLAN/, where there are any [default: `plans` beside the
    /// inventory]
    #[arg(long, value_name = "DIR")]
    templates: Vec<PathBuf>,
}

/// The config of a host, with its secrets.
#[derive(Clone)]
pub(crate) struct Config {
    given: Value,
    /// The same, as the plan sees it: with what it has by default.
    settled: Value,
}

/// The settings of a plan for all hosts of a command.
pub(crate) struct Settings {
    function: Function,
    asked: Option<Asked>,
    pub(crate) schema: Option<Schema>,
    pub(crate) templates: Templates,
    pub(crate) hosts: Vec<(Host, Layers)>,
}

impl Settings {
    /// Finds the settings of the hosts of a target: those of the inventory, and before them those
    /// that were typed. Connects to none of the hosts.
    pub(crate) fn of(
        (module, function, plan): (&Module, &Function, &Plan),
        (target, connect): (&str, &ConnectArgs),
        typed: &SettingArgs,
        verbosity: Verbosity,
    ) -> Result<Self, CommandError> {
        let inventory = connect.inventory(target)?;
        let beside = inventory.file().and_then(TemplateFolder::beside);
        let named = typed.templates.iter().map(TemplateFolder::named);
        let folders: Vec<_> = named.chain(beside).collect();
        let templates = templates(plan, last_part(&function.path), &folders)?;
        let hosts = target::hosts_in(&inventory, target, connect, |several| {
            guest_output(several, verbosity)
        })?;
        let asked = Asked::of(module, function)?;
        let schema = asked.as_ref().map(Asked::schema).transpose()?;
        let layers = |host: &Host| {
            let mut layers = Layers::of_host(last_part(&function.path), &inventory, host);
            for typed in &typed.set {
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
            templates,
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
        self.settled(configs).map(drop)
    }

    /// Reads the secrets that settings refer to, and checks all settings. Returns the config of each
    /// host, by its name.
    pub(crate) fn configs(&self) -> Result<HashMap<String, Config>, CommandError> {
        self.check_schema()?;
        let mut references = References::new();
        let (mut configs, mut mistakes) = (HashMap::new(), Mistakes::default());
        for (host, layers) in &self.hosts {
            match layers.resolve(&mut references) {
                Ok(config) => drop(configs.insert(host.name().to_owned(), config)),
                Err(found) => mistakes.add(host.name(), found),
            }
        }
        mistakes.into_result().map_err(refused)?;
        let given = self.hosts.iter();
        let settled =
            self.settled(given.map(|(host, layers)| (host, layers, configs[host.name()].clone())))?;
        let with_settled = |(host, given): (String, Value)| {
            let settled = settled.get(&host).unwrap_or(&given).clone();
            (host, Config { given, settled })
        };
        Ok(configs.into_iter().map(with_settled).collect())
    }

    fn check_schema(&self) -> Result<(), CommandError> {
        let mut mistakes = Mistakes::default();
        if let Some(schema) = &self.schema {
            for (host, layers) in &self.hosts {
                mistakes.add(host.name(), schema.check(layers));
            }
            mistakes.add_general(self.templates.check(schema));
        }
        mistakes.into_result().map_err(refused)
    }

    /// Lets the plan's own type read the settings, each of those that differ once. Returns them as the
    /// plan sees them, by the names of hosts.
    fn settled<'a>(
        &self,
        configs: impl Iterator<Item = (&'a Host, &'a Layers, Value)>,
    ) -> Result<HashMap<String, Value>, CommandError> {
        let Some(asked) = &self.asked else {
            return Ok(HashMap::new());
        };
        let mut settled = HashMap::new();
        let (mut answers, mut mistakes) = (HashMap::new(), Mistakes::default());
        for (host, layers, config) in configs {
            let order = self.order(&Order::new(()), config, &[])?;
            let key = to_json(&order);
            let answer = match answers.get(&key) {
                Some(answer) => answer,
                None => answers.entry(key).or_insert(asked.settled(&order)?),
            };
            match answer {
                Ok(config) => drop(settled.insert(host.name().to_owned(), config.clone())),
                Err(reason) => {
                    let (path, reason) = place(reason);
                    mistakes.add(host.name(), [layers.refused(&path, reason)]);
                }
            }
        }
        mistakes.into_result().map_err(refused)?;
        Ok(settled)
    }

    /// Returns the order for a host, with templates that are rendered for it.
    pub(crate) fn order_for(
        &self,
        order: &Order<()>,
        config: &Config,
        facts: Option<&Facts>,
    ) -> Result<Value, CommandError> {
        let schema = self.schema.as_ref();
        let rendered = self
            .templates
            .render(schema, &config.settled, &order.mode, facts);
        let rendered = rendered.map_err(|fault| CommandError::usage(fault.to_string()))?;
        self.order(order, config.given.clone(), &rendered)
    }

    /// Returns `order` with a config and templates.
    fn order(
        &self,
        order: &Order<()>,
        config: Value,
        templates: &[Rendered],
    ) -> Result<Value, CommandError> {
        let takes_none = self
            .function
            .parameters
            .first()
            .is_some_and(|order| order.type_name.ends_with("Order<()>"));
        let config = match config {
            Value::Map(settings) if settings.is_empty() && takes_none => Value::Null,
            settings => settings,
        };
        let order = Value::serialized(order).expect("it has texts and numbers");
        let mut entries = order.into_map().unwrap_or_default();
        entries.retain(|(name, _)| name.as_text() != Some("config"));
        entries.push(("config".into(), config));
        if !templates.is_empty() {
            let templates = Value::serialized(templates).expect("they are texts");
            entries.push(("templates".into(), templates));
        }
        let arguments = Value::Array(vec![Value::Map(entries)]);
        CallArguments::Json(to_json(&arguments)).into_value(Some(&self.function))
    }
}

fn refused(mistakes: Mistakes) -> CommandError {
    CommandError::from_text(exit_code::USAGE, &mistakes.to_string())
}

/// Returns the templates of a plan, or what stands in place of them.
fn templates(
    plan: &Plan,
    name: &str,
    folders: &[TemplateFolder],
) -> Result<Templates, CommandError> {
    let refused = |faults: Vec<TemplateFault>| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        CommandError::usage(faults.join("; "))
    };
    let replaced = plan.templates.iter().map(|own| {
        let own = Template {
            name: own.name.clone(),
            text: own.text.clone(),
            place: None,
        };
        own.replaced(name, folders)
    });
    let replaced: Result<Vec<_>, _> = replaced.collect();
    Templates::new(replaced.map_err(|fault| refused(vec![fault]))?).map_err(refused)
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
