//! Settings of a plan for each host: those of the inventory, and those that were typed.

use std::collections::HashMap;

use wxec::{Host, call::Value, module::Function};
use wxec_plan::config::{Layers, References};

use crate::{
    args::{call_arguments::CallArguments, connect_args::ConnectArgs, target},
    base::verbosity::Verbosity,
    output::{command_error::CommandError, guest_output::guest_output},
    plans::mistakes::Mistakes,
    value::{json::to_json, parse::parse},
};

/// A setting that was typed: `tls.port=443`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Typed {
    path: Vec<String>,
    value: Value,
}

impl std::str::FromStr for Typed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
        let path: Vec<_> = name.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("`{}` is no name of a setting", name.escape_debug()));
        }
        // What is no JSON is a text, as on the command line of `wxec call`.
        let value = parse(value).unwrap_or_else(|_| value.into());
        Ok(Self { path, value })
    }
}

/// Returns the hosts of a target, each with its settings of a plan: those of the inventory, and
/// before them those that were typed.
pub(crate) fn of_hosts(
    plan: &str,
    (target, connect): (&str, &ConnectArgs),
    typed: &[Typed],
    verbosity: Verbosity,
) -> Result<Vec<(Host, Layers)>, CommandError> {
    let inventory = connect.inventory(target)?;
    let hosts = target::hosts_in(&inventory, target, connect, |several| {
        guest_output(several, verbosity)
    })?;
    let with_layers = |host: Host| {
        let mut layers = Layers::new();
        // A host of the same name that is elsewhere is another one.
        let entry = inventory.host(host.name());
        if let Some(entry) = entry.filter(|entry| entry.address() == host.address()) {
            layers.add_host(plan, &inventory, entry);
        }
        for Typed { path, value } in typed {
            layers.set(path, value.clone(), "--set");
        }
        (host, layers)
    };
    Ok(hosts.into_iter().map(with_layers).collect())
}

/// Reads the secrets that settings refer to. Returns the config of each host, by its name.
pub(crate) fn resolved(
    settings: &[(Host, Layers)],
) -> Result<HashMap<String, Value>, CommandError> {
    let mut references = References::new();
    let (mut configs, mut mistakes) = (HashMap::new(), Mistakes::default());
    for (host, layers) in settings {
        match layers.resolve(&mut references) {
            Ok(config) => drop(configs.insert(host.name().to_owned(), config)),
            Err(found) => mistakes.add(host.name(), found),
        }
    }
    mistakes.into_result().map(|()| configs)
}

/// Returns the order for each host, by its name.
pub(crate) fn orders(
    function: &Function,
    (mode, preview): (&str, bool),
    configs: HashMap<String, Value>,
) -> Result<HashMap<String, Value>, CommandError> {
    let takes_none = function
        .parameters
        .first()
        .is_some_and(|order| order.type_name.ends_with("Order<()>"));
    let order = |config: Value| {
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
        CallArguments::Json(to_json(&arguments)).into_value(Some(function))
    };
    configs
        .into_iter()
        .map(|(host, config)| Ok((host, order(config)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_setting_is_json_or_a_text() {
        let typed = |text: &str| text.parse::<Typed>();
        let setting = |path: &[&str], value: Value| {
            let path = path.iter().map(ToString::to_string).collect();
            Ok(Typed { path, value })
        };
        assert_eq!(typed("tls.port=443"), setting(&["tls", "port"], 443.into()));
        assert_eq!(typed("title=A site"), setting(&["title"], "A site".into()));
        assert_eq!(typed("a=b=c"), setting(&["a"], "b=c".into()));
        assert_eq!(typed("on=true"), setting(&["on"], true.into()));
        assert_eq!(typed("none="), setting(&["none"], "".into()));
        assert!(typed("title").is_err() && typed("a..b=1").is_err() && typed("=1").is_err());
    }
}
