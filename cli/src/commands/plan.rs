//! `wxec plan`: the plans of a module, and their settings on hosts.

use clap::Subcommand;
use wxec::{Module, module::Function};

use crate::{
    args::{
        connect_args::ConnectArgs,
        feature_args::FeatureArgs,
        module_name::{ModuleSource, split_function},
        negative_numbers::without_mark,
    },
    base::{exit_code, verbosity::Verbosity},
    module::{functions::inside_crate, load::load},
    output::command_error::CommandError,
    plans::{
        find::{find_plan, last_part},
        settings,
        settings::Typed,
    },
    terminal::stdout::{print_line, print_tagged},
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
  wxec plan config @web site::site --set title='A site'";

#[derive(Debug, Subcommand)]
enum Command {
    List(ListArgs),
    Config(ConfigArgs),
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

/// Show the settings of a plan on each host, and the layer that each comes from; connects to none
#[derive(Debug, clap::Args)]
struct ConfigArgs {
    /// The hosts, as in `wxec call`
    #[arg(value_parser = without_mark)]
    target: String,
    /// The plan, such as `site::site`
    #[arg(value_name = "MODULE::PLAN", value_parser = without_mark)]
    plan: String,
    /// Set a value of the plan's config: JSON, or a text
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Typed>,
    #[command(flatten)]
    features: FeatureArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    match &args.command {
        Command::List(args) => list(args, verbosity),
        Command::Config(args) => config(args, verbosity),
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
    for line in plans.flat_map(|function| described(&module, function)) {
        print_line(&line);
    }
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

fn config(args: &ConfigArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let (source, name) = split_function(&args.plan)?;
    let place = (&*args.target, &args.connect);
    let hosts = settings::of_hosts(last_part(name), place, &args.set, verbosity)?;
    let module = load(&source, &args.features.features(), verbosity)?;
    find_plan(&module, name)?;
    let several = hosts.len() > 1;
    for (host, layers) in &hosts {
        for setting in layers.settings() {
            let value = to_json(&setting.value);
            let line = format!("{} = {value}  ({})", setting.name(), setting.origin);
            if several {
                print_tagged(host.name(), line.as_bytes());
            } else {
                print_line(&line);
            }
        }
    }
    Ok(exit_code::OK)
}
