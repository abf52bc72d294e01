//! Units of systemd.

use std::{
    thread,
    time::{Duration, Instant},
};

use wxec::here::questions::SYSTEMCTL;

use crate::{
    action::{Action, Change},
    ask::unit_item,
    command::command,
    fault::{Fault, FaultKind},
    item::{Attributes, Effect},
    look::Look,
    prefab::Prefab,
    record::{Made, Removal},
    run::Run,
    settled::Settled,
};

/// A unit of systemd. Made by [`unit()`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Unit {
    name: String,
    is_enabled: Option<bool>,
    is_running: Option<bool>,
    restart_after: Vec<Settled>,
    reload_after: Vec<Settled>,
    settle: Duration,
}

/// A unit of systemd: `unit("nginx").enabled().running().restart_after([&config]).ensure(run)?`.
///
/// A name without an ending means a service. Only what is said is seen to: with
/// [`enabled`](Unit::enabled) alone, it may run or not. A plan needs `manage = "units"`.
///
/// # Restarts
///
/// A unit is restarted if one of the steps in [`restart_after`](Unit::restart_after) has changed
/// something since it was restarted the last time, and reloaded for those in
/// [`reload_after`](Unit::reload_after), unless it is restarted anyway. When the last time was stands
/// in the plan's record on the host. So a run that dies after it has changed a file, or whose restart
/// fails, leaves the restart to the next run, although nothing changes in that one.
///
/// A unit that this plan sees for the first time is not restarted because of files that were there
/// already. One that was started by this run runs with all that is new.
///
/// ```no_run
/// use wxec_plan::{Fault, Run, file, plan, unit};
///
/// /// A web server with its site.
/// #[plan(write = "/etc/nginx", manage = "units", attributes)]
/// fn web(run: &mut Run) -> Result<(), Fault> {
///     let site = file("/etc/nginx/conf.d/site.conf").content("…").ensure(run)?;
///     unit("nginx").enabled().running().reload_after([&site]).ensure(run)?;
///     Ok(())
/// }
/// ```
pub fn unit(name: impl Into<String>) -> Unit {
    let name = name.into();
    let has_ending = ENDINGS.iter().any(|ending| name.ends_with(ending));
    Unit {
        name: if has_ending {
            name
        } else {
            format!("{name}.service")
        },
        is_enabled: None,
        is_running: None,
        restart_after: Vec::new(),
        reload_after: Vec::new(),
        settle: SETTLE,
    }
}

const ENDINGS: [&str; 9] = [
    ".service",
    ".socket",
    ".timer",
    ".mount",
    ".path",
    ".target",
    ".slice",
    ".automount",
    ".swap",
];
/// Time that a unit has to stay up after it was started: most that are configured wrongly end at
/// once.
const SETTLE: Duration = Duration::from_secs(1);
/// Longest time that a unit may take to start or stop, as in systemd itself.
const MAX_START: Duration = Duration::from_secs(90);
/// Time between two looks at a unit that starts.
const PAUSE: Duration = Duration::from_millis(100);

impl Unit {
    /// Starts with the system.
    pub fn enabled(mut self) -> Self {
        self.is_enabled = Some(true);
        self
    }

    /// Does not start with the system.
    pub fn disabled(mut self) -> Self {
        self.is_enabled = Some(false);
        self
    }

    /// Runs now.
    pub fn running(mut self) -> Self {
        self.is_running = Some(true);
        self
    }

    /// Does not run now.
    pub fn stopped(mut self) -> Self {
        self.is_running = Some(false);
        self
    }

