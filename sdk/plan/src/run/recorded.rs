//! What a run keeps in its record, and what it does with what earlier runs left there.

use std::path::Path;

use super::Run;
use crate::{
    crash::crash_point,
    fault::Fault,
    record::{Entry, Made, MadeBy, Opening, REBOOTED, Recorder},
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
                let how = match died.fault.as_deref() {
                    Some(REBOOTED) => "restarted the host",
                    Some(_) => "was cut off",
                    None => "died before its end",
                };
                let note = format!("run {}{by} {how}", died.number);
                self.report.notes.push(note);
            }
            crash_point();
            recorder
        };
        let number = recorder.record().number(self.is_preview());
        self.report.run = Some(number);
        self.recorder = Some(recorder);
        Ok(())
    }

    /// Returns true if the run before died, as one does that cuts its connection.
    pub(super) fn goes_on(&self) -> bool {
        let recorder = self.recorder.as_ref();
        recorder.is_some_and(|recorder| recorder.died().is_some())
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

    /// Returns what earlier runs made that is still there, in the order in which they made it.
    pub(crate) fn made(&self) -> Vec<MadeBy> {
        let record = self.recorder.as_ref().map(Recorder::record);
        record.map_or_else(Vec::new, |record| record.made.clone())
    }

    /// Returns true if the run has taken a step of this path.
    pub(crate) fn has_taken(&self, step: &str) -> bool {
        self.taken.contains(step)
    }

    /// Puts steps in the report whose work is there, and that the plan does not have any more.
    pub(crate) fn tell_left(&mut self, left: Vec<MadeBy>) {
        self.report.left = left.into_iter().map(|left| left.step).collect();
        self.report.left.dedup();
    }

    /// Notes that what was made is no more.
    pub(crate) fn note_unmade(&mut self, made: Made) -> Result<(), Fault> {
        self.note(Entry::Unmade { made })
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
