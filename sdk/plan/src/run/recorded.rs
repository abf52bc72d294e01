//! What a run keeps in its record, and what it does with what earlier runs left there.

use std::path::Path;

use super::Run;
use crate::{
    fault::Fault,
    perform::crash_point,
    record::{Entry, Made, MadeBy, Opening, Recorder},
    report::{Report, State},
};

/// The mode that removes what a plan made. Every plan has it.
pub const CLEAN_MODE: &str = "clean";

impl Run {
    /// Opens the record in `folder`: a preview reads it, another run keeps it.
    pub(crate) fn open_record(&mut self, folder: &Path, opening: &Opening) -> Result<(), Fault> {
        let recorder = if self.is_preview() {
            Recorder::read(folder, opening)?
        } else {
            let recorder = Recorder::begin(folder, opening, self.mode())?;
            if let Some(died) = recorder.died() {
                let by = if died.by.is_empty() {
                    String::new()
                } else {
                    format!(" of {}", died.by.escape_debug())
                };
                let note = format!("run {}{by} died before its end", died.number);
                self.report.notes.push(note);
            }
            crash_point();
            recorder
        };
        self.recorder = Some(recorder);
        Ok(())
    }

    /// Puts the last runs in the report.
    pub(crate) fn tell_past(&mut self) {
        if let Some(recorder) = &self.recorder {
            self.report.past = recorder.record().runs.clone();
        }
    }

    /// Notes what the step that is under way is about to do.
    pub(super) fn note_change(&mut self, made: Vec<Made>) -> Result<(), Fault> {
        let step = self.path();
        for made in made {
            let step = step.clone();
            self.note(Entry::Make { step, made })?;
        }
        self.note(Entry::Change { step })
    }

    pub(super) fn note(&mut self, entry: Entry) -> Result<(), Fault> {
        if self.is_preview() {
            return Ok(());
        }
        if let Some(recorder) = &mut self.recorder {
            crash_point();
            recorder.note(entry)?;
            crash_point();
        }
        Ok(())
    }

    /// Removes what earlier runs made, the last first. Has no effect in other modes, or if no record
    /// is kept.
    pub(crate) fn clean(&mut self) -> Result<(), Fault> {
        let made = match &self.recorder {
            Some(recorder) if self.mode() == CLEAN_MODE => recorder.record().made.clone(),
            _ => return Ok(()),
        };
        self.undo(CLEAN_MODE, made)
    }

    /// Finds what earlier runs in this mode made and this one did not ask for, and removes it if
    /// `remove` says so.
    pub(crate) fn prune(&mut self, remove: bool) -> Result<(), Fault> {
        let Some(recorder) = &self.recorder else {
            return Ok(());
        };
        let made = recorder.record().made.iter();
        let is_left = |made: &&MadeBy| made.mode == self.mode() && !self.taken.contains(&made.step);
        let left: Vec<_> = made.filter(is_left).cloned().collect();
        if remove {
            return self.undo("prune", left);
        }
        self.report.left = left.into_iter().map(|left| left.step).collect();
        self.report.left.dedup();
        Ok(())
    }

    fn undo(&mut self, name: &str, made: Vec<MadeBy>) -> Result<(), Fault> {
        if made.is_empty() {
            return Ok(());
        }
        self.step(name, |run| {
            for MadeBy { made, .. } in made.into_iter().rev() {
                if made.undo(run)? {
                    run.note(Entry::Unmade { made })?;
                }
            }
            Ok(())
        })
    }

    /// Returns true if plans that do not have the mode are to be passed over in silence: what they
    /// made is removed all the same.
    pub(super) fn cleans_all(&self) -> bool {
        self.recorder.is_some() && self.mode() == CLEAN_MODE
    }

    /// Ends the run, which failed by `fault` if there is one.
    pub(crate) fn end(self, fault: Option<Fault>) -> (Report, Option<Fault>) {
        let changed = |state: &State| *state == State::Changed;
        let steps = self.report.steps.iter();
        let changed = steps.filter(|step| changed(&step.state)).count() as u64;
        let ended = match self.recorder {
            Some(recorder) if !self.report.preview => recorder.end(changed, fault.as_ref()),
            _ => Ok(()),
        };
        (self.report, fault.or_else(|| ended.err()))
    }
}
