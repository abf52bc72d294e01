//! One step with a program of its own, which has guards in place of looks.

use std::time::Instant;

use wxec::module::Digest;

use super::{Run, restart::digest_of};
use crate::{
    action::Action,
    command::Command,
    crash::crash_point,
    fault::{Fault, FaultKind},
    look::Look,
    predict::predict,
    report::State,
    settled::Settled,
};

impl Command {
    /// Runs it as a step of `run`, unless its guards say that it has done its work. A step that ran
    /// it has changed the host; a preview of one without guards is unknown.
    pub fn run(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.take_command(self)
    }
}

impl Run {
    fn take_command(&mut self, command: &Command) -> Result<Settled, Fault> {
        if !command.inputs().is_empty() {
            return self.take_command_after(command);
        }
        let began = Instant::now();
        let path = self.enter_step(&command.to_string())?;
        let state = self.command_state(command);
        let state = state.map_err(|fault| self.blamed(fault));
        self.leave_step();
        let state = state?;
        let changed = matches!(state, State::Changed | State::WouldChange);
        let is_unknown = matches!(state, State::Unknown { .. });
        self.add(path, state, Vec::new(), began);
        Ok(Settled {
            step: self
                .report
                .steps
                .last()
                .map_or_else(String::new, |step| step.name.clone()),
            changed,
            // It has no state beside having run.
            digest: Digest::of(command.to_string().as_bytes()),
            is_unknown,
        })
    }

    fn take_command_after(&mut self, command: &Command) -> Result<Settled, Fault> {
        let (name, inputs) = (command.to_string(), command.inputs());
        let changed = self.restart(&name, command, inputs, false)?;
        self.note_restarted(&name, inputs)?;
        let step = self.report.steps.last().map(|step| step.name.clone());
        Ok(Settled {
            step: step.unwrap_or_default(),
            changed,
            digest: digest_of(inputs),
            is_unknown: !changed && inputs.iter().any(|input| input.is_unknown),
        })
    }

    fn command_state(&mut self, command: &Command) -> Result<State, Fault> {
        let (creates, unless) = command.guards();
        if let Some(path) = creates {
            match Look::over(&self.shadow).entry(path) {
                Ok(Some(_)) => return Ok(State::Ok),
                Ok(None) => {}
                Err(fault) => return self.unless_unforeseen(fault),
            }
        }
        if self.is_preview() {
            let why = match (creates, &unless) {
                (_, Some(unless)) => format!("`{unless}` decides, and a preview runs no programs"),
                (None, None) => "a command without a guard".to_owned(),
                (Some(_), None) => {
                    predict(&mut self.shadow, &Action::Run(command.clone()))?;
                    return Ok(State::WouldChange);
                }
            };
            predict(&mut self.shadow, &Action::Run(command.clone()))?;
            return Ok(State::Unknown { why });
        }
        if let Some(unless) = unless {
            match unless.answer()? {
                Some(answer) if answer.code == Some(0) => return Ok(State::Ok),
                _ => {}
            }
        }
        self.note_change(Vec::new())?;
        crash_point();
        command.carry_out()?;
        crash_point();
        if let Some(path) = creates
            && Look::over(&self.shadow).entry(path)?.is_none()
        {
            let message = "the command did not make it";
            return Err(Fault::of(FaultKind::NotSettled, message).at(path));
        }
        Ok(State::Changed)
    }

    /// In a preview, what cannot be foreseen is unknown, and so is what is missing once programs would
    /// have been run: a package brings folders and files. Elsewhere the first cannot happen.
    pub(super) fn unless_unforeseen(&self, fault: Fault) -> Result<State, Fault> {
        let may_come = fault.kind == FaultKind::Missing && self.shadow.is_after_programs();
        if !self.is_preview() || !may_come && fault.kind != FaultKind::Unforeseen {
            return Err(fault);
        }
        let path = fault.path.iter();
        let mut why: String = path.map(|path| format!("{path}: ")).collect();
        why += &fault.message;
        if may_come {
            why += ", before the programs above have run";
        }
        Ok(State::Unknown { why })
    }
}
