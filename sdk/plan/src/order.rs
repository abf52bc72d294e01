//! The order to a host to take the steps of a plan, and the answer.

use std::{borrow::Cow, fmt, ops::Not, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::Error};
use wxec::here;
#[cfg(not(target_family = "wasm"))]
use wxec::here::Facts;

#[cfg(not(target_family = "wasm"))]
use crate::config::{Schema, Template, TemplateFault, Templates};
use crate::{
    fault::Fault,
    foreseen::Foreseen,
    record::Opening,
    rendered::Rendered,
    report::Report,
    run::{DEFAULT_MODE, Run},
    secret::travelling,
    undo,
};

/// Time that a plan may take on a host, unless its caller says otherwise: an upgrade of a whole system,
/// behind another one whose lock is waited for. The end of a plan may interrupt a package manager, so it
/// is later than that of other calls on many hosts.
pub const PLAN_TIMEOUT: Duration = Duration::from_secs(3600);

/// An order to take the steps of a plan: the argument of its task.
///
/// ```
/// use wxec_plan::Order;
///
/// let order = Order::new("a config").in_mode("clean").preview();
/// assert_eq!((&*order.mode, order.preview), ("clean", true));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order<C> {
    /// The mode; by default `install`.
    #[serde(default = "default_mode")]
    pub mode: String,
    /// True to change nothing, and say what would be changed.
    #[serde(default)]
    pub preview: bool,
    /// False to keep no record on the host.
    #[serde(default = "yes")]
    pub record: bool,
    /// True to remove what earlier runs made, and the plan does not have any more.
    #[serde(default)]
    pub prune: bool,
    /// True for one host of those that the order is for: that one does what is done
    /// [once](Run::once).
    #[serde(default = "yes")]
    pub is_first: bool,
    /// True to tell the last runs of the plan on the host, and take no step.
    #[serde(default)]
    pub history: bool,
    /// True to tell of each step as it is taken.
    #[serde(default)]
    pub tells_steps: bool,
    #[serde(default)]
    foreseen: Option<Foreseen>,
    #[serde(default)]
    opening: Opening,
    /// The folder of the record, where the host gives none.
    #[serde(skip)]
    folder: Option<PathBuf>,
    /// The config that the plan takes.
    pub config: C,
    /// The plan's templates, rendered. The controller adds them as the order is sent.
    #[serde(default)]
    pub templates: Vec<Rendered>,
    /// The templates that are to be rendered.
    #[cfg(not(target_family = "wasm"))]
    #[serde(skip)]
    unrendered: Unrendered,
}

/// Templates that are rendered as the order is sent.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Unrendered {
    /// Those of the plan, by name and text.
    of_plan: &'static [(&'static str, &'static str)],
    /// Those in place of them.
    instead: Vec<Template>,
    facts: Option<Facts>,
}

fn yes() -> bool {
    true
}

fn default_mode() -> String {
    DEFAULT_MODE.into()
}

/// Seconds that a plan which cuts its own connection waits for another run: an agent takes a minute to
/// notice a silent connection, and then ends the step that it is in.
const CUT_LOCK_WAIT_S: u64 = 120;

impl<C> Order<C> {
    /// Makes an order in the mode `install`.
    pub fn new(config: C) -> Self {
        Self {
            mode: default_mode(),
            preview: false,
            record: true,
            prune: false,
            is_first: true,
            history: false,
            tells_steps: false,
            foreseen: None,
            opening: Opening::default(),
            folder: None,
            config,
            templates: Vec::new(),
            #[cfg(not(target_family = "wasm"))]
            unrendered: Unrendered::default(),
        }
    }

    /// Says who gives the order, such as `mia@laptop`: the record keeps it.
    #[must_use]
    pub fn by(mut self, who: impl Into<String>) -> Self {
        self.opening.by = who.into();
        self
    }

    /// Waits for another run of the plan on the host to end, for whole seconds; by default for ten.
    #[must_use]
    pub fn lock_wait(mut self, time: Duration) -> Self {
        self.opening.lock_wait_s = Some(time.as_secs());
        self
    }

    /// Is carried out only if the run has this number on its host, which a [report](Report::run) tells:
    /// of several orders for one run, as when one arrives twice, the first is carried out.
    #[must_use]
    pub fn only_as_run(mut self, number: u64) -> Self {
        self.opening.as_run = Some(number);
        self
    }

    /// Waits longer for another run, unless it was said how long: that one may be the plan's own, whose
    /// agent has not noticed yet that its connection is gone.
    #[doc(hidden)]
    #[must_use]
    pub fn cuts_link(mut self) -> Self {
        self.opening.lock_wait_s.get_or_insert(CUT_LOCK_WAIT_S);
        self
    }

