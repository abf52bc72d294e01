//! Options shared by all commands that work on many hosts: in which batches, what is tried again,
//! and when to stop.

use std::time::Duration;

use wxec::{
    Host,
    fleet::{Amount, Batches, Order, Rules, RulesError},
    history::RunWork,
};

use crate::{
    args::earlier_run::{Only, Resumed},
    base::quantity,
    output::command_error::CommandError,
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Many hosts")]
pub(crate) struct RolloutArgs {
    /// Work on at most N hosts at once [default: 128]
    #[arg(long, value_name = "N", value_parser = at_least_one, display_order = 40)]
    parallel: Option<usize>,
    /// Connect to at most N hosts behind the same hop at once [default: 10]
    #[arg(long, value_name = "N", value_parser = at_least_one, display_order = 49)]
    per_hop: Option<usize>,
    /// Try so many times more, after a pause: to connect, where waiting may help, and work that may
    /// run twice
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        display_order = 41
    )]
    retries: u32,
    /// Stop, and cancel what is under way, when all of it has taken this long [default: never]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, display_order = 43)]
    deadline: Option<Duration>,
    /// Take the hosts in batches of these sizes, such as `1,10%,rest`: percentages are of all
    /// hosts, rounded up, and the last size repeats. All hosts are connected before the first
    #[arg(long, value_name = "SIZES", value_parser = batches, display_order = 44)]
    batch: Option<Batches>,
    /// Stop when more than N hosts, or P% of all hosts rounded down, have failed; unreachable and
    /// lost ones count [default: with --batch 0, otherwise never]
    #[arg(long, value_name = "N|P%", value_parser = amount, display_order = 45)]
    max_fail: Option<Amount>,
    /// Do not count N unreachable hosts as failed, neither for --max-fail nor for the exit code
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        display_order = 46
    )]
    unreachable_ok: usize,
    /// Wait between two batches
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, requires = "batch", display_order = 47)]
    pause: Option<Duration>,
    /// Before the next batch, call a function on each host of the last one that is done: `MODULE::FUNC
    /// ARG…`, as for `wxec call`. If it fails or returns false, stop
    #[arg(long, value_name = "CALL", requires = "batch", display_order = 48)]
    pub(crate) gate: Option<String>,
    /// Grant the gate's function what it declares to need
    #[arg(long, requires = "gate", display_order = 48)]
    pub(crate) gate_allow_declared: bool,
    /// Take the hosts in this order: `inventory`, as they are named, or `shuffle:SEED`
    #[arg(long, value_name = "ORDER", value_parser = order, default_value = "inventory", hide_default_value = true, display_order = 49)]
    order: Order,
    /// Stop by cancelling what is under way (`now`), or by letting it end (`after`) [default: after]
    #[arg(long, value_name = "WHEN", value_parser = ["now", "after"], display_order = 49)]
    stop: Option<String>,
    /// Connect to each host when it is its turn, also with --batch
    #[arg(long, display_order = 49)]
    lazy: bool,
    /// Only hosts that ended in this way in an earlier run: ok, failed (in any way), unreachable,
    /// lost, timeout, denied, trapped, cancelled, skipped
    #[arg(
        long,
        value_name = "HOW@RUN",
        conflicts_with = "resume",
        display_order = 50
    )]
    only: Option<Only>,
    /// Go on with an earlier run: only hosts on which it was not done. Refused if it did something
    /// else, or with another build of the module
    #[arg(long, value_name = "RUN", display_order = 50)]
    resume: Option<String>,
    /// Resume also with other work than before
    #[arg(long, requires = "resume", display_order = 50)]
    with_new: bool,
}

/// The hosts that a command works on.
pub(crate) struct Chosen {
    pub(crate) hosts: Vec<Host>,
    /// True if the command line names several hosts, even if an earlier run has left one of them:
    /// the form of the output depends on what was typed.
    pub(crate) several: bool,
    /// The run that the command goes on with.
    pub(crate) resumed: Option<Resumed>,
}

impl RolloutArgs {
    /// Returns the rules, without the gate.
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = Rules::new()
            .unreachable_ok(self.unreachable_ok)
            .retries(self.retries)
            .order(self.order);
        if self.unreachable_ok > 0 {
            // Tells them from hosts on which the work failed, whatever it is.
            rules = rules.connect_first();
        }
        if let Some(hosts) = self.per_hop {
            rules = rules.per_hop(hosts);
        }
        if let Some(deadline) = self.deadline {
            rules = rules.deadline(deadline);
        }
        if let Some(batches) = &self.batch {
            rules = rules.batches(batches.clone());
        }
        if let Some(hosts) = self.max_fail {
            rules = rules.max_fail(hosts);
        }
        if let Some(pause) = self.pause {
            rules = rules.pause(pause);
        }
        if self.stop.as_deref() == Some("now") {
            rules = rules.stop_now();
        }
        if self.lazy { rules.lazy() } else { rules }
    }

    /// Chooses those of `hosts`, as the command line names them, that are to be worked on.
    pub(crate) fn chosen(&self, hosts: Vec<Host>) -> Result<Chosen, CommandError> {
        let several = hosts.len() > 1;
        let resumed = self.resume.as_deref().map(Resumed::read).transpose()?;
        let hosts = match (&self.only, &resumed) {
            (Some(only), _) => only.of(hosts)?,
            (None, Some(run)) => run.of(hosts)?,
            (None, None) => hosts,
        };
        Ok(Chosen {
            hosts,
            several,
            resumed,
        })
    }

    /// Returns `work` with the name of the run that it goes on with, if there is one. Fails if that
    /// did something else.
    pub(crate) fn resuming(
        &self,
        resumed: Option<&Resumed>,
        work: RunWork,
    ) -> Result<RunWork, CommandError> {
        if let Some(run) = resumed.filter(|_| !self.with_new) {
            run.check_same(&work)?;
        }
        Ok(RunWork {
            resumes: resumed.map(|run| run.id().to_owned()),
            ..work
        })
    }

    /// Returns true if the hosts were chosen by an earlier run.
    pub(crate) fn is_chosen(&self) -> bool {
        self.only.is_some() || self.resume.is_some()
    }

    /// Returns the number of hosts to work on at once, if it was given.
    pub(crate) fn parallel(&self) -> Option<usize> {
        self.parallel
    }

    pub(crate) fn unreachable_ok(&self) -> usize {
        self.unreachable_ok
    }

    /// Returns true if batches or a limit were asked for.
    pub(crate) fn has_steps(&self) -> bool {
        self.batch.is_some() || self.max_fail.is_some()
    }

    /// Returns true if one host needs rules, too.
    pub(crate) fn concerns_one_host(&self) -> bool {
        self.has_steps()
            || self.retries > 0
            || self.deadline.is_some()
            || self.unreachable_ok > 0
            || self.is_chosen()
    }
}

fn batches(text: &str) -> Result<Batches, RulesError> {
    text.parse()
}

fn amount(text: &str) -> Result<Amount, RulesError> {
    text.parse()
}

fn order(text: &str) -> Result<Order, RulesError> {
    text.parse()
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let hosts = text.parse().ok().filter(|hosts| *hosts > 0);
    hosts.ok_or_else(|| "write a number of hosts, at least 1".into())
}
