//! The record of a plan on its host: what the plan made, what units were last restarted with, and
//! its last runs.
//!
//! What happens is a list of [`Entry`]s. Each is in the journal, on disk, before the action that it
//! announces; the record is all entries so far, added up. So a run that dies anywhere leaves a
//! journal that says what it was about to do, and the next run begins with it.

mod journal;
mod made;
mod recorder;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wxec::module::Digest;

pub use self::made::{Made, Removal};
pub(crate) use self::recorder::{Opening, Recorder};

/// The record of a plan, as a host keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The last runs, oldest first: [`MAX_RUNS`] at most.
    pub runs: Vec<PastRun>,
    /// What the plan made, in the order in which it was made.
    pub made: Vec<MadeBy>,
    /// For each step that was about to change something, the place of that in the order of all
    /// changes and restarts.
    changes: BTreeMap<String, u64>,
    /// For each step that restarts something, its last restart.
    restarts: BTreeMap<String, Restart>,
    /// For each step that was about to restart the host, its last restart.
    #[serde(default)]
    reboots: BTreeMap<String, Reboot>,
    /// Number of changes and restarts so far.
    sequence: u64,
}

/// A thing that a plan made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    /// The step that made it, by its path in the plan.
    pub step: String,
    /// The mode that the plan was in.
    pub mode: String,
    /// The thing.
    pub made: Made,
}

/// A run of a plan, as its host remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRun {
    /// Its number on this host: one more than that of the run before.
    pub number: u64,
    /// Its mode.
    pub mode: String,
    /// Who ordered it: an account and a controller.
    pub by: String,
    /// Time of its begin, in seconds since 1970.
    pub began: u64,
    /// Time of its end, in seconds since 1970; `None` if it died, or is under way.
    pub ended: Option<u64>,
    /// Number of steps that changed something.
    pub changed: u64,
    /// The reason why it failed.
    pub fault: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Restart {
    /// Digest of the states of the inputs that it was restarted with.
    with: Digest,
    at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reboot {
    /// The boot id before it.
    boot: String,
    at: u64,
}

/// Number of runs that a record keeps.
pub const MAX_RUNS: usize = 20;
/// Number of things that a record keeps: as many as a plan has steps.
const MAX_MADE: usize = 10_000;

/// The reason why a run ended that restarted its host.
pub(crate) const REBOOTED: &str = "it restarted the host";

/// What happens in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A run begins.
    Begun {
        number: u64,
        mode: String,
        by: String,
        at: u64,
    },
    /// A step is about to change something.
    Change { step: String },
    /// A step is about to make something that is not there.
    Make { step: String, made: Made },
    /// What was made is no more.
    Unmade { made: Made },
    /// A step has restarted something, or found that it need not, with inputs in these states.
    Restarted { step: String, with: Digest },
    /// A step is about to restart the host, which has this boot id now.
    Reboot { step: String, boot: String },
    /// The run was cut off, and goes on under another number.
    Cut { changed: u64, fault: String },
    /// The run ends.
    Ended {
        at: u64,
        changed: u64,
        fault: Option<String>,
    },
}

