//! A run of a plan: its steps, one after the other.

mod command;
mod ensure;
mod given;
mod looks;
mod reboot;
mod recorded;
mod restart;

use std::{cell::OnceCell, collections::HashSet, sync::Arc, time::Instant};

use wxec::here::{self, Facts};

use self::looks::LooksOf;
pub use self::reboot::{Reboot, reboot};
pub use self::recorded::CLEAN_MODE;
use crate::{
    difference::Difference,
    fault::{Fault, FaultKind},
    foreseen::Foreseen,
    look::Look,
    prefab::{Keep, Prefab},
    progress,
    record::Recorder,
    rendered::Rendered,
    report::{Report, State, StepReport},
    settled::Settled,
    shadow::Shadow,
    verdict::Verdict,
};

/// A run of a plan on the host where its code runs, or a preview of one.
///
/// ```
/// use wxec_plan::{Run, file, folder};
///
/// let place = tempfile::tempdir()?;
/// let site = place.path().join("site");
///
/// let mut run = Run::preview();
/// folder(&site).ensure(&mut run)?;
/// file(site.join("index.html")).content("<h1>a site</h1>\n").ensure(&mut run)?;
/// assert_eq!(run.report().summary(), "2 steps: 2 would change");
/// assert!(!site.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Run {
    report: Report,
    /// The names of the steps around the next one, outermost first.
    around: Vec<String>,
    /// The name for the next plan, in place of its own.
    alias: Option<String>,
    /// The paths of all steps so far.
    taken: HashSet<String>,
    /// In a preview, what the steps so far would have left behind.
    shadow: Shadow,
    /// Files whose content no report shows, by their paths as reports show them.
    secret_files: HashSet<String>,
    /// Bytes of text in the report so far.
    text_bytes: usize,
    /// The record on the host, if one is kept.
    recorder: Option<Recorder>,
    /// The preview that is applied, if one is.
    foreseen: Option<Foreseen>,
    /// True for the host that does what is done once.
    pub(crate) is_first: bool,
    /// True to tell of each step as it is taken.
    pub(crate) tells_steps: bool,
    /// The templates that came with the order.
    templates: Vec<Rendered>,
    /// The facts of the host, once they were asked for.
    facts: OnceCell<Arc<Facts>>,
}