    /// Is restarted after these steps have changed something.
    pub fn restart_after<'a>(mut self, steps: impl IntoIterator<Item = &'a Settled>) -> Self {
        self.restart_after.extend(steps.into_iter().cloned());
        self
    }

    /// Is reloaded after these steps have changed something.
    pub fn reload_after<'a>(mut self, steps: impl IntoIterator<Item = &'a Settled>) -> Self {
        self.reload_after.extend(steps.into_iter().cloned());
        self
    }

    /// Has to stay up for this time after it was started or restarted; by default for a second.
    pub fn settles(mut self, time: Duration) -> Self {
        self.settle = time;
        self
    }

    /// Sees to it in `run`. The result tells of a restart as well.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        let is_up = |run: &Run| -> Result<bool, Fault> {
            Ok(is(
                run.look().unit(&self.name)?.as_ref(),
                "active",
                "active",
            ))
        };
        // Without systemd, the step itself says so.
        let was_up = is_up(run).unwrap_or(false);
        let mut settled = run.ensure(self)?;
        let starts = !was_up && self.is_running == Some(true) && settled.changed;
        if starts {
            self.stay_up(run, "is started")?;
        }
        if self.is_running == Some(false) || !(starts || was_up) {
            return Ok(settled);
        }
        let restarted = self.again(run, "restart", &self.restart_after, starts)?;
        let reloaded = self.again(run, "reload", &self.reload_after, starts || restarted)?;
        settled.changed |= restarted || reloaded;
        let mut inputs = self.restart_after.iter().chain(&self.reload_after);
        settled.is_unknown |= !settled.changed && inputs.any(|input| input.is_unknown);
        Ok(settled)
    }

    /// Restarts or reloads the unit, if that is owed.
    fn again(
        &self,
        run: &mut Run,
        verb: &str,
        inputs: &[Settled],
        is_fresh: bool,
    ) -> Result<bool, Fault> {
        if inputs.is_empty() {
            return Ok(false);
        }
        let step = format!("{verb} {}", self.name);
        let command = command(["systemctl", verb, "--", &self.name]);
        let done = run.restart(&step, &command, inputs, is_fresh)?;
        if done {
            self.stay_up(run, &format!("is {verb}ed"))?;
        }
        run.note_restarted(&step, inputs)?;
        Ok(done)
    }

    /// Waits until the unit is up, and has stayed so.
    fn stay_up(&self, run: &mut Run, when: &str) -> Result<(), Fault> {
        if run.is_preview() {
            return Ok(());
        }
        let (began, mut up_since, mut restarts) = (Instant::now(), None, None);
        loop {
            let found = run.look().unit(&self.name)?;
            let state = |name: &str| found.as_ref().and_then(|found| found.get(name));
            let is_same = *restarts.get_or_insert_with(|| state("restarts").cloned())
                == state("restarts").cloned();
            match state("active").map(String::as_str) {
                Some("active") if is_same => {
                    let since = up_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.settle {
                        return Ok(());
                    }
                }
                Some("activating" | "reloading" | "deactivating") if is_same => {
                    if began.elapsed() > MAX_START {
                        return Err(self.down(&format!("does not come up within {MAX_START:?}")));
                    }
                }
                Some("active" | "activating") => {
                    return Err(self.down(&format!("ends again after it {when}")));
                }
                _ => return Err(self.down(&format!("does not stay up after it {when}"))),
            }
            thread::sleep(PAUSE);
        }
    }

    /// What was made, if it was enabled: it is stopped and disabled again.
    fn removal(&self) -> Made {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Made::Item(Box::new(Removal {
            item: format!("enabled {}", unit_item(&self.name)),
            asks: words(&[&SYSTEMCTL[..], &[&*self.name]].concat()),
            says: "UnitFileState=enabled".into(),
            removes: vec![words(&["systemctl", "disable", "--now", "--", &self.name])],
            environment: Vec::new(),
        }))
    }

    /// A fault with the last words of the unit.
    fn down(&self, how: &str) -> Fault {
        let status = command([
            "systemctl",
            "status",
            "--no-pager",
            "--lines=10",
            "--",
            &self.name,
        ]);
        let said = match status.answer() {
            Ok(Some(answer)) => answer.stdout,
            _ => String::new(),
        };
        let message = format!("{} {how}: {}", self.name, said.trim());
        Fault::of(FaultKind::Command, message)
    }

    fn run(&self, verb: &str, found: &Attributes, after: &Attributes) -> Action {
        let command = match verb {
            "daemon-reload" => command(["systemctl", verb]),
            verb => command(["systemctl", verb, "--", &self.name]),
        };
        Action::Run(command.effect(Effect {
            item: unit_item(&self.name),
            before: Some(found.clone()),
            after: Some(after.clone()),
        }))
    }
}

fn is(found: Option<&Attributes>, name: &str, value: &str) -> bool {
    found.is_some_and(|found| found.get(name).is_some_and(|found| found == value))
}

impl Prefab for Unit {
    /// `None` if there is no such unit.
    type Seen = Option<Attributes>;

    fn name(&self) -> String {
        format!("unit {}", self.name)
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        let mut found = look.unit(&self.name)?;
        if let Some(found) = &mut found {
            // It is counted by systemd, and nothing that a plan could set.
            found.remove("restarts");
            // What is on its way there counts as there: `ensure` waits for it.
            if let Some(active) = found.get_mut("active") {
                match &**active {
                    "activating" | "reloading" => "active".clone_into(active),
                    "deactivating" | "failed" => "inactive".clone_into(active),
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    fn plan(&self, seen: &Self::Seen) -> Change {
        let Some(found) = seen else {
            return Change::unknown(format!("there is no unit {}", self.name));
        };
        let refused = |why: &str| {
            let message = format!("{} {why}", self.name);
            Change::refused(Fault::of(FaultKind::Refused, message))
        };
        let wants_up = self.is_enabled == Some(true) || self.is_running == Some(true);
        if is(seen.as_ref(), "load", "masked") && wants_up {
            return refused("is masked, so it can neither be enabled nor started");
        }
        if is(seen.as_ref(), "load", "error") || is(seen.as_ref(), "load", "bad-setting") {
            return refused("cannot be loaded by systemd: its files have mistakes");
        }
        let (mut now, mut actions) = (found.clone(), Vec::new());
        let set = |now: &mut Attributes, name: &str, value: &str| {
            now.insert(name.to_owned(), value.to_owned());
        };
        if now.contains_key("stale") {
            let before = now.clone();
            now.remove("stale");
            actions.push(self.run("daemon-reload", &before, &now));
        }
        let enabled = now.get("enabled").cloned().unwrap_or_default();
        match (self.is_enabled, &*enabled) {
            (Some(true), "enabled" | "enabled-runtime" | "alias" | "generated" | "transient") => {}
            (Some(true), "static" | "indirect") => {
                return refused("has nothing to be enabled by: its file has no [Install] section");
            }
            (Some(true), _) => {
                let before = now.clone();
                set(&mut now, "enabled", "enabled");
                actions.push(self.run("enable", &before, &now));
            }
            (Some(false), "enabled" | "enabled-runtime") => {
                let before = now.clone();
                set(&mut now, "enabled", "disabled");
                actions.push(self.run("disable", &before, &now));
            }
            _ => {}
        }
        let is_up = is(Some(&now), "active", "active");
        if let Some(wanted) = self.is_running.filter(|wanted| *wanted != is_up) {
            let before = now.clone();
            let (verb, state) = if wanted {
                ("start", "active")
            } else {
                ("stop", "inactive")
            };
            set(&mut now, "active", state);
            actions.push(self.run(verb, &before, &now));
        }
        Change::of(actions)
    }

    fn made(&self, seen: &Self::Seen) -> Vec<Made> {
        let was_enabled = is(seen.as_ref(), "enabled", "enabled");
        let enables = self.is_enabled == Some(true) && !was_enabled;
        enables.then(|| self.removal()).into_iter().collect()
    }
}