impl Record {
    /// Adds an entry.
    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Begun {
                number,
                mode,
                by,
                at,
            } => {
                if self.runs.len() >= MAX_RUNS {
                    self.runs.remove(0);
                }
                self.runs.push(PastRun {
                    number,
                    mode,
                    by,
                    began: at,
                    ended: None,
                    changed: 0,
                    fault: None,
                });
            }
            Entry::Change { step } => {
                self.sequence += 1;
                self.changes.insert(step, self.sequence);
            }
            Entry::Make { step, made } => {
                let mode = self.runs.last().map(|run| run.mode.clone());
                let mode = mode.unwrap_or_default();
                if self.made.len() < MAX_MADE && !self.made.iter().any(|known| known.made == made) {
                    self.made.push(MadeBy { step, mode, made });
                }
            }
            Entry::Unmade { made } => self.made.retain(|known| known.made != made),
            Entry::Restarted { step, with } => {
                self.sequence += 1;
                let at = self.sequence;
                self.reboots.remove(&step);
                self.restarts.insert(step, Restart { with, at });
            }
            Entry::Reboot { step, boot } => {
                self.sequence += 1;
                let at = self.sequence;
                self.reboots.insert(step, Reboot { boot, at });
                if let Some(run) = self.runs.last_mut() {
                    run.fault = Some(REBOOTED.to_owned());
                }
            }
            Entry::Ended { at, changed, fault } => {
                if let Some(run) = self.runs.last_mut() {
                    (run.ended, run.changed, run.fault) = (Some(at), changed, fault);
                }
            }
            Entry::Cut { changed, fault } => {
                if let Some(run) = self.runs.last_mut() {
                    run.changed = changed;
                    run.fault.get_or_insert(fault);
                }
            }
        }
    }

    /// Returns true if `step` owes a restart: its inputs are not as they were at the last one, or
    /// one of them was about to change since. Something that was never restarted, and whose inputs
    /// this plan has never changed, runs with them already.
    pub(crate) fn owes_restart<'a>(
        &self,
        step: &str,
        with: Digest,
        inputs: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        let last = self.restarts.get(step);
        let at = last.map_or(0, |last| last.at);
        let changed = |input: &str| self.changes.get(input).is_some_and(|change| *change > at);
        last.is_some_and(|last| last.with != with) || inputs.into_iter().any(changed)
    }

    /// Returns true if the record says already that `step` runs with its inputs as they are.
    pub(crate) fn runs_with<'a>(
        &self,
        step: &str,
        with: Digest,
        inputs: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        self.restarts.contains_key(step) && !self.owes_restart(step, with, inputs)
    }

    /// Returns the boot id that the host had when `step` was about to restart it, if no input of it
    /// was about to change since.
    pub(crate) fn reboot_of<'a>(
        &self,
        step: &str,
        inputs: impl IntoIterator<Item = &'a str>,
    ) -> Option<&str> {
        let last = self.reboots.get(step)?;
        let before = |input: &str| {
            self.changes
                .get(input)
                .is_none_or(|change| *change <= last.at)
        };
        inputs.into_iter().all(before).then_some(&*last.boot)
    }

    /// Number of the run under way, or in a preview of the one that would come.
    pub(crate) fn number(&self, preview: bool) -> u64 {
        self.next_number() - u64::from(!preview)
    }

    /// Number of the next run.
    fn next_number(&self) -> u64 {
        self.runs.last().map_or(1, |run| run.number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_owed_until_it_is_done() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let mut record = Record::default();
        let owes = |record: &Record, with| record.owes_restart("unit web", with, ["file a"]);
        assert!(!owes(&record, one), "the first sight of a unit");
        let change = || Entry::Change {
            step: "file a".into(),
        };
        record.add(change());
        assert!(owes(&record, one), "changed, then died");
        let restarted = |with| Entry::Restarted {
            step: "unit web".into(),
            with,
        };
        record.add(restarted(one));
        assert!(!owes(&record, one));
        assert!(owes(&record, other), "another state than at the restart");
        record.add(change());
        assert!(owes(&record, one), "wrong for a while, and back");
        record.add(restarted(one));
        assert!(!owes(&record, one));
        record.add(Entry::Change {
            step: "file b".into(),
        });
        assert!(!owes(&record, one), "no input of it");
    }

    #[test]
    fn a_restart_of_the_host_pays_for_the_changes_before_it() {
        let step = || "reboot".to_owned();
        let change = || Entry::Change {
            step: "file a".into(),
        };
        let boot = || "one".to_owned();
        let mut record = Record::default();
        record.add(change());
        assert_eq!(record.reboot_of("reboot", ["file a"]), None);
        record.add(Entry::Reboot {
            step: step(),
            boot: boot(),
        });
        assert_eq!(record.reboot_of("reboot", ["file a"]), Some("one"));
        let with = Digest::of(b"a");
        assert!(record.owes_restart("reboot", with, ["file a"]));
        // A run in between, which failed before it came to the restart.
        let mut later = record.clone();
        later.add(change());
        assert_eq!(later.reboot_of("reboot", ["file a"]), None);
        assert!(later.owes_restart("reboot", with, ["file a"]));

        record.add(Entry::Restarted { step: step(), with });
        assert_eq!(record.reboot_of("reboot", ["file a"]), None);
        assert!(!record.owes_restart("reboot", with, ["file a"]));
    }

    #[test]
    fn a_run_that_was_cut_off_is_told_from_one_that_ended() {
        let begun = |number| Entry::Begun {
            number,
            mode: "install".into(),
            by: "me".into(),
            at: 7,
        };
        let mut record = Record::default();
        record.add(begun(1));
        record.add(Entry::Reboot {
            step: "reboot".into(),
            boot: "one".into(),
        });
        record.add(Entry::Cut {
            changed: 2,
            fault: "cancelled".into(),
        });
        let cut = &record.runs[0];
        assert_eq!((cut.ended, cut.changed), (None, 2));
        assert_eq!(
            cut.fault.as_deref(),
            Some(REBOOTED),
            "the reason is the first one"
        );
        record.add(begun(2));
        assert_eq!(record.number(false), 2);
        assert_eq!(record.number(true), 3);
    }

    #[test]
    fn the_last_runs_are_kept() {
        let mut record = Record::default();
        for number in 1..=25 {
            assert_eq!(record.next_number(), number);
            record.add(Entry::Begun {
                number,
                mode: "install".into(),
                by: "me".into(),
                at: 7,
            });
        }
        assert_eq!(record.runs.len(), MAX_RUNS);
        assert_eq!(record.runs[0].number, 6);
        assert_eq!(record.runs[0].ended, None);
        let fault = Some("why".to_owned());
        record.add(Entry::Ended {
            at: 9,
            changed: 3,
            fault,
        });
        let last = record.runs.last().unwrap();
        assert_eq!((last.ended, last.changed), (Some(9), 3));
    }
}
