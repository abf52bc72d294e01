//! Restarts, which are owed until they are done: a run that dies between a change and the restart
//! that it takes is made good by the next one.

use std::time::Instant;

use wxec::module::Digest;

use super::Run;
use crate::{
    command::Command, crash::crash_point, fault::Fault, record::Entry, report::State,
    settled::Settled,
};

impl Run {
    /// Restarts something by `command`, as a step with this name, if one of `inputs` has changed
    /// since the last time. `is_fresh` says that it was started by this run, which counts as a
    /// restart. Returns true if the command was run.
    ///
    /// With a record, the last time may be in an earlier run; without one, it is in this run.
    pub(crate) fn restart(
        &mut self,
        name: &str,
        command: &Command,
        inputs: &[Settled],
        is_fresh: bool,
    ) -> Result<bool, Fault> {
        let began = Instant::now();
        let step = self.enter_step(name)?;
        let result = self.restart_if_owed(&step, command, inputs, is_fresh);
        let result = result.map_err(|fault| self.blamed(fault));
        self.leave_step();
        let is_restarted = result?;
        let unknown = inputs.iter().find(|input| input.is_unknown);
        let state = match (is_restarted, self.is_preview()) {
            (false, _) if !is_fresh && let Some(unknown) = unknown => State::Unknown {
                why: format!("`{}` may change something", unknown.step),
            },
            (false, _) => State::Ok,
            (true, true) => State::WouldChange,
            (true, false) => State::Changed,
        };
        self.add(step, state, Vec::new(), began);
        Ok(is_restarted)
    }

    fn restart_if_owed(
        &mut self,
        step: &str,
        command: &Command,
        inputs: &[Settled],
        is_fresh: bool,
    ) -> Result<bool, Fault> {
        let with = digest_of(inputs);
        let changes_now = inputs.iter().any(|input| input.changed);
        let steps = inputs.iter().map(|input| &*input.step);
        let is_owed = match &self.recorder {
            None => changes_now,
            Some(recorder) => {
                let is_owed = recorder.record().owes_restart(step, with, steps);
                // What a preview would change is in no record.
                is_owed || self.is_preview() && changes_now
            }
        };
        let is_restarted = is_owed && !is_fresh;
        if is_restarted && !self.is_preview() {
            command.carry_out()?;
            crash_point();
        }
        Ok(is_restarted)
    }

    /// Notes that what `name` restarts runs with its inputs as they are now.
    pub(crate) fn note_restarted(&mut self, name: &str, inputs: &[Settled]) -> Result<(), Fault> {
        self.enter_again(name);
        let step = self.path();
        self.leave_step();
        let with = digest_of(inputs);
        let is_known = |recorder: &crate::record::Recorder| {
            let steps = inputs.iter().map(|input| &*input.step);
            recorder.record().runs_with(&step, with, steps)
        };
        if self.recorder.as_ref().is_none_or(is_known) {
            return Ok(());
        }
        self.note(Entry::Restarted { step, with })
    }
}

/// Returns the digest of the states of several steps.
pub(super) fn digest_of(inputs: &[Settled]) -> Digest {
    let mut bytes = Vec::new();
    for Settled { step, digest, .. } in inputs {
        bytes.extend_from_slice(step.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(digest.as_bytes());
    }
    Digest::of(&bytes)
}