/// The mode of a run that does not name one.
pub const DEFAULT_MODE: &str = "install";
/// Largest number of steps of a run: enough for a host of thousands of sites, and a report of them
/// is still one value.
pub const MAX_STEPS: usize = 10_000;
/// Longest name of a step: a path and some words.
pub const MAX_NAME_BYTES: usize = 4 << 10;

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    /// Makes a run that changes the host, in the mode [`DEFAULT_MODE`].
    pub fn new() -> Self {
        Self {
            report: Report {
                mode: DEFAULT_MODE.into(),
                ..Report::default()
            },
            around: Vec::new(),
            alias: None,
            taken: HashSet::new(),
            shadow: Shadow::default(),
            secret_files: HashSet::new(),
            text_bytes: 0,
            recorder: None,
            foreseen: None,
            is_first: true,
            tells_steps: false,
            templates: Vec::new(),
            facts: OnceCell::new(),
        }
    }

    /// Makes a run that changes nothing, and says what it would change.
    pub fn preview() -> Self {
        let mut run = Self::new();
        run.report.preview = true;
        run
    }

    /// Sets the mode: a word that plans understand, such as `install` or `clean`.
    #[must_use]
    pub fn in_mode(mut self, mode: impl Into<String>) -> Self {
        self.report.mode = mode.into();
        self
    }

    /// Applies what a preview foresaw: a step that would change something else fails.
    #[must_use]
    pub fn foreseen(mut self, foreseen: Foreseen) -> Self {
        self.foreseen = Some(foreseen);
        self
    }

    /// Returns the mode.
    pub fn mode(&self) -> &str {
        &self.report.mode
    }

    /// Returns true if the run changes nothing.
    pub fn is_preview(&self) -> bool {
        self.report.preview
    }

    /// Returns the report of the steps so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the run.
    pub fn into_report(self) -> Report {
        self.report
    }

    /// Puts the steps that `body` takes below a step of this name.
    pub fn step<T>(
        &mut self,
        name: impl Into<String>,
        body: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let name = name.into();
        self.enter(&name)?;
        let result = body(self);
        let result = result.map_err(|fault| self.blamed(fault));
        self.around.pop();
        result
    }

    /// Calls a plan under another name than its own, so that a plan can be called twice:
    /// `run.step_as("blog", |run| web(run, &config.blog))`.
    pub fn step_as<T>(
        &mut self,
        alias: impl Into<String>,
        plan: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.alias = Some(alias.into());
        let result = plan(self);
        match (result, self.alias.take()) {
            (Ok(_), Some(alias)) => {
                let message = format!("step_as(\"{alias}\", …) calls no plan");
                Err(self.blamed(Fault::of(FaultKind::Name, message)))
            }
            (result, _) => result,
        }
    }

    /// Takes steps on one host only of all that the plan is applied to, such as the migration of a
    /// database that they share. `wxec apply` chooses the first host of its target, so all others
    /// report that it was skipped.
    ///
    /// ```
    /// use wxec_plan::{Fault, Order, Run, command};
    ///
    /// fn web(run: &mut Run, (): ()) -> Result<(), Fault> {
    ///     run.once("migration", |run| command(["true"]).run(run).map(drop))
    /// }
    ///
    /// let order = Order::new(()).unrecorded();
    /// assert_eq!(order.clone().carry_out(web)?.summary(), "1 step: 1 changed");
    /// assert_eq!(order.not_first().carry_out(web)?.summary(), "1 step: 1 skipped");
    /// # Ok::<(), wxec_plan::PlanFault>(())
    /// ```
    pub fn once<T: Default>(
        &mut self,
        name: &str,
        body: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.is_first {
            return self.step(name, body);
        }
        self.skip(name, "another host does it")?;
        Ok(T::default())
    }

    /// Brings a part of the host into the state that `prefab` describes.
    ///
    /// Looks at the host, lets the prefab decide, carries out its actions, and looks again. Before
    /// each action it compares the host with what is expected by then: a change by another program
    /// ends the step, and is left as it is. The time between that look and the action is short, but
    /// not nothing.
    pub fn ensure<P: Prefab + ?Sized>(&mut self, prefab: &P) -> Result<Settled, Fault> {
        self.ensure_with(&mut LooksOf::new(prefab))
    }

    /// Checks that the plan has worked. The check runs in a preview, too; if it fails there after
    /// steps that would change something, the answer is unknown.
    ///
    /// ```
    /// use wxec_plan::Run;
    ///
    /// let mut run = Run::new();
    /// run.verify("the system has a root", || std::path::Path::new("/").is_dir())?;
    /// let failed = run.verify("numbers", || "seven".parse::<u8>().map(|_| true)).unwrap_err();
    /// assert_eq!(failed.to_string(), "step `numbers`: invalid digit found in string");
    /// # Ok::<(), wxec_plan::Fault>(())
    /// ```
    pub fn verify<V: Verdict>(
        &mut self,
        name: impl Into<String>,
        check: impl FnOnce() -> V,
    ) -> Result<(), Fault> {
        let (name, began) = (name.into(), Instant::now());
        self.enter(&name)?;
        let path = self.path();
        self.tell(&path, None);
        let failed = check().failed();
        self.around.pop();
        let state = match failed {
            None => State::Ok,
            Some(why) if self.is_preview() && !self.shadow.is_empty() => State::Unknown {
                why: format!("{why}, before the changes above"),
            },
            Some(why) => {
                let mut fault = Fault::of(FaultKind::Verify, why);
                fault.step = path;
                return Err(fault);
            }
        };
        self.add(path, state, Vec::new(), began);
        Ok(())
    }

    /// Takes the steps of a plan of this name. If the run's mode is not among the plan's, and these
    /// are not `*`, the report says that the plan was skipped.
    ///
    /// ```
    /// use wxec_plan::{Fault, Run};
    ///
    /// fn web(run: &mut Run) -> Result<(), Fault> {
    ///     run.plan("web", &["install", "clean"], |run| run.verify("works", || true))
    /// }
    ///
    /// let mut run = Run::new().in_mode("start");
    /// web(&mut run)?;
    /// assert_eq!(
    ///     run.report().to_string(),
    ///     "web: skipped (its modes are install clean, not start)\n1 step: 1 skipped"
    /// );
    /// # Ok::<(), Fault>(())
    /// ```
    pub fn plan<T: Default>(
        &mut self,
        name: &str,
        modes: &[&str],
        body: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let name = self.alias.take().unwrap_or_else(|| name.to_owned());
        if modes.iter().any(|mode| [self.mode(), "*"].contains(mode)) {
            return self.step(name, body);
        }
        if self.cleans_all() {
            return Ok(T::default());
        }
        self.enter(&name)?;
        let path = self.path();
        self.around.pop();
        let why = format!("its modes are {}, not {}", modes.join(" "), self.mode());
        self.add(path, State::Skipped { why }, Vec::new(), Instant::now());
        Ok(T::default())
    }

    /// Puts a step in the report that is left out.
    pub(crate) fn skip(&mut self, name: &str, why: &str) -> Result<(), Fault> {
        let (path, began) = (self.enter_step(name)?, Instant::now());
        self.leave_step();
        self.add(path, State::Skipped { why: why.into() }, Vec::new(), began);
        Ok(())
    }

    /// Returns the host as the next step sees it.
    pub(crate) fn look(&self) -> Look<'_> {
        Look::over(&self.shadow)
    }

    /// Begins a step, whose name must be a new one at its place.
    fn enter(&mut self, name: &str) -> Result<(), Fault> {
        let wrong = if name.is_empty() {
            Some("a step needs a name".to_owned())
        } else if name.len() > MAX_NAME_BYTES {
            Some(format!(
                "the name of a step is longer than {MAX_NAME_BYTES} bytes"
            ))
        } else if name.chars().any(char::is_control) {
            Some(format!("the name {name:?} has a control character"))
        } else if self.taken.len() >= MAX_STEPS {
            Some(format!("there are more than {MAX_STEPS} steps"))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(self.blamed(Fault::of(FaultKind::Name, wrong)));
        }
        if here::is_cancelled() {
            let message = format!("cancelled before the step `{name}`");
            return Err(self.blamed(Fault::of(FaultKind::Cancelled, message)));
        }
        self.around.push(name.to_owned());
        if !self.taken.insert(self.path()) {
            let message = "there is a step of this name already; run.step_as(…) gives a plan another \
                           name, run.step(…) puts steps below one";
            let fault = self.blamed(Fault::of(FaultKind::Name, message));
            self.around.pop();
            return Err(fault);
        }
        Ok(())
    }

    /// Begins a step whose name may have any character, and returns its path.
    fn enter_step(&mut self, name: &str) -> Result<String, Fault> {
        self.enter(&without_control(name))?;
        let path = self.path();
        self.tell(&path, None);
        Ok(path)
    }

    /// Goes below a step that was taken already.
    fn enter_again(&mut self, name: &str) {
        self.around.push(without_control(name));
    }

    fn leave_step(&mut self) {
        self.around.pop();
    }

    /// The path of the step that is under way.
    fn path(&self) -> String {
        self.around.join("/")
    }

    /// Names the step that is under way in a fault, unless the fault names one.
    fn blamed(&self, mut fault: Fault) -> Fault {
        if fault.step.is_empty() {
            fault.step = self.path();
        }
        fault
    }

    fn add(&mut self, name: String, state: State, differences: Vec<Difference>, began: Instant) {
        self.tell(&name, Some(&state));
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.report.steps.push(StepReport {
            name,
            state,
            differences,
            took_ms,
        });
    }
}

impl Run {
    fn tell(&self, step: &str, state: Option<&State>) {
        if self.tells_steps {
            progress::tell(step, state);
        }
    }
}

impl<P: Prefab> Keep<P> {
    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }
}

/// Writes control characters as Rust does in strings.
fn without_control(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}
