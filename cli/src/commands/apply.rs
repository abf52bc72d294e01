//! `wxec apply` and `wxec validate`: set hosts up by a plan, or see whether they are.

use std::{
    collections::HashMap,
    io::{self, IsTerminal},
    mem,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use wxec::{
    CallOptions, Host, Module,
    call::{Need, Value},
    history::{RunWork, user_and_machine},
    module::{Function, Wants},
};
use wxec_plan::{DEFAULT_MODE, Foreseen, Order};

use crate::{
    args::{
        connect_args::ConnectArgs,
        feature_args::FeatureArgs,
        limit_args::LimitArgs,
        module_name::split_function,
        negative_numbers::without_mark,
        rollout_args::{Chosen, RolloutArgs},
    },
    base::{exit_code, quantity, verbosity::Verbosity},
    history::steps::Steps,
    hosts::{
        job::{Job, OwnInputs, print_everywhere},
        recording::View,
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
        report, saved,
        settings::{Config, SettingArgs, Settings},
    },
    terminal::stderr::{ask, say},
    value::json::to_json,
};

/// Set hosts up by a plan
///
/// MODULE::PLAN is a function marked `#[plan]`. It runs on each host, finds out what is not as it
/// should be, and changes that. What it changed is printed, with the lines of files that differ.
///
/// On a terminal, `apply` first shows what it would do, by a preview that can change nothing, and
/// asks. Elsewhere it takes `--yes`, or `--dry-run` to be shown only.
///
/// Each host keeps a record of the plan, by which restarts that are owed are not lost, and the mode
/// `clean`, which every plan has, removes what the plan made. `wxec plan history` shows it.
///
/// A plan is granted what it declares, and a preview of it no more than reading.
///
/// All mistakes in the settings are told before anything connects (exit code 2).
///
/// Its settings are those of the inventory, in the variables of each host: `vars.site.title` is the
/// setting `title` of the plan `site`. `--set` comes before them. `wxec plan config` shows them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Change nothing, and show what would be changed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Apply without asking
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,
    /// Fail (exit code 1) if a host would be changed, or may be
    #[arg(long, requires = "dry_run")]
    expect_none: bool,
    /// Apply what this preview shows, which `--dry-run --format json` has printed: a host fails at the
    /// first step that would change something else
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    preview: Option<PathBuf>,
    /// Remove what earlier runs of the plan made on a host, and it does not have any more
    #[arg(long)]
    prune: bool,
    /// Wait so long for another run of the plan on a host to end [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    lock_wait: Option<Duration>,
    /// Keep no record on the hosts: restarts follow changes of this run only, and nothing can be
    /// cleaned up later
    #[arg(long, conflicts_with_all = ["prune", "lock_wait", "repair_record"])]
    no_record: bool,
    /// Go on with the record before the last one on hosts where that is damaged
    #[arg(long)]
    repair_record: bool,
    #[command(flatten)]
    plan: PlanArgs,
}

impl Args {
    /// Returns the order, but for what differs from host to host.
    fn order(&self) -> Order<()> {
        let mut order = Order::new(())
            .in_mode(&*self.plan.mode)
            .by(user_and_machine());
        order.record = !self.no_record;
        order.prune = self.prune;
        if let Some(time) = self.lock_wait {
            order = order.lock_wait(time);
        }
        if self.repair_record {
            order = order.repair_record();
        }
        order
    }
}

const EXAMPLES: &str = r#"Examples:
  wxec apply web1 site::site --dry-run
  wxec apply @web site::site --set title="A site" --batch 1,rest
  wxec apply -y web1/sudo: site::site --mode clean
  wxec apply @web site::site --dry-run --format json >preview.json
  wxec apply -y @web site::site --preview preview.json"#;

/// See whether hosts are as a plan wants them
///
/// The same as `wxec apply --dry-run --expect-none`: nothing is changed, and the exit code is 1 if
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
    #[command(flatten)]
    settings: SettingArgs,
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

/// Show the last runs of a plan on each host
///
/// They are in the record that the host keeps of the plan: who applied it, in which mode, and how that
/// ended. `wxec history` shows what was done from this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    plan: PlanArgs,
}

pub(crate) fn history(args: &HistoryArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    Prepared::of(&args.plan, Order::new(()).history(), verbosity)?.look(Way::History, verbosity)
}

/// Show what differs between each host and a plan, as `diff` does
///
/// A preview of the plan, as with `wxec apply --dry-run`: nothing is changed. Printed is what all steps
/// together would change, for each file as a patch; hosts that differ in the same are shown once. The
/// exit code is 0 if nothing differs, and 1 if anything does or cannot be told.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    plan: PlanArgs,
}

pub(crate) fn diff(args: &DiffArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let order = Order::new(()).in_mode(&*args.plan.mode);
    Prepared::of(&args.plan, order, verbosity)?.look(Way::Diff, verbosity)
}