    /// Goes on with an older record, if the last one is damaged.
    #[must_use]
    pub fn repair_record(mut self) -> Self {
        self.opening.repair = true;
        self
    }

    /// Keeps no record on the host: then restarts follow changes of the same run only, and nothing
    /// can be cleaned up later.
    #[must_use]
    pub fn unrecorded(mut self) -> Self {
        self.record = false;
        self
    }

    /// Says that another host does what is done [once](Run::once).
    #[must_use]
    pub fn not_first(mut self) -> Self {
        self.is_first = false;
        self
    }

    /// Asks to be told of each step as it is taken: [`Progress`](crate::Progress) reads it from what the
    /// host logs.
    #[must_use]
    pub fn tell_steps(mut self) -> Self {
        self.tells_steps = true;
        self
    }

    /// Asks for the last runs of the plan on the host, and for no step.
    #[must_use]
    pub fn history(mut self) -> Self {
        self.preview = true;
        self.history = true;
        self
    }

    /// Applies what a preview foresaw: fails at the first step that would change something else.
    #[must_use]
    pub fn foreseen(mut self, foreseen: Foreseen) -> Self {
        self.foreseen = Some(foreseen);
        self
    }

    /// Removes what earlier runs made, and the plan does not have any more.
    #[must_use]
    pub fn prune(mut self) -> Self {
        self.prune = true;
        self
    }

    /// Keeps the record in a folder of this machine, for an order that is carried out here.
    ///
    /// ```
    /// use wxec_plan::{Fault, Order, Run, file};
    ///
    /// let place = tempfile::tempdir()?;
    /// let plan = |run: &mut Run, ()| -> Result<(), Fault> {
    ///     file(place.path().join("page")).content("a page").ensure(run)?;
    ///     Ok(())
    /// };
    /// let record = tempfile::tempdir()?;
    /// Order::new(()).recorded_in(record.path()).carry_out(plan)?;
    /// assert!(place.path().join("page").exists());
    ///
    /// let nothing = |_: &mut Run, ()| Ok(());
    /// Order::new(()).in_mode("clean").recorded_in(record.path()).carry_out(nothing)?;
    /// assert!(!place.path().join("page").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn recorded_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets the mode.
    #[must_use]
    pub fn in_mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = mode.into();
        self
    }

    /// Asks what would be changed, and for no change.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.preview = true;
        self
    }

    /// Gives templates the facts of the host as `target`. They are rendered here, before there is a
    /// connection.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn target(mut self, facts: Facts) -> Self {
        self.unrendered.facts = Some(facts);
        self
    }

    /// Puts a template of the same name in place of one of the plan.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.unrendered.instead.push(template);
        self
    }

    /// Notes the templates of the plan that it orders, by name and text.
    #[cfg(not(target_family = "wasm"))]
    #[doc(hidden)]
    #[must_use]
    pub fn of_plan(mut self, templates: &'static [(&'static str, &'static str)]) -> Self {
        self.unrendered.of_plan = templates;
        self
    }

    /// Takes the steps of `plan`, as ordered.
    ///
    /// ```
    /// use wxec_plan::{Fault, Order, Run};
    ///
    /// fn plan(run: &mut Run, wanted: u32) -> Result<(), Fault> {
    ///     run.verify("it is seven", || wanted == 7)
    /// }
    ///
    /// assert_eq!(Order::new(7).carry_out(plan).unwrap().summary(), "1 step: 1 ok");
    /// let failed = Order::new(8).carry_out(plan).unwrap_err();
    /// assert_eq!(
    ///     failed.to_string(),
    ///     "step `it is seven`: the check says no; before it, 0 steps"
    /// );
    /// ```
    pub fn carry_out(
        self,
        plan: impl FnOnce(&mut Run, C) -> Result<(), Fault>,
    ) -> Result<Report, PlanFault> {
        let run = if self.preview || self.history {
            Run::preview()
        } else {
            Run::new()
        };
        let mut run = run.in_mode(self.mode).with_templates(self.templates);
        run.is_first = self.is_first;
        run.tells_steps = self.tells_steps;
        if let Some(foreseen) = self.foreseen {
            run = run.foreseen(foreseen);
        }
        let folder = self
            .folder
            .or_else(|| here::record_folder().map(Into::into));
        let taken = || {
            if let Some(folder) = folder.filter(|_| self.record) {
                run.open_record(&folder, &self.opening)?;
            }
            if self.history {
                run.tell_past();
                return Ok(());
            }
            plan(&mut run, self.config)?;
            undo::clean(&mut run)?;
            undo::prune(&mut run, self.prune)
        };
        let taken: Result<(), Fault> = taken();
        match run.end(taken.err()) {
            (report, None) => Ok(report),
            (report, Some(fault)) => Err(PlanFault {
                fault: fault.into(),
                report: report.into(),
            }),
        }
    }
}

