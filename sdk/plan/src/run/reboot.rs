//! Restarts of the host. The run ends with its host, and the controller begins it again when the host
//! is back: the record tells the second run what the first one was about to do.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use wxec::here;

use super::{Run, restart::digest_of};
use crate::{
    command::{Command, command},
    difference::{Attribute, Difference, Side},
    fault::{Fault, FaultKind},
    look::Look,
    record::Entry,
    report::State,
    settled::Settled,
};

/// A restart of the host. Made by [`reboot()`].
#[derive(Debug, Clone, Default)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Reboot {
    after: Vec<Settled>,
    if_exists: Option<PathBuf>,
}

/// Restarts the host where that is owed: `reboot().after([&kernel]).ensure(run)?`.
///
/// The plan is called again when the host is back, and goes on behind this step. It has to declare
/// `manage = "reboot"`, and needs its record: that is how the second run knows of the first.
///
/// ```no_run
/// # use wxec_plan::{Run, line, reboot};
/// # let run = &mut Run::new();
/// let kernel = line("/etc/default/grub", "GRUB_CMDLINE_LINUX=quiet").ensure(run)?;
/// reboot().after([&kernel]).if_exists("/run/reboot-required").ensure(run)?;
/// # Ok::<(), wxec_plan::Fault>(())
/// ```
pub fn reboot() -> Reboot {
    Reboot::default()
}

/// Tells whether a host has restarted: it is another one after each start.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Time that a host has to go down: services that do not end have a minute and a half of systemd.
const DOWN_WITHIN: Duration = Duration::from_mins(5);
const DOWN_PAUSE: Duration = Duration::from_millis(500);
/// The name of the step.
const NAME: &str = "reboot";

impl Reboot {
    /// Is owed once one of these steps has changed something, until the host was restarted.
    pub fn after<'a>(mut self, steps: impl IntoIterator<Item = &'a Settled>) -> Self {
        self.after.extend(steps.into_iter().cloned());
        self
    }

    /// Is owed while this path exists, such as `/run/reboot-required` on Debian. The plan needs to be
    /// granted to read it.
    pub fn if_exists(mut self, path: impl Into<PathBuf>) -> Self {
        self.if_exists = Some(path.into());
        self
    }

    /// Restarts the host in `run`, if that is owed. Returns, in the run after it, that it has changed.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        let began = Instant::now();
        let step = run.enter_step(NAME)?;
        let state = run.reboot_if_owed(self, &step);
        let state = state.map_err(|fault| run.blamed(fault));
        run.leave_step();
        let state = state?;
        let differences = match state {
            State::Changed | State::WouldChange => vec![restart_of_host()],
            _ => Vec::new(),
        };
        let changed = matches!(state, State::Changed | State::WouldChange);
        let is_unknown = matches!(state, State::Unknown { .. });
        run.add(step.clone(), state, differences, began);
        Ok(Settled {
            step,
            changed,
            is_unknown,
            digest: digest_of(&self.after),
        })
    }
}

impl Run {
    fn reboot_if_owed(&mut self, reboot: &Reboot, step: &str) -> Result<State, Fault> {
        if reboot.after.is_empty() && reboot.if_exists.is_none() {
            let message = "it says not when: add `.after([&step])` or `.if_exists(path)`, or each run \
                           would restart the host";
            return Err(Fault::of(FaultKind::Refused, message));
        }
        let Some(recorder) = &self.recorder else {
            let message = "a restart needs the plan's record, and this run keeps none";
            return Err(Fault::of(FaultKind::Record, message));
        };
        let record = recorder.record();
        let boot = boot_id()?;
        let with = digest_of(&reboot.after);
        let changes_now = reboot.after.iter().any(|input| input.changed);
        let inputs = || reboot.after.iter().map(|input| &*input.step);
        let before = record.reboot_of(step, inputs());
        let is_back = before.is_some_and(|before| before != boot) && !changes_now;
        let is_known = record.runs_with(step, with, inputs());
        let is_owed = record.owes_restart(step, with, inputs())
            || self.is_preview() && changes_now
            || match &reboot.if_exists {
                Some(path) => Look::over(&self.shadow).entry(path)?.is_some(),
                None => false,
            };
        let step = step.to_owned();
        if is_back && self.is_preview() {
            return Ok(State::Ok);
        }
        if is_back {
            self.note(Entry::Restarted { step, with })?;
            return Ok(State::Changed);
        }
        if !is_owed {
            if self.is_preview() && reboot.if_exists.is_some() && self.shadow.is_after_programs() {
                let why = "a program before it may want a restart".to_owned();
                return Ok(State::Unknown { why });
            }
            if let Some(unknown) = reboot.after.iter().find(|input| input.is_unknown) {
                let why = format!("`{}` may change something", unknown.step);
                return Ok(State::Unknown { why });
            }
            if !self.goes_on() {
                self.check_foreseen(&[])?;
            }
            if !is_known {
                self.note(Entry::Restarted { step, with })?;
            }
            return Ok(State::Ok);
        }
        if self.is_preview() {
            return Ok(State::WouldChange);
        }
        self.check_foreseen(&[restart_of_host()])?;
        self.note(Entry::Reboot { step, boot })?;
        restart_host()
    }
}

/// Restarts the host, which ends this run.
fn restart_host() -> Result<State, Fault> {
    let restart: Command = command(["systemctl", "reboot"]).otherwise(command(["reboot"]));
    restart.carry_out()?;
    let until = Instant::now() + DOWN_WITHIN;
    while Instant::now() < until && !here::is_cancelled() {
        thread::sleep(DOWN_PAUSE);
    }
    if here::is_cancelled() {
        let message = "the host restarts, and the run ends with it";
        return Err(Fault::of(FaultKind::Cancelled, message));
    }
    let message = format!(
        "the host did not go down within {} s",
        DOWN_WITHIN.as_secs()
    );
    Err(Fault::of(FaultKind::NotSettled, message))
}

/// What a restart changes, as reports and previews show it.
fn restart_of_host() -> Difference {
    Difference {
        path: BOOT_ID.to_owned(),
        attribute: Attribute::Named("boot".into()),
        before: Side::Text("this one".into()),
        after: Side::Text("the next one".into()),
    }
}

fn boot_id() -> Result<String, Fault> {
    let id = fs::read_to_string(BOOT_ID).map_err(Fault::io("cannot tell a restart", BOOT_ID))?;
    Ok(id.trim().to_owned())
}
