//! The hosts of a command with the rules for work on them, and what is said while it goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use wxec::{
    CallError, Fleet, Host,
    call::Value,
    fleet::{Ending, Event, EventKind, StopReason, Stopped, Verdict, fold_names},
    history::RunWork,
};

use crate::{
    args::rollout_args::{Chosen, RolloutArgs},
    base::{exit_code, quantity::show_duration, verbosity::Verbosity},
    history::{
        live,
        steps::{StepNews, Steps},
    },
    hosts::{
        gate,
        recording::{Recording, View},
        streaming,
    },
    output::{
        command_error::CommandError,
        exit,
        results::{Results, Style},
    },
    terminal::{
        spinner,
        stderr::{say, say_tagged},
    },
};

/// The hosts of a command, and the rules for work on them.
pub(crate) struct Rollout {
    pub(crate) fleet: Fleet,
    /// True if the command line names several hosts.
    several: bool,
    /// True if the work may run twice on a host.
    pub(crate) idempotent: bool,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// True if batches or a limit were asked for.
    has_steps: bool,
    /// Unreachable hosts that do not count.
    spare: usize,
    verbosity: Verbosity,
    codes: Vec<u8>,
    /// `None` for one host that no earlier run has chosen, and once the record has begun.
    work: Option<RunWork>,
    is_kept: bool,
    view: View,
    recording: Option<Recording>,
    steps: Option<Arc<Steps>>,
    /// News of steps, for the events that are printed.
    pub(crate) step_news: mpsc::Receiver<StepNews>,
    /// True while steps alone are shown.
    shows_steps: bool,
}

impl Rollout {
    /// Prepares `work` on hosts. Fails if other work is to be resumed.
    pub(crate) fn new(
        chosen: Chosen,
        args: &RolloutArgs,
        work: RunWork,
        verbosity: Verbosity,
    ) -> Result<Self, CommandError> {
        let Chosen {
            hosts,
            several,
            resumed,
        } = chosen;
        let (sender, events) = mpsc::unbounded_channel();
        let fleet = fleet(hosts, args, sender, verbosity)?;
        let work = RunWork {
            policy: args.has_steps().then(|| fleet.schedule().to_string()),
            ..args.resuming(resumed.as_ref(), work)?
        };
        let is_recorded = several || args.is_chosen();
        Ok(Self {
            fleet,
            several,
            idempotent: false,
            events,
            has_steps: args.has_steps(),
            spare: args.unreachable_ok(),
            verbosity,
            codes: Vec::new(),
            work: is_recorded.then_some(work),
            is_kept: true,
            view: View::of(verbosity),
            recording: None,
            steps: None,
            step_news: mpsc::channel(1).1,
            shows_steps: false,
        })
    }

    /// Says if the work may run twice on a host.
    pub(crate) fn idempotent(self, idempotent: bool) -> Self {
        Self { idempotent, ..self }
    }

    /// Keeps no record of the run, and shows its hosts to programs only.
    pub(crate) fn unrecorded(self) -> Self {
        Self {
            is_kept: false,
            ..self
        }
    }

    /// Shows the steps of a plan, where the run is shown.
    pub(crate) fn with_steps(
        self,
        steps: Arc<Steps>,
        news: Option<mpsc::Receiver<StepNews>>,
    ) -> Self {
        Self {
            steps: Some(steps),
            step_news: news.unwrap_or(self.step_news),
            ..self
        }
    }

    /// Leaves the terminal to a view of the command's own.
    pub(crate) fn unseen(mut self) -> Self {
        self.view.on_terminal = false;
        self
    }

    /// Prints results in this style: in that of events, these are printed as they happen.
    pub(crate) fn styled(mut self, style: Style) -> Self {
        self.view.as_events = style.is_events(self.several);
        self
    }

    /// Returns what prints the results of its hosts, equal ones together if they are `folded`.
    pub(crate) fn results(&self, style: Style, folded: bool) -> Results {
        let results = Results::new(style, self.several);
        if folded {
            results.folded(self.hosts())
        } else {
            results
        }
    }

