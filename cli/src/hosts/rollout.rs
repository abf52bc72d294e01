//! The hosts of a command with the rules for work on them, and what is said while it goes on.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use tokio::sync::mpsc;
use wxec::{
    CallError, Fleet, Host,
    fleet::{Ending, Event, EventKind, StopReason, Stopped, Verdict, fold_names},
    history::RunWork,
};

use crate::{
    args::rollout_args::RolloutArgs,
    base::{exit_code, quantity::show_duration, verbosity::Verbosity},
    hosts::{gate, recording::Recording},
    output::command_error::CommandError,
    terminal::stderr::{say, say_tagged},
};

/// The hosts of a command, and the rules for work on them.
pub(crate) struct Rollout {
    pub(crate) fleet: Fleet,
    /// True if the work may run twice on a host.
    pub(crate) idempotent: bool,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// True if batches or a limit were asked for.
    has_steps: bool,
    /// Unreachable hosts that do not count.
    spare: usize,
    verbosity: Verbosity,
    codes: Vec<u8>,
    /// `None` for one host that no earlier run has chosen.
    recording: Option<Recording>,
}

impl Rollout {
    pub(crate) fn new(
        hosts: &[Host],
        args: &RolloutArgs,
        idempotent: bool,
        verbosity: Verbosity,
    ) -> Result<Self, CommandError> {
        let mut rules = args.rules();
        if let Some(gate) = gate::of(args, verbosity)? {
            rules = rules.gate(move |hosts| gate.ask(hosts));
        }
        // Unbounded, but a host has a few events for each of its attempts.
        let (sender, events) = mpsc::unbounded_channel();
        rules = rules.on_event(move |event| _ = sender.send(event.clone()));
        let mut fleet = hosts.iter().cloned().collect::<Fleet>().rules(rules);
        if let Some(parallel) = args.parallel() {
            fleet = fleet.max_parallel(parallel);
        }
        Ok(Self {
            fleet,
            idempotent,
            events,
            has_steps: args.has_steps(),
            spare: args.unreachable_ok(),
            verbosity,
            codes: Vec::new(),
            recording: None,
        })
    }

    /// Records what is done on several hosts, and shows it on a terminal. Fails if another work is
    /// to be resumed.
    pub(crate) fn recorded(self, args: &RolloutArgs, work: RunWork) -> Result<Self, CommandError> {
        let is_seen = self.verbosity == Verbosity::Normal && io::stderr().is_terminal();
        self.with_recording(args, work, is_seen)
    }

    /// Records work that has a view of its own.
    pub(crate) fn recorded_unseen(
        self,
        args: &RolloutArgs,
        work: RunWork,
    ) -> Result<Self, CommandError> {
        self.with_recording(args, work, false)
    }

    fn with_recording(
        mut self,
        args: &RolloutArgs,
        work: RunWork,
        is_seen: bool,
    ) -> Result<Self, CommandError> {
        if self.has_several() || args.is_chosen() {
            let schedule = || self.fleet.schedule().to_string();
            let work = RunWork {
                policy: self.has_steps.then(schedule),
                resumes: args.resumed(&work)?,
                ..work
            };
            self.recording = Some(Recording::begin(work, is_seen));
        }
        Ok(self)
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        self.fleet.hosts()
    }

    pub(crate) fn has_several(&self) -> bool {
        self.hosts().len() > 1
    }

    /// Says the arithmetic, if there is any.
    pub(crate) fn announce(&self) {
        if self.has_steps && self.verbosity > Verbosity::Quiet {
            say(&self.fleet.schedule().to_string());
        }
    }

    /// Adds the exit code of a host, unless it may be unreachable.
    pub(crate) fn add(&mut self, error: Option<&CallError>, code: Option<u8>) {
        let ending = error.map(|error| Verdict::of_call(error).ending);
        let unreachable = ending == Some(Ending::Unreachable);
        if unreachable && self.spare > 0 {
            self.spare -= 1;
        } else {
            self.codes.extend(code);
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
        let code = match &*self.codes {
            // A program on the only host has a code of its own.
            [code] => *code,
            codes => exit_code::of_all(codes),
        };
        self.end_recording(code);
        code
    }

    /// Ends the record with the exit code of this program.
    pub(crate) fn end_recording(&mut self, code: u8) {
        if let Some(recording) = self.recording.take() {
            recording.end(code);
        }
    }

    /// Says what a user may want to know while others wait.
    pub(crate) fn tell(&mut self, event: &Event) {
        if let Some(recording) = &mut self.recording {
            recording.add(event);
        }
        if self.verbosity == Verbosity::Quiet {
            return;
        }
        match &event.kind {
            EventKind::Retrying {
                host, error, in_ms, ..
            } => {
                let error = error.as_deref().unwrap_or("failed");
                let pause = show_duration(Duration::from_millis(*in_ms));
                say_tagged(host, format!("{error}; trying again in {pause}").as_bytes());
            }
            EventKind::BatchBegun { batch, hosts } if self.has_steps => {
                let of = self.fleet.schedule().batches().len();
                let hosts = count(*hosts);
                if of > 1 {
                    say(&format!("batch {batch} of {of}: {hosts}"));
                }
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
        Rollout::new(&[], &options.rollout, false, Verbosity::Quiet).unwrap()
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
                rollout.add(error.as_ref(), Some(CODES[*code]));
                let unreachable = codes.iter().filter(|code| CODES[**code] == 3).count();
                left.extend((CODES[*code] != 3 || unreachable > spare).then_some(*code));
            }
            let gravest = left.into_iter().filter(|code| *code > 0).min();
            prop_assert_eq!(rollout.finish(None), gravest.map_or(0, |code| CODES[code]));
        }
    }
}