fn is_usual(opening: &&Opening) -> bool {
    **opening == Opening::default()
}

#[cfg(not(target_family = "wasm"))]
impl<C: Serialize + DeserializeOwned> Order<C> {
    /// Renders the templates, unless that was done.
    fn rendered(&self) -> Result<Cow<'_, [Rendered]>, TemplateFault> {
        let Unrendered {
            of_plan,
            instead,
            facts,
        } = &self.unrendered;
        if of_plan.is_empty() {
            return Ok(Cow::Borrowed(&self.templates));
        }
        let template = |(name, text): &(&str, &str)| {
            let instead = instead.iter().rev().find(|template| template.name == *name);
            instead.cloned().unwrap_or_else(|| Template {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
                place: None,
            })
        };
        let templates = Templates::new(of_plan.iter().map(template));
        let templates = templates.map_err(|mut faults| faults.remove(0))?;
        let schema = Schema::of::<C>();
        let rendered = templates.render(Some(&schema), &self.config, &self.mode, facts.as_ref());
        rendered.map(Cow::Owned)
    }
}

#[cfg(target_family = "wasm")]
impl<C> Order<C> {
    /// Returns the templates that came with the order: a guest renders none.
    fn rendered(&self) -> Result<Cow<'_, [Rendered]>, std::convert::Infallible> {
        Ok(Cow::Borrowed(&self.templates))
    }
}

/// Secrets in the config travel with it, and templates are rendered for it.
impl<C: Serialize + DeserializeOwned> Serialize for Order<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename = "Order")]
        struct Travelling<'a, C> {
            mode: &'a str,
            preview: bool,
            #[serde(skip_serializing_if = "Clone::clone")]
            record: bool,
            #[serde(skip_serializing_if = "Not::not")]
            prune: bool,
            #[serde(skip_serializing_if = "Clone::clone")]
            is_first: bool,
            #[serde(skip_serializing_if = "Not::not")]
            history: bool,
            #[serde(skip_serializing_if = "Not::not")]
            tells_steps: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            foreseen: Option<&'a Foreseen>,
            #[serde(skip_serializing_if = "is_usual")]
            opening: &'a Opening,
            config: &'a C,
            #[serde(skip_serializing_if = "is_empty")]
            templates: &'a [Rendered],
        }
        let templates = self.rendered().map_err(S::Error::custom)?;
        // What people read has no secret.
        let templates: &[Rendered] = if serializer.is_human_readable() {
            &[]
        } else {
            &templates
        };
        let order = Travelling {
            mode: &self.mode,
            preview: self.preview,
            record: self.record,
            prune: self.prune,
            is_first: self.is_first,
            history: self.history,
            tells_steps: self.tells_steps,
            foreseen: self.foreseen.as_ref(),
            opening: &self.opening,
            config: &self.config,
            templates,
        };
        travelling(|| order.serialize(serializer))
    }
}

fn is_empty(templates: &&[Rendered]) -> bool {
    templates.is_empty()
}

/// A plan that failed: the reason, and the steps before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFault {
    /// The reason.
    pub fault: Box<Fault>,
    /// The steps that ended well.
    pub report: Box<Report>,
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; before it, {}", self.fault, self.report.summary())
    }
}

impl std::error::Error for PlanFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn an_order_carries_secrets_and_shows_none() {
        let order = Order::new(Secret::new("canary".to_owned())).preview();
        let travelled = wxec::cbor::encode(&order).unwrap();
        let arrived: Order<Secret<String>> = wxec::cbor::decode(&travelled).unwrap();
        assert_eq!(arrived.config.expose(), "canary");
        assert!(arrived.preview);

        assert!(!format!("{order:?}").contains("canary"));
        assert_eq!(
            serde_json::to_string(&order).unwrap(),
            r#"{"mode":"install","preview":true,"config":"(hidden)"}"#
        );
    }

    #[test]
    fn an_order_has_only_to_name_its_config() {
        let order: Order<u8> = serde_json::from_str(r#"{"config":7}"#).unwrap();
        assert_eq!(order, Order::new(7));
        assert!(serde_json::from_str::<Order<u8>>(r#"{"config":7,"mod":"x"}"#).is_err());
    }
}
