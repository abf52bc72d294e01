//! `wxec hosts`: shows what a target means, and what the inventory says of its hosts. Connects to
//! nothing.

use std::collections::BTreeMap;

use wxec::{
    Host,
    call::Value,
    inventory::{Inventory, InventoryHost, Setting},
};

use crate::{
    args::{connect_args::InventoryArgs, target::tell_strangers},
    base::exit_code,
    output::{
        command_error::CommandError,
        results::{Format, Results, Style},
    },
    terminal::stdout::print_line,
    value::json::to_json,
};

/// Show which hosts a target means: their addresses, groups, roles and variables
///
/// Without TARGET, all hosts of the inventory. Nothing is connected to.
///
/// A TARGET is a list of parts, with commas between them. A part is the name of a host, a range
/// (`web[1-20]`, `web[01-20]`), a pattern (`web*`, `db?`), a group (`@web`, or `@all`), all hosts
/// with a role (`@role:web`), or an address (`ssh:web1`, `web1/sudo:app`). `a & b` is what is in
/// both, `a & !b` what is in the first only, and a part that is `!b` alone takes its hosts from all
/// other parts. `&` binds tighter than the comma. Write a target with `!`, `&`, `*` or `[` in
/// single quotes, because they mean something to shells.
///
/// A name that the inventory does not have is one of ssh's configuration; `ssh:web1` is that in any
/// case.
///
/// Behind each variable and option stands the layer that sets it: the host, one of its groups, or
/// `all`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The hosts to show [default: all of the inventory]
    target: Option<String>,
    /// Print the hosts in this format
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    inventory: InventoryArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec hosts
  wxec hosts '@web & !web3'
  wxec hosts 'db*,web[01-20]' --format json | jq 'keys'";

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let inventory = args.inventory.read()?;
    let shown = match &args.target {
        Some(target) => {
            let selection = inventory.resolve(target)?;
            tell_strangers(&inventory, &selection);
            let hosts = selection.hosts();
            hosts.map(|host| Shown::of(host, &inventory)).collect()
        }
        None => all(&inventory)?,
    };
    match args.format {
        Some(format) => print_values(&shown, format),
        None => print_table(&shown),
    }
    Ok(exit_code::OK)
}

fn all(inventory: &Inventory) -> Result<Vec<Shown<'_>>, CommandError> {
    if inventory.file().is_none() {
        let message = "there is no inventory: no `wxec.toml` here or above";
        return Err(CommandError::usage(message)
            .hint("name one with --inventory, or give a TARGET to see what it means"));
    }
    let hosts = inventory.hosts().iter();
    Ok(hosts
        .map(|host| Shown {
            name: host.name().into(),
            address: host.address().to_string(),
            entry: Some(host),
        })
        .collect())
}

/// A host, and its entry in the inventory if it has one.
struct Shown<'a> {
    name: String,
    address: String,
    entry: Option<&'a InventoryHost>,
}

impl<'a> Shown<'a> {
    fn of(host: &Host, inventory: &'a Inventory) -> Self {
        let entry = inventory.host(host.name());
        Self {
            name: host.name().into(),
            address: host.address().to_string(),
            // `ssh:web1` is not the `web1` of the inventory, though it has the same name.
            entry: entry.filter(|entry| entry.address() == host.address()),
        }
    }

    fn to_value(&self) -> Value {
        let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
        let mut fields = vec![("address", self.address.as_str().into())];
        if let Some(entry) = self.entry {
            fields.push(("groups", Value::Array(texts(entry.groups()))));
            fields.push(("roles", Value::Array(texts(entry.roles()))));
            fields.push(("variables", settings_value(entry.variables())));
            fields.push(("options", settings_value(entry.options())));
        }
        object(fields)
    }
}

fn settings_value(settings: &BTreeMap<String, Setting>) -> Value {
    let entries = settings.iter().map(|(name, setting)| {
        let value = [
            ("value", setting.value.clone()),
            ("layer", setting.layer.to_string().into()),
            (
                "line",
                setting
                    .line
                    .map_or(Value::Null, |line| (line as u64).into()),
            ),
        ];
        (name.as_str().into(), object(value))
    });
    Value::Map(entries.collect())
}

fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(key, value)| (key.into(), value));
    Value::Map(fields.collect())
}

/// Prints hosts for programs: always as several, so that one host has the same form as two.
fn print_values(shown: &[Shown<'_>], format: Format) {
    // No run has events in which lines could be.
    let several = format != Format::Ndjson;
    let mut results = Results::new(Style::Format(format), several);
    for host in shown {
        results.value(&host.name, host.to_value());
    }
    results.finish();
}

fn print_table(shown: &[Shown<'_>]) {
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let names = widest(&mut shown.iter().map(|host| host.name.chars().count()));
    let addresses = widest(&mut shown.iter().map(|host| host.address.chars().count()));
    for host in shown {
        let belongs = host.entry.map(belongs).unwrap_or_default();
        let line = format!(
            "{:names$}  {:addresses$}  {belongs}",
            host.name, host.address
        );
        print_line(line.trim_end());
        if let Some(entry) = host.entry {
            settings_lines(entry)
                .iter()
                .for_each(|line| print_line(line));
        }
    }
}

/// Returns the groups and roles of a host as they are written in targets.
fn belongs(entry: &InventoryHost) -> String {
    let groups = entry.groups().iter().map(|group| format!("@{group}"));
    let roles = entry.roles().iter().map(|role| format!("@role:{role}"));
    groups.chain(roles).collect::<Vec<_>>().join(" ")
}

fn settings_lines(entry: &InventoryHost) -> Vec<String> {
    let variables = entry.variables().iter();
    let variables = variables.map(|(name, setting)| (format!("vars.{name}"), setting));
    let options = entry.options().iter();
    let options = options.map(|(name, setting)| (name.clone(), setting));
    let settings = variables.chain(options).map(|(name, setting)| {
        let from = match setting.line {
            Some(line) => format!("{}, line {line}", setting.layer),
            None => setting.layer.to_string(),
        };
        (format!("{name} = {}", to_json(&setting.value)), from)
    });
    let settings: Vec<_> = settings.collect();
    let width = settings.iter().map(|(text, _)| text.chars().count()).max();
    let width = width.unwrap_or_default();
    settings
        .iter()
        .map(|(text, from)| format!("    {text:width$}  ({from})"))
        .collect()
}
