//! Batches, and what lies between two of them.

use std::time::Duration;

use super::{
    ending::{Ending, shortened},
    event::{EventKind, StopReason},
    machine::{Rollout, Stage, millis},
};

impl Rollout {
    /// Takes the gate's answer.
    pub(crate) fn answered(&mut self, answer: Result<(), String>) {
        let Stage::Asking(batch) = self.stage else {
            return;
        };
        let answer = answer.map_err(shortened);
        self.events.push(EventKind::GateAnswered {
            batch: batch + 1,
            refusal: answer.clone().err(),
        });
        match answer {
            _ if self.stopped.is_some() => {}
            Ok(()) => self.begin_batch(batch + 1),
            Err(reason) => self.stop(StopReason::Gate {
                batch: batch + 1,
                reason,
            }),
        }
    }

    pub(super) fn begin_batch(&mut self, batch: usize) {
        self.enter(Stage::Batch(batch), self.batches[batch].clone());
        self.events.push(EventKind::BatchBegun {
            batch: batch + 1,
            hosts: self.batches[batch].len(),
        });
    }

    pub(super) fn end_batch(&mut self, batch: usize, now: Duration) {
        let (mut ok, mut failed, mut begun) = (0, 0, false);
        for place in self.batches[batch].clone() {
            let member = &self.members[self.order[place]];
            let ending = member.ending();
            ok += usize::from(ending == Some(Ending::Ok));
            failed += usize::from(ending.is_some_and(Ending::is_failure));
            begun |= ending != Some(Ending::Unreachable);
        }
        self.events.push(EventKind::BatchEnded {
            batch: batch + 1,
            ok,
            failed,
        });
        if batch + 1 == self.batches.len() {
            return self.finish();
        }
        // A batch without a reachable host has changed nothing that would need time or a check.
        match self.rules.pause {
            Some(pause) if begun => {
                self.stage = Stage::Pause(batch, now + pause);
                self.events.push(EventKind::Pausing {
                    for_ms: millis(pause),
                });
            }
            _ if begun => self.stage = Stage::Gate(batch),
            _ => self.begin_batch(batch + 1),
        }
    }

    /// Returns the hosts of a batch on which the work was done.
    pub(super) fn done_in(&self, batch: usize) -> Vec<usize> {
        let hosts = self.order[self.batches[batch].clone()].iter().copied();
        hosts
            .filter(|host| self.members[*host].ending() == Some(Ending::Ok))
            .collect()
    }
}
