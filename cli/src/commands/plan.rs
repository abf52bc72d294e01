//! `wxec plan`: the plans of a module, and their settings on hosts.

use clap::Subcommand;
use wxec::{Module, module::Function};
use wxec_plan::{
    HIDDEN,
    config::{Schema, Setting},
};

use crate::{
    args::{
        connect_args::ConnectArgs,
        feature_args::FeatureArgs,
        module_name::{ModuleSource, split_function},
        negative_numbers::without_mark,
    },
    base::{exit_code, verbosity::Verbosity},
    commands::apply::{self, DiffArgs, HistoryArgs},
    module::{functions::inside_crate, load::load},
    output::command_error::CommandError,
    plans::{
        asked::Asked,
        find::find_plan,
        schema::{self, json_schema},
        settings::{SettingArgs, Settings},
    },
    terminal::{
        stderr::say,
        stdout::{print_line, print_tagged},
    },
    value::json::to_json,
};

/// Show plans, and their settings on hosts
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  wxec plan list site
  wxec plan show site::site
  wxec plan show site::site --schema >site.schema.json
  wxec plan check @web site::site
  wxec plan config @web site::site --set title='A site'
  wxec plan diff @web site::site
  wxec plan history web1 site::site";

#[derive(Debug, Subcommand)]
enum Command {
    List(ListArgs),
    Show(ShowArgs),
    Check(CheckArgs),
    Config(ConfigArgs),
    Diff(Box<DiffArgs>),
    History(Box<HistoryArgs>),
}

/// List the plans of a module, with their modes and what they want
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// A package of the workspace here, or a .wasm file
    #[arg(value_parser = without_mark)]
    module: String,
    #[command(flatten)]
    features: FeatureArgs,
}

/// Show a plan: its modes, what it wants, and the settings that it takes
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The plan, such as `site::site`
    #[arg(value_name = "MODULE::PLAN", value_parser = without_mark)]
    plan: String,
    /// Print what the settings have to be like, as a JSON Schema for editors
    #[arg(long)]
    schema: bool,
    #[command(flatten)]
    features: FeatureArgs,
}

/// Find all mistakes in the settings of a plan on each host (exit code 2); connects to none, and
/// reads no secrets
#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    of: SettingsArgs,
}

/// Show the settings of a plan on each host, and the layer that each comes from; connects to none
#[derive(Debug, clap::Args)]
struct ConfigArgs {
    #[command(flatten)]
    of: SettingsArgs,
}

/// A plan, and its hosts.
#[derive(Debug, clap::Args)]
struct SettingsArgs {
    /// The hosts, as in `wxec call`
    #[arg(value_parser = without_mark)]
    target: String,
    /// The plan, such as `site::site`
    #[arg(value_name = "MODULE::PLAN", value_parser = without_mark)]
    plan: String,
    #[command(flatten)]
    settings: SettingArgs,
    #[command(flatten)]
    features: FeatureArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    match &args.command {
        Command::List(args) => list(args, verbosity),
        Command::Show(args) => show(args, verbosity),
        Command::Check(args) => check(&args.of, verbosity),
        Command::Config(args) => config(&args.of, verbosity),
        Command::Diff(args) => apply::diff(args, verbosity),
        Command::History(args) => apply::history(args, verbosity),
    }
}

fn list(args: &ListArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let module = load(
        &ModuleSource::parse(&args.module),
        &args.features.features(),
        verbosity,
    )?;
    let plans = module
        .functions()
        .iter()
        .filter(|function| function.plan.is_some());
    let lines: Vec<_> = plans
        .flat_map(|function| described(&module, function))
        .collect();
    if lines.is_empty() {
        say(&format!(
            "{} has no plans; `#[plan]` makes a function one",
            module.name()
        ));
    }
    lines.iter().for_each(|line| print_line(line));
    Ok(exit_code::OK)
}

/// Returns the lines about a plan.
fn described(module: &Module, function: &Function) -> Vec<String> {
    let plan = function.plan.as_ref();
    let mut lines = vec![format!(
        "{}::{}",
        module.name(),
        inside_crate(module, &function.path)
    )];
    lines.extend(
        function
            .doc
            .lines()
            .map(|line| format!("    {line}").trim_end().to_owned()),
    );
    for (what, words) in [
        ("modes", plan.map(|plan| plan.modes.clone())),
        ("roles", plan.map(|plan| plan.roles.clone())),
        (
            "wants",
            Some(
                function
                    .wants
                    .needs()
                    .map(|need| need.to_string())
                    .collect(),
            ),
        ),
    ] {
        let words = words.unwrap_or_default();
        if !words.is_empty() {
            lines.push(format!("    {what} {}", words.join(" ")));
        }
    }
    lines
}

fn show(args: &ShowArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let (source, name) = split_function(&args.plan)?;
    let module = load(&source, &args.features.features(), verbosity)?;
    let (function, _) = find_plan(&module, name)?;
    let schema = match Asked::of(&module, function)? {
        Some(asked) => asked.schema()?,
        None if args.schema => {
            let message = format!("{} cannot tell what its settings are", args.plan);
            return Err(CommandError::usage(message));
        }
        None => Schema::Any,
    };
    if args.schema {
        let title = format!(
            "{}::{}",
            module.name(),
            inside_crate(&module, &function.path)
        );
        let schema = json_schema(&title, &function.doc, &schema);
        print_line(&format!("{schema:#}"));
        return Ok(exit_code::OK);
    }
    let mut lines = described(&module, function);
    let settings = schema::lines(&schema);
    if !settings.is_empty() {
        lines.push("    settings".into());
        lines.extend(settings.iter().map(|line| format!("        {line}")));
    }
    lines.iter().for_each(|line| print_line(line));
    Ok(exit_code::OK)
}

impl SettingsArgs {
    fn settings(&self, verbosity: Verbosity) -> Result<Settings, CommandError> {
        let (source, name) = split_function(&self.plan)?;
        let module = load(&source, &self.features.features(), verbosity)?;
        let (function, plan) = find_plan(&module, name)?;
        let place = (&*self.target, &self.connect);
        Settings::of((&module, function, plan), place, &self.settings, verbosity)
    }
}

fn check(args: &SettingsArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let settings = args.settings(verbosity)?;
    settings.check()?;
    let hosts = settings.hosts.len();
    let plural = if hosts == 1 { "" } else { "s" };
    print_line(&format!("{hosts} host{plural}: no mistakes"));
    Ok(exit_code::OK)
}

fn config(args: &SettingsArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let settings = args.settings(verbosity)?;
    let several = settings.hosts.len() > 1;
    for (host, layers) in &settings.hosts {
        for setting in layers.settings() {
            let line = format!(
                "{} = {}  ({})",
                setting.name(),
                shown(&setting, settings.schema.as_ref()),
                setting.origin
            );
            if several {
                print_tagged(host.name(), line.as_bytes());
            } else {
                print_line(&line);
            }
        }
    }
    Ok(exit_code::OK)
}

/// Returns the value of a setting, or what stands for a secret.
fn shown(setting: &Setting, schema: Option<&Schema>) -> String {
    let is_hidden = schema.is_some_and(|schema| schema.is_hidden(&setting.path));
    if is_hidden && !setting.is_reference() {
        return HIDDEN.into();
    }
    to_json(&setting.value)
}