/// The way to go about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Preview,
    /// A preview that fails if there is anything to do.
    Validate,
    /// The same, which shows differences only.
    Diff,
    Apply,
    /// The last runs.
    History,
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let mut prepared = Prepared::of(&args.plan, args.order(), verbosity)?;
    if let Some(file) = &args.preview {
        prepared.foreseen = Some(saved::read(file, &prepared.names())?.into());
    }
    if args.dry_run {
        let way = if args.expect_none {
            Way::Validate
        } else {
            Way::Preview
        };
        return prepared.look(way, verbosity);
    }
    if !args.yes {
        check_terminal()?;
        let code = prepared.look(Way::Preview, verbosity)?;
        if code != exit_code::OK {
            say("nothing was changed, as the preview failed; --yes applies the plan without one");
            return Ok(code);
        }
        if !prepared.is_wanted()? {
            say("nothing was changed");
            return Ok(exit_code::OK);
        }
    }
    prepared.apply(verbosity)
}

pub(crate) fn validate(args: &ValidateArgs, verbosity: Verbosity) -> Result<u8, CommandError> {
    let order = Order::new(()).in_mode(&*args.plan.mode);
    Prepared::of(&args.plan, order, verbosity)?.look(Way::Validate, verbosity)
}

/// Fails if there is no terminal to ask on.
fn check_terminal() -> Result<(), CommandError> {
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(());
    }
    let message = "there is no terminal to ask on whether the plan is to be applied";
    Err(CommandError::usage(message)
        .hint("add --yes to apply it, or --dry-run to see what it would change"))
}

/// A plan, its hosts, and the settings for each of them, in which there is no mistake.
struct Prepared<'a> {
    args: &'a PlanArgs,
    /// The order, but for what differs from host to host.
    order: Order<()>,
    /// What the preview foresaw that is applied, by host.
    foreseen: Option<Arc<HashMap<String, Foreseen>>>,
    /// The host that does what is done once.
    first: Option<String>,
    module: Module,
    function: Function,
    chosen: Chosen,
    settings: Arc<Settings>,
    /// What the hosts tell of their steps, if they are to.
    steps: Option<Arc<Steps>>,
    /// The config of each host.
    configs: Arc<HashMap<String, Config>>,
}

impl<'a> Prepared<'a> {
    fn of(
        args: &'a PlanArgs,
        order: Order<()>,
        verbosity: Verbosity,
    ) -> Result<Self, CommandError> {
        let (source, name) = split_function(&args.plan)?;
        let module = load(&source, &args.features.features(), verbosity)?;
        let (function, plan) = find_plan(&module, name)?;
        check_mode(plan, &args.mode)?;
        let place = (&*args.target, &args.connect);
        let found = (&module, function, plan);
        let settings = Settings::of(found, place, &args.settings, verbosity)?;
        let hosts = settings.hosts.iter().map(|(host, _)| host.clone());
        let mut chosen = args.rollout.chosen(hosts.collect())?;
        let is_shown = View::of(verbosity).on_terminal || is_events(args, chosen.several);
        let steps = is_shown.then(Arc::<Steps>::default);
        for host in &mut chosen.hosts {
            *host = host.with_limits(args.limits.of_plan(host));
            if let Some(steps) = &steps {
                let output = guest_output(chosen.several, verbosity);
                *host = host.with_output(steps.listen(output));
            }
        }
        let first = settings.hosts.first();
        let order = if steps.is_some() {
            order.tell_steps()
        } else {
            order
        };
        Ok(Self {
            args,
            order,
            steps,
            foreseen: None,
            first: first.map(|(host, _)| host.name().to_owned()),
            configs: settings.configs()?.into(),
            function: function.clone(),
            module,
            chosen,
            settings: settings.into(),
        })
    }

    fn names(&self) -> Vec<&str> {
        self.chosen.hosts.iter().map(Host::name).collect()
    }

    /// Asks whether the plan is to be applied.
    fn is_wanted(&self) -> Result<bool, CommandError> {
        let hosts = self.chosen.hosts.len();
        let plural = if hosts == 1 { "" } else { "s" };
        let question = format!("apply {} to {hosts} host{plural}? [y/N] ", self.args.plan);
        let answer = ask(&question)
            .map_err(|error| CommandError::usage(format!("cannot read the answer: {error}")))?;
        Ok(matches!(&*answer, "y" | "Y" | "yes"))
    }

    /// Shows what the plan would do. No record is kept of it, because it changes nothing.
    fn look(&self, way: Way, verbosity: Verbosity) -> Result<u8, CommandError> {
        let chosen = Chosen {
            hosts: self.chosen.hosts.clone(),
            several: self.chosen.several,
            resumed: None,
        };
        let rollout = Rollout::new(chosen, &self.args.rollout, RunWork::default(), verbosity)?;
        self.print(way, rollout.unrecorded(), verbosity)
    }