    /// Begins the run: its record, its view, and the arithmetic, if there is any.
    pub(crate) fn begin(&mut self) {
        let (view, steps) = (self.view, self.steps.clone());
        let work = self.work.take();
        self.recording = if self.is_kept {
            work.map(|work| Recording::begin(work, view, steps.clone()))
        } else {
            work.filter(|_| view.as_events).map(Recording::of_events)
        };
        if let (None, true, Some(steps)) = (&self.recording, view.on_terminal, steps) {
            live::show_steps(steps);
            self.shows_steps = true;
        }
        if self.has_steps && self.verbosity > Verbosity::Quiet {
            say(&self.fleet.schedule().to_string());
        }
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        self.fleet.hosts()
    }

    /// Returns true if the command line names several hosts.
    pub(crate) fn has_several(&self) -> bool {
        self.several
    }

    /// Adds the exit code of a host, unless it may be unreachable.
    pub(crate) fn add(&mut self, error: Option<&CallError>, code: u8) {
        let ending = error.map(|error| Verdict::of_call(error).ending);
        let unreachable = ending == Some(Ending::Unreachable);
        if unreachable && self.spare > 0 {
            self.spare -= 1;
        } else {
            self.codes.push(code);
        }
    }

    /// Keeps the result of a host for the event of its end.
    pub(crate) fn keep(&mut self, host: &str, value: Value) {
        if let Some(lines) = self.recording.as_mut().and_then(Recording::lines) {
            lines.keep(host, value);
        }
    }

    /// Prints a step of a plan among the events.
    pub(crate) fn tell_step(&mut self, news: StepNews) {
        if let Some(lines) = self.recording.as_mut().and_then(Recording::lines) {
            lines.step(news);
        }
    }

    /// Prints an item among the events.
    pub(crate) fn tell_item(&mut self, host: String, item: &Value) {
        if let Some(lines) = self.recording.as_mut().and_then(Recording::lines) {
            lines.item(host, item);
        }
    }

    /// Says why the run stopped, if it did, and returns the exit code.
    pub(crate) fn finish(mut self, stopped: Option<&Stopped>) -> u8 {
        if let Some(stopped) = stopped {
            say(&format!("error: {stopped}"));
            self.codes.extend(match stopped.reason {
                StopReason::Deadline { .. } => Some(exit_code::DEADLINE),
                // Failures have codes of their own.
                StopReason::Failures { .. } => None,
                _ => Some(exit_code::TASK_FAILED),
            });
        }
        if !streaming::fed_well() {
            self.codes.push(exit_code::USAGE);
        }
        let code = match &*self.codes {
            // A program on the only host has a code of its own.
            [code] if !self.several => *code,
            codes => exit_code::of_all(codes),
        };
        self.end_recording(code);
        code
    }

    /// Ends the record of a run that ended with `code`: with the exit code of this program.
    pub(crate) fn end_recording(&mut self, code: u8) {
        if self.shows_steps {
            spinner::clear_view();
        }
        if let Some(recording) = self.recording.take() {
            recording.end(exit::final_code(code));
        }
    }

    /// Notes an event in the record and the view.
    pub(crate) fn note(&mut self, event: &Event) {
        if let (Some(steps), EventKind::Ended { host, .. }) = (&self.steps, &event.kind) {
            steps.forget(host);
        }
        if let Some(recording) = &mut self.recording {
            recording.add(event);
        }
    }

    /// Says which hosts an interrupted run has left.
    pub(crate) fn tell_interrupted(&self, stopped: &Stopped) {
        if !self.has_several() {
            return;
        }
        let (cancelled, not_started) = (&stopped.cancelled, &stopped.not_started);
        let hosts = self.hosts().len();
        let ended = hosts - cancelled.len() - not_started.len();
        let mut text = format!("{ended} of {} had ended", count(hosts));
        for (what, names) in [("cancelled", cancelled), ("not started", not_started)] {
            if !names.is_empty() {
                let names = fold_names(names.iter().map(|name| &**name));
                text += &format!("; {what}: {names}");
            }
        }
        say(&text);
    }
}

