//! `wxec apply` and `wxec validate`: set hosts up by a plan, or see whether they are.

use std::io::{self, IsTerminal};

use wxec::{
    CallOptions, Host, Module,
    history::RunWork,
    module::{Function, Wants},
};
use wxec_plan::{DEFAULT_MODE, Layers};

use crate::{
    args::{
        connect_args::ConnectArgs,
        feature_args::FeatureArgs,
        limit_args::LimitArgs,
        module_name::split_function,
        negative_numbers::without_mark,
        rollout_args::{Chosen, RolloutArgs},
        target,
    },
    base::{exit_code, verbosity::Verbosity},
    hosts::{
        job::{Job, print_everywhere},
        rollout::Rollout,
    },
    module::load::load,
    output::{
        command_error::CommandError,
        guest_output::guest_output,
        results::{Format, Style},
    },
    plans::{
        find::{check_mode, find_plan},
        report, settings,
        settings::Typed,
    },
    terminal::stderr::{ask, say},
};

/// Set hosts up by a plan
///
/// MODULE::PLAN is a function marked `#[plan]`. It runs on each host, finds out what is not as it
/// should be, and changes that. What it changed is printed, with the lines of files that differ.
///
/// On a terminal, `apply` first shows what it would do, by a preview that can change nothing, and
/// asks. Elsewhere it takes `--yes`, or `--preview` to be shown only.
///
/// A plan is granted what it declares, and a preview of it no more than reading.
///
/// Its settings are those of the inventory, in the variables of each host: `vars.site.title` is the
/// setting `title` of the plan `site`. `--set` comes before them. `wxec plan config` shows them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Change nothing, and show what would be changed
    #[arg(short, long, alias = "dry-run")]
    preview: bool,
    /// Apply without asking
    #[arg(short, long, conflicts_with = "preview")]
    yes: bool,
    /// Fail (exit code 1) if a host would be changed, or may be
    #[arg(long, requires = "preview")]
    expect_none: bool,
    #[command(flatten)]
    plan: PlanArgs,
}

const EXAMPLES: &str = r#"Examples:
  wxec apply web1 site::site --preview
  wxec apply @web site::site --set title="A site" --batch 1,rest
  wxec apply -y web1/sudo: site::site --mode clean"#;

/// See whether hosts are as a plan wants them
///
/// The same as `wxec apply --preview --expect-none`: nothing is changed, and the exit code is 1 if
/// anything would be, or if that cannot be told.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    plan: PlanArgs,
}

#[derive(Debug, clap::Args)]
struct PlanArgs {
    /// The hosts, as in `wxec call`
    #[arg(value_parser = without_mark)]
    target: String,
    /// The plan, such as `site::site` or `./site.wasm::site`
    #[arg(value_name = "MODULE::PLAN", value_parser = without_mark)]
    plan: String,
    /// Apply it in this mode, one of those that the plan has
    #[arg(long, default_value = DEFAULT_MODE)]
    mode: String,
    /// Set a value of the plan's config: JSON, or a text
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<Typed>,
    /// Print the reports in this format
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    features: FeatureArgs,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// The way to go about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Preview,
    /// A preview that fails if there is anything to do.
    Validate,
    Apply,
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let prepared = Prepared::of(&args.plan, verbosity)?;
    if args.preview {
        let way = if args.expect_none {
            Way::Validate
        } else {
            Way::Preview
        };
        return prepared.run(&args.plan, way, verbosity);
    }
    if !args.yes && !prepared.is_wanted(&args.plan, verbosity)? {
        say("nothing was changed");
        return Ok(exit_code::OK);
    }
    prepared.run(&args.plan, Way::Apply, verbosity)
}

pub(crate) fn validate(args: &ValidateArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    Prepared::of(&args.plan, verbosity)?.run(&args.plan, Way::Validate, verbosity)
}

/// A plan with the settings for each host.
struct Prepared {
    module: Module,
    function: Function,
    hosts: Vec<(Host, Layers)>,
}

impl Prepared {
    fn of(args: &PlanArgs, verbosity: Verbosity) -> Result<Self, CommandError> {
        let (source, name) = split_function(&args.plan)?;
        let inventory = args.connect.inventory(&args.target)?;
        let hosts = target::hosts(&args.target, &args.connect, |several| {
            guest_output(several, verbosity)
        })?;
        let module = load(&source, &args.features.features(), verbosity)?;
        let (function, plan) = find_plan(&module, name)?;
        check_mode(plan, &args.mode)?;
        let function = function.clone();
        let hosts = hosts.into_iter().map(|host| {
            let entry = settings::entry(&inventory, &host);
            let layers = settings::layers(&function.name, entry, &args.set);
            (host, layers)
        });
        Ok(Self {
            hosts: hosts.collect(),
            module,
            function,
        })
    }

    /// Shows a preview, and asks whether the plan is to be applied.
    fn is_wanted(&self, args: &PlanArgs, verbosity: Verbosity) -> Result<bool, CommandError> {
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            let message = "there is no terminal to ask on whether the plan is to be applied";
            return Err(CommandError::usage(message)
                .hint("add --yes to apply it, or --preview to see what it would change"));
        }
        let code = self.run(args, Way::Preview, verbosity)?;
        if code != exit_code::OK {
            say("the preview failed on a host");
        }
        let hosts = self.hosts.len();
        let plural = if hosts == 1 { "" } else { "s" };
        let question = format!("apply {} to {hosts} host{plural}? [y/N] ", args.plan);
        let answer = ask(&question)
            .map_err(|error| CommandError::usage(format!("cannot read the answer: {error}")))?;
        Ok(matches!(&*answer, "y" | "Y" | "yes"))
    }

    fn run(&self, args: &PlanArgs, way: Way, verbosity: Verbosity) -> Result<u8, CommandError> {
        let preview = way != Way::Apply;
        let all = self.hosts.iter().map(|(host, _)| host.clone()).collect();
        let mut chosen: Chosen = args.rollout.chosen(all)?;
        for host in &mut chosen.hosts {
            *host = host.with_limits(args.limits.limits(host, chosen.several));
        }
        let order = (&*args.mode, preview);
        let job = Job {
            function: self.function.path.clone(),
            input: wxec::call::Value::Null,
            own_inputs: settings::orders(&self.function, order, &self.hosts)?,
            judge: match way {
                Way::Validate => report::unchanged,
                _ => |_| exit_code::OK,
            },
            options: options(&self.function.wants, preview),
            streaming: None,
            module: self.module.clone(),
        };
        let work = RunWork {
            command: if preview { "preview" } else { "apply" }.into(),
            what: format!("{} ({})", args.plan, args.mode),
            module: Some(self.module.digest().to_string()),
            target: args.target.clone(),
            ..RunWork::default()
        };
        let rollout = Rollout::new(chosen, &args.rollout, work, verbosity)?;
        let show = if verbosity >= Verbosity::Verbose {
            report::all
        } else {
            report::changes
        };
        let style = args.format.map_or(Style::Text(show), Style::Format);
        let results = rollout.results(style, false);
        print_everywhere(rollout, job, results, false, verbosity)
    }
}

/// Grants a plan what it declares. A preview may read of it.
fn options(declared: &Wants, preview: bool) -> CallOptions {
    let options = CallOptions::new().grant(declared.grants());
    if preview { options.preview() } else { options }
}