    fn apply(mut self, verbosity: Verbosity) -> Result<u8, CommandError> {
        // Those of the record: they refer to secrets, and have none.
        let settings = self.settings.hosts.iter();
        let mut words: Vec<_> = settings
            .map(|(host, layers)| format!("{} {}", host.name(), to_json(&layers.to_value())))
            .collect();
        words.push(self.args.mode.clone());
        words.push(self.settings.templates.digest().to_string());
        words.sort_unstable();
        let work = RunWork {
            command: "apply".into(),
            what: format!("{} ({})", self.args.plan, self.args.mode),
            module: Some(self.module.digest().to_string()),
            target: self.args.target.clone(),
            ..RunWork::default()
        };
        let chosen = Chosen {
            hosts: mem::take(&mut self.chosen.hosts),
            several: self.chosen.several,
            resumed: self.chosen.resumed.take(),
        };
        let work = work.of_words(words);
        let rollout = Rollout::new(chosen, &self.args.rollout, work, verbosity)?;
        self.print(Way::Apply, rollout, verbosity)
    }

    /// Returns the order of each host. If templates mention facts of it, they are asked for first.
    fn own_inputs(&self, preview: bool) -> Result<OwnInputs, CommandError> {
        let (base, first) = (self.order.clone(), self.first.clone());
        let foreseen = self.foreseen.clone();
        let order_of = move |host: &String| {
            let mut order = base.clone();
            order.preview = preview;
            order.is_first = first.as_ref() == Some(host);
            match foreseen.as_ref().and_then(|foreseen| foreseen.get(host)) {
                Some(foreseen) => order.foreseen(foreseen.clone()),
                None => order,
            }
        };
        if !self.settings.templates.mention_target() {
            let order = |(host, config): (&String, &Config)| {
                let order = self.settings.order_for(&order_of(host), config, None)?;
                Ok((host.clone(), order))
            };
            let orders: Result<_, CommandError> = self.configs.iter().map(order).collect();
            return orders.map(OwnInputs::Known);
        }
        let (settings, configs) = (self.settings.clone(), self.configs.clone());
        Ok(OwnInputs::OfFacts(Arc::new(move |host, facts| {
            let config = configs.get(host).ok_or("there are no settings for it")?;
            settings
                .order_for(&order_of(&host.to_owned()), config, Some(facts))
                .map_err(|error| error.to_string())
        })))
    }

    /// Calls the plan on all hosts, and prints their reports.
    fn print(&self, way: Way, rollout: Rollout, verbosity: Verbosity) -> Result<u8, CommandError> {
        let rollout = match self.steps.clone() {
            Some(steps) => {
                let news = is_events(self.args, rollout.has_several()).then(|| steps.news());
                rollout.with_steps(steps, news)
            }
            None => rollout,
        };
        let preview = way != Way::Apply;
        let job = Job {
            function: self.function.path.clone(),
            input: Value::Null,
            own_inputs: self.own_inputs(preview)?,
            judge: match way {
                Way::Validate | Way::Diff => report::unchanged,
                _ => |_| exit_code::OK,
            },
            on_denial: Some(if preview { preview_lacked } else { |_| DECLARE }),
            options: options(&self.function.wants, preview),
            streaming: None,
            module: self.module.clone(),
        };
        let show = match way {
            Way::History => report::past,
            Way::Diff => report::difference,
            _ if verbosity >= Verbosity::Verbose => report::all,
            _ => report::changes,
        };
        let style = self.args.format.map_or(Style::Text(show), Style::Format);
        let results = rollout.results(style, way == Way::Diff);
        print_everywhere(rollout, job, results, false, verbosity)
    }
}

/// Returns true if the events of a run are printed.
fn is_events(args: &PlanArgs, several: bool) -> bool {
    args.format
        .is_some_and(|format| Style::Format(format).is_events(several))
}

/// Advice on a plan that lacks a grant.
const DECLARE: &str = "the plan has to declare it in `#[plan(…)]`";

/// Returns advice on a preview that lacked grants. It may read what the plan declares; prefabs do no
/// more than that in it.
fn preview_lacked(needs: &[Need]) -> &'static str {
    let is_look = |need: &Need| matches!(need, Need::Read(_) | Need::Facts);
    if needs.iter().all(is_look) {
        DECLARE
    } else {
        "a preview changes nothing, so plan code is refused what it does beside prefabs"
    }
}

/// Grants a plan what it declares. A preview may read of it.
fn options(declared: &Wants, preview: bool) -> CallOptions {
    let options = CallOptions::new().grant(declared.grants());
    if preview { options.preview() } else { options }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_declared_is_told_from_code_beside_prefabs() {
        assert_eq!(preview_lacked(&[Need::Read("/opt".into())]), DECLARE);
        assert_eq!(preview_lacked(&[Need::Facts]), DECLARE);
        let more = [Need::Read("/opt".into()), Need::Write("/opt".into())];
        assert!(preview_lacked(&more).contains("beside prefabs"));
    }
}