/// Returns the hosts with their rules, whose events go to `events`.
fn fleet(
    hosts: Vec<Host>,
    args: &RolloutArgs,
    events: mpsc::UnboundedSender<Event>,
    verbosity: Verbosity,
) -> Result<Fleet, CommandError> {
    let mut rules = args.rules();
    if let Some(gate) = gate::of(args, verbosity)? {
        rules = rules.gate(move |hosts| gate.ask(hosts));
    }
    let teller = Teller::new(args.has_steps(), verbosity);
    rules = rules.on_event(move |event| {
        // Told at once: the work that follows may print before anyone else takes the event.
        teller.tell(event);
        // Unbounded, but a host has a few events for each of its attempts.
        let _ = events.send(event.clone());
    });
    let fleet = hosts.into_iter().collect::<Fleet>().rules(rules);
    Ok(match args.parallel() {
        Some(parallel) => fleet.max_parallel(parallel),
        None => fleet,
    })
}

/// Says what a user may want to know while hosts work.
struct Teller {
    /// True if batches are told.
    steps: bool,
    verbosity: Verbosity,
    batches: AtomicUsize,
}

impl Teller {
    fn new(steps: bool, verbosity: Verbosity) -> Self {
        let batches = AtomicUsize::new(0);
        Self {
            steps,
            verbosity,
            batches,
        }
    }

    fn tell(&self, event: &Event) {
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        match &event.kind {
            EventKind::Begun { batches, .. } => {
                self.batches.store(batches.len(), Ordering::Relaxed)
            }
            EventKind::BatchBegun { batch, hosts } if self.steps => {
                let of = self.batches.load(Ordering::Relaxed);
                if of > 1 {
                    say(&format!("batch {batch} of {of}: {}", count(*hosts)));
                }
            }
            EventKind::Retrying {
                host, error, in_ms, ..
            } => {
                let error = error.as_deref().unwrap_or("failed");
                let pause = show_duration(Duration::from_millis(*in_ms));
                say_tagged(host, format!("{error}; trying again in {pause}").as_bytes());
            }
            EventKind::Pausing { for_ms } => {
                let pause = show_duration(Duration::from_millis(*for_ms));
                say(&format!("pausing for {pause}"));
            }
            EventKind::GateAnswered {
                batch,
                refusal: None,
                ..
            } => say(&format!("the gate lets it go on after batch {batch}")),
            _ => {}
        }
    }
}

fn count(hosts: usize) -> String {
    match hosts {
        1 => "1 host".into(),
        hosts => format!("{hosts} hosts"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;
    use wxec::{
        CallErrorKind,
        call::{Phase, Unreachable},
    };

    use super::*;

    #[derive(Debug, Parser)]
    struct Options {
        #[command(flatten)]
        rollout: RolloutArgs,
    }

    fn rollout(words: &[&str]) -> Rollout {
        let options = Options::try_parse_from([&["wxec"], words].concat()).unwrap();
        let chosen = Chosen {
            hosts: Vec::new(),
            several: true,
            resumed: None,
        };
        let work = RunWork::default();
        Rollout::new(chosen, &options.rollout, work, Verbosity::Quiet).unwrap()
    }

    fn unreachable() -> CallError {
        let failure = Unreachable::new(Phase::Connect, "refused");
        CallError::new("web1".into(), CallErrorKind::Unreachable(failure))
    }

    proptest! {
        /// The first of the codes that occurred, without those of hosts that may be unreachable.
        #[test]
        fn a_run_has_the_gravest_code(codes in prop::collection::vec(0..6_usize, 2..20), spare in 0..4_usize) {
            const CODES: [u8; 6] = [0, 70, 4, 124, 3, 1];
            let mut rollout = rollout(&["--unreachable-ok", &spare.to_string()]);
            let mut left = Vec::new();
            for code in &codes {
                let error = (CODES[*code] == 3).then(unreachable);
                rollout.add(error.as_ref(), CODES[*code]);
                let unreachable = codes.iter().filter(|code| CODES[**code] == 3).count();
                left.extend((CODES[*code] != 3 || unreachable > spare).then_some(*code));
            }
            let gravest = left.into_iter().filter(|code| *code > 0).min();
            prop_assert_eq!(rollout.finish(None), gravest.map_or(0, |code| CODES[code]));
        }
    }
}
