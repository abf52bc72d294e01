//! One step with a prefab: looks, predicts, carries out, and looks again.

use std::{mem, path::PathBuf, time::Instant};

use super::{Run, looks::Looks};
use crate::{
    action::{Action, Change, Decision},
    crash::crash_point,
    difference::{Attribute, Difference},
    fault::{Fault, FaultKind},
    look::Look,
    perform::perform,
    predict::predict,
    record::Made,
    report::State,
    settled::Settled,
    shadow::Shadow,
};

impl Run {
    /// Takes the step that [`Self::ensure`] describes.
    pub(super) fn ensure_with(&mut self, looks: &mut dyn Looks) -> Result<Settled, Fault> {
        let began = Instant::now();
        let path = self.enter_step(&looks.name())?;
        self.keep_secret(&looks.secret_files());
        let result = self.settle(looks);
        let result = result.or_else(|fault| {
            let settled = Settled::unknown(path.clone());
            let state = self.unless_unforeseen(fault)?;
            Ok((settled, state, Vec::new()))
        });
        let result = result.map_err(|fault| self.blamed(fault));
        self.leave_step();
        let (settled, state, differences) = result?;
        self.add(path, state, differences, began);
        Ok(settled)
    }

    fn settle(
        &mut self,
        looks: &mut dyn Looks,
    ) -> Result<(Settled, State, Vec<Difference>), Fault> {
        let first = looks.look(&Look::over(&self.shadow))?;
        let actions = match looks.plan(first) {
            Change(Decision::Actions(actions)) => actions,
            Change(Decision::Refused(fault)) => return Err(fault),
            Change(Decision::Unknown(why)) if self.is_preview() => {
                let settled = Settled {
                    is_unknown: true,
                    ..self.settled(looks, first, first)?
                };
                return Ok((settled, State::Unknown { why }, Vec::new()));
            }
            Change(Decision::Unknown(why)) => return Err(Fault::of(FaultKind::Undecided, why)),
        };
        if actions.is_empty() {
            // A run that goes on with one that died finds what that one has done.
            if !self.goes_on() {
                self.check_foreseen(&[])?;
            }
            return Ok((self.settled(looks, first, first)?, State::Ok, Vec::new()));
        }
        let (last, differences) = if self.is_preview() {
            self.foresee(looks, &actions)?
        } else {
            self.carry_out(looks, first, &actions)?
        };
        self.check_settled(looks.plan(last))?;
        let settled = self.settled(looks, first, last)?;
        let state = match (settled.changed, self.is_preview()) {
            (false, _) => State::Ok,
            (true, false) => State::Changed,
            (true, true) => State::WouldChange,
        };
        Ok((settled, state, differences))
    }

    /// Compares the first look with the last one.
    fn settled(&self, looks: &dyn Looks, first: usize, last: usize) -> Result<Settled, Fault> {
        Ok(Settled {
            step: self.path(),
            changed: !looks.are_equal(first, last),
            digest: looks.digest(last)?,
            is_unknown: false,
        })
    }

    /// Lets the shadow have what the actions would leave behind.
    fn foresee(
        &mut self,
        looks: &mut dyn Looks,
        actions: &[Action],
    ) -> Result<(usize, Vec<Difference>), Fault> {
        let mut shadow = mem::take(&mut self.shadow);
        let predicted: Result<_, Fault> = actions.iter().try_fold(Vec::new(), |mut all, action| {
            all.extend(predict(&mut shadow, action)?);
            Ok(all)
        });
        self.shadow = shadow;
        let differences = self.shown(actions, predicted?);
        Ok((looks.look(&Look::over(&self.shadow))?, differences))
    }

    /// Carries out the actions, each one only if the host is as expected by then.
    fn carry_out(
        &mut self,
        looks: &mut dyn Looks,
        first: usize,
        actions: &[Action],
    ) -> Result<(usize, Vec<Difference>), Fault> {
        // All is predicted before anything is done: what is refused is refused in time, and what
        // another program does from here on is no part of the prediction.
        let (mut shadow, mut differences, mut expected) =
            (Shadow::default(), Vec::new(), vec![first]);
        let mut made = looks.made(first);
        for action in actions {
            if made.is_empty() && !looks.keeps() {
                made.extend(Made::by(action, &Look::over(&shadow))?);
            }
            differences.extend(predict(&mut shadow, action)?);
            expected.push(looks.look(&Look::over(&shadow))?);
        }
        let differences = self.shown(actions, differences);
        self.check_foreseen(&differences)?;
        self.note_change(made)?;

        let host = Shadow::default();
        let look = Look::over(&host);
        for (action, expected) in actions.iter().zip(expected) {
            if !looks.sees_still(&look, expected)? {
                let message = "another program changed it while this step was under way";
                let fault = Fault::of(FaultKind::ChangedMeanwhile, message);
                return Err(action.blamed(fault));
            }
            crash_point();
            perform(action)?;
            crash_point();
        }
        Ok((looks.look(&look)?, differences))
    }

    /// Fails if the preview that is applied foresaw something else of this step.
    pub(super) fn check_foreseen(&self, differences: &[Difference]) -> Result<(), Fault> {
        match &self.foreseen {
            Some(foreseen) if !self.is_preview() => foreseen.check(&self.path(), differences),
            _ => Ok(()),
        }
    }

    /// Fails if the prefab still finds something to do.
    fn check_settled(&mut self, change: Change) -> Result<(), Fault> {
        let actions = match change {
            Change(Decision::Actions(actions)) if actions.is_empty() => return Ok(()),
            Change(Decision::Actions(actions)) => actions,
            Change(Decision::Refused(fault)) => return Err(fault),
            Change(Decision::Unknown(why)) => return Err(Fault::of(FaultKind::NotSettled, why)),
        };
        let mut fault = actions[0].blamed(Fault::of(
            FaultKind::NotSettled,
            "it did not converge: there is more to do after all was done",
        ));
        let mut shadow = self.shadow.clone();
        let rest = actions
            .iter()
            .map_while(|action| predict(&mut shadow, action).ok());
        let rest = rest.flatten().collect();
        fault.rest = self.shown(&actions, rest);
        Err(fault)
    }

    /// Hides secrets in the differences that the actions of a step make, and shortens those for
    /// which the report has no room.
    fn shown(&mut self, actions: &[Action], mut differences: Vec<Difference>) -> Vec<Difference> {
        let hides_all = actions.iter().any(Action::is_secret);
        for difference in &mut differences {
            if hides_all && difference.attribute == Attribute::Content {
                self.secret_files.insert(difference.path.clone());
            }
            if hides_all || self.secret_files.contains(&difference.path) {
                difference.hide();
            }
            self.text_bytes += difference.before.text_bytes() + difference.after.text_bytes();
            if self.text_bytes > MAX_REPORT_TEXT_BYTES {
                difference.before.shorten();
                difference.after.shorten();
            }
        }
        differences
    }

    /// Keeps the content of these files out of this report.
    pub(crate) fn keep_secret(&mut self, files: &[PathBuf]) {
        let look = Look::over(&self.shadow);
        let resolved = files.iter().filter_map(|path| look.resolve(path).ok());
        self.secret_files
            .extend(resolved.map(|path| path.display().to_string()));
    }
}

/// Text of differences in one report. The rest is reported as digests, so that the report of a plan
/// that fails fits what an agent takes of an error.
const MAX_REPORT_TEXT_BYTES: usize = 256 << 10;
