//! Plans applied to many hosts: an order for each, made of the settings of that host.

use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use wxec::{
    Call, CallError, CallErrorKind, Fleet, Host,
    call::Value,
    cbor::{self, DecodeError, Form},
    fleet::{FleetRun, Outcomes},
    history::user_and_machine,
    inventory::Inventory,
};

use crate::{
    config::{
        Layers, Mistake, Mistakes, References, Schema, Template, TemplateFault, TemplateFolder,
        Templates,
    },
    foreseen::Foreseen,
    order::{Order, PlanFault},
    report::Report,
    run::CLEAN_MODE,
};

/// A plan as its companion knows it.
#[doc(hidden)]
pub struct OfPlan<C> {
    /// Its name, by which inventories know its settings.
    pub name: &'static str,
    /// Its modes.
    pub modes: &'static [&'static str],
    /// Its templates, by name and text.
    pub templates: &'static [(&'static str, &'static str)],
    /// Gives an order to a host.
    pub order: fn(&Host, Order<C>) -> Call<Report, PlanFault>,
}

/// A plan that is to be applied to the hosts of a fleet. `site::apply(&fleet)` makes it for the plan
/// `site`.
///
/// Each host gets the settings of its own: those of an [inventory](Self::inventory), and those that
/// were [added](Self::settings); the later ones win. All mistakes in them are found before anything
/// connects. Batches, limits and gates are those of the fleet.
///
/// ```no_run
/// use serde::{Deserialize, Serialize};
/// use wxec::{fleet::Rules, inventory::Inventory};
/// use wxec_plan::{Fault, Run, file, plan};
///
/// #[derive(Serialize, Deserialize)]
/// struct Site { title: String }
///
/// #[plan(write = "/srv")]
/// fn site(run: &mut Run, config: &Site) -> Result<(), Fault> {
///     file("/srv/index.html").content(format!("<h1>{}</h1>\n", config.title)).ensure(run)?;
///     Ok(())
/// }
///
/// # #[cfg(not(target_family = "wasm"))]
/// fn all() -> Result<(), Box<dyn std::error::Error>> {
///     let inventory = Inventory::find().wait()?;
///     let web = inventory.select("@web")?.rules(Rules::new().batches("1,rest".parse()?));
///
///     let outcomes = site::apply(&web).inventory(&inventory).set("title", "A site").wait()?;
///     for (host, report) in outcomes.successes() {
///         println!("{host}: {}", report.summary());
///     }
///     for (host, error) in outcomes.failures() {
///         println!("{host}: {error}");
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[must_use = "nothing is applied until it is started or waited for"]
pub struct Apply<C> {
    fleet: Fleet,
    plan: OfPlan<C>,
    /// Those of each host, in the order of the fleet.
    layers: Vec<Layers>,
    folders: Vec<TemplateFolder>,
    beside: Option<TemplateFolder>,
    foreseen: Option<HashMap<String, Foreseen>>,
    change: Arc<dyn Fn(Order<C>) -> Order<C> + Send + Sync>,
    mode: Option<String>,
}

impl<C> Apply<C> {
    #[doc(hidden)]
    pub fn new(fleet: &Fleet, plan: OfPlan<C>) -> Self {
        let who = user_and_machine();
        Self {
            layers: fleet.hosts().iter().map(|_| Layers::new()).collect(),
            fleet: fleet.clone(),
            plan,
            folders: Vec::new(),
            beside: None,
            foreseen: None,
            change: Arc::new(move |order| order.by(who.clone())),
            mode: None,
        }
    }
}

impl<C: Serialize + DeserializeOwned + 'static> Apply<C> {
    /// Adds the settings that an inventory has for the hosts, and the templates in `plans` beside it.
    pub fn inventory(mut self, inventory: &Inventory) -> Self {
        for (host, layers) in self.fleet.hosts().iter().zip(&mut self.layers) {
            layers.add(&Layers::of_host(self.plan.name, inventory, host));
        }
        self.beside = inventory.file().and_then(TemplateFolder::beside);
        self
    }

    /// Adds settings for all hosts.
    pub fn settings(self, layers: &Layers) -> Self {
        self.settings_of(|_| layers.clone())
    }

    /// Adds settings for each host.
    pub fn settings_of(mut self, layers: impl Fn(&Host) -> Layers) -> Self {
        for (host, all) in self.fleet.hosts().iter().zip(&mut self.layers) {
            all.add(&layers(host));
        }
        self
    }

    /// Sets one value for all hosts, such as that of `tls.port`.
    pub fn set(self, name: &str, value: impl Into<Value>) -> Self {
        let mut layers = Layers::new();
        let path: Vec<_> = name.split('.').collect();
        layers.set(&path, value.into(), "the program");
        self.settings(&layers)
    }

    /// Takes templates from `FOLDER/PLAN/NAME`, where there are any. Folders that are named first come
    /// first, and that of the inventory comes last.
    pub fn templates(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.push(TemplateFolder::named(folder));
        self
    }

    /// Applies it in this mode, which the plan has to have.
    pub fn mode(mut self, mode: impl Into<String>) -> Self {
        let mode = mode.into();
        self.mode = Some(mode.clone());
        self.order(move |order| order.in_mode(mode.clone()))
    }

    /// Changes nothing, and says what would be changed.
    pub fn preview(self) -> Self {
        self.order(Order::preview)
    }

    /// Removes what earlier runs made, and the plan does not have any more.
    pub fn prune(self) -> Self {
        self.order(Order::prune)
    }

    /// Waits so long for another run of the plan on a host to end; by default for ten seconds.
    pub fn lock_wait(self, time: Duration) -> Self {
        self.order(move |order| order.lock_wait(time))
    }

    /// Applies what a preview has foreseen of each host: a host fails at the first step that would
    /// change something else.
    pub fn foreseen<N: Into<String>>(
        mut self,
        foreseen: impl IntoIterator<Item = (N, Foreseen)>,
    ) -> Self {
        let foreseen = foreseen
            .into_iter()
            .map(|(host, foreseen)| (host.into(), foreseen));
        self.foreseen = Some(foreseen.collect());
        self
    }

    /// Changes the order for each host, as in
    /// `site::apply(&web).order(|order| order.unrecorded())`.
    pub fn order(mut self, change: impl Fn(Order<C>) -> Order<C> + Send + Sync + 'static) -> Self {
        let before = self.change;
        self.change = Arc::new(move |order| change(before(order)));
        self
    }

    /// Fails with all mistakes in the settings of all hosts. Connects to none, and reads no secrets:
    /// settings that refer to some are compared with the schema only.
    pub fn check(&self) -> Result<(), Mistakes> {
        let (schema, templates) = (Schema::of::<C>(), self.own_templates()?);
        self.check_schema(&schema, &templates)?;
        let mut mistakes = Mistakes::default();
        for (host, layers) in self.hosts() {
            if !layers.has_references() {
                let config = layers.to_value();
                mistakes.add(
                    host.name(),
                    self.wrong(&schema, &templates, layers, config).1,
                );
            }
        }
        mistakes.into_result()
    }

    /// Reads the secrets that settings refer to, and starts the plan on the hosts. Fails with all
    /// mistakes in the settings, before anything connects.
    pub fn start(self) -> Result<FleetRun<Report, CallError<PlanFault>>, Mistakes> {
        let (schema, templates) = (Schema::of::<C>(), self.own_templates()?);
        self.check_schema(&schema, &templates)?;
        let (mut configs, mut mistakes) = (HashMap::new(), Mistakes::default());
        let mut references = References::new();
        for (host, layers) in self.hosts() {
            match layers.resolve(&mut references) {
                Err(unread) => mistakes.add(host.name(), unread),
                Ok(config) => {
                    let (config, wrong) = self.wrong(&schema, &templates, layers, config);
                    mistakes.add(host.name(), wrong);
                    configs.insert(host.name().to_owned(), config);
                }
            }
        }
        mistakes.into_result()?;
        let first = self.fleet.hosts().first();
        let orders = Arc::new(Orders {
            configs,
            first: first.map(|host| host.name().to_owned()),
            takes_facts: templates.mention_target(),
            instead: templates.replaced().cloned().collect(),
            foreseen: self.foreseen.unwrap_or_default(),
            change: self.change,
            order: self.plan.order,
        });
        let work = self.fleet.work(move |host| {
            let (host, orders) = (host.clone(), orders.clone());
            async move { orders.give(&host).await }
        });
        Ok(work.judge_calls().start())
    }

    /// The same, and blocks until each host has ended.
    pub fn wait(self) -> Result<Outcomes<Report, CallError<PlanFault>>, Mistakes> {
        Ok(self.start()?.wait())
    }

    fn hosts(&self) -> impl Iterator<Item = (&Host, &Layers)> {
        self.fleet.hosts().iter().zip(&self.layers)
    }

    /// Returns the templates of the plan, or what stands in place of them.
    fn own_templates(&self) -> Result<Templates, Mistakes> {
        let folders: Vec<_> = self.folders.iter().chain(&self.beside).cloned().collect();
        let replaced = self.plan.templates.iter().map(|(name, text)| {
            let own = Template {
                name: (*name).to_owned(),
                text: (*text).to_owned(),
                place: None,
            };
            own.replaced(self.plan.name, &folders)
        });
        let replaced: Result<Vec<_>, TemplateFault> = replaced.collect();
        replaced
            .map_err(|fault| vec![fault])
            .and_then(Templates::new)
            .map_err(|faults| {
                let mut mistakes = Mistakes::default();
                mistakes.add_general(faults);
                mistakes
            })
    }

    fn check_schema(&self, schema: &Schema, templates: &Templates) -> Result<(), Mistakes> {
        let mut mistakes = Mistakes::default();
        let modes = self.plan.modes;
        if let Some(mode) = self.mode.as_deref().filter(|mode| *mode != CLEAN_MODE)
            && !modes.iter().any(|known| [mode, "*"].contains(known))
        {
            let has = modes.join(", ");
            let message = format!(
                "the plan has no mode `{}`; it has {has}, and {CLEAN_MODE}",
                mode.escape_debug()
            );
            mistakes.add_general([message]);
        }
        for (host, layers) in self.hosts() {
            mistakes.add(host.name(), schema.check(layers));
            let foreseen = self.foreseen.as_ref();
            if foreseen.is_some_and(|foreseen| !foreseen.contains_key(host.name())) {
                mistakes.add(
                    host.name(),
                    ["the preview that is applied does not have the host"],
                );
            }
        }
        mistakes.add_general(templates.check(schema));
        mistakes.into_result()
    }

    /// Returns the config as its type reads it, and what is wrong about it: what its type refuses, and
    /// what templates cannot be made of.
    fn wrong(
        &self,
        schema: &Schema,
        templates: &Templates,
        layers: &Layers,
        config: Value,
    ) -> (Value, Option<String>) {
        let config = match config {
            Value::Map(settings) if settings.is_empty() && schema.takes_null() => Value::Null,
            config => config,
        };
        let read = match read::<C>(&config) {
            Ok(read) => read,
            Err(error) => return (config, Some(refused(layers, error).to_string())),
        };
        // Those that take facts are rendered once these are there.
        let wrong = if templates.mention_target() {
            None
        } else {
            let order = (self.change)(Order::new(read));
            let rendered = templates.render(Some(schema), &order.config, &order.mode, None);
            rendered.err().map(|fault| fault.to_string())
        };
        (config, wrong)
    }
}

/// What is needed to give each host its order.
struct Orders<C> {
    /// With their secrets, by the names of hosts.
    configs: HashMap<String, Value>,
    first: Option<String>,
    takes_facts: bool,
    instead: Vec<Template>,
    foreseen: HashMap<String, Foreseen>,
    change: Arc<dyn Fn(Order<C>) -> Order<C> + Send + Sync>,
    order: fn(&Host, Order<C>) -> Call<Report, PlanFault>,
}

impl<C: Serialize + DeserializeOwned> Orders<C> {
    async fn give(&self, host: &Host) -> Result<Report, CallError<PlanFault>> {
        let facts = if self.takes_facts {
            Some(host.facts().await.map_err(|error| of_plan(&error))?)
        } else {
            None
        };
        let refused = |reason: String| {
            CallError::new(host.name().into(), CallErrorKind::BadArguments(reason))
        };
        let call = {
            let config = self.configs.get(host.name());
            let config = config.ok_or_else(|| refused("there are no settings for it".into()))?;
            let config = read(config).map_err(|error| refused(error.to_string()))?;
            let mut order = (self.change)(Order::new(config));
            order.is_first = order.is_first && self.first.as_deref() == Some(host.name());
            order = self.instead.iter().cloned().fold(order, Order::template);
            if let Some(foreseen) = self.foreseen.get(host.name()) {
                order = order.foreseen(foreseen.clone());
            }
            if let Some(facts) = facts {
                order = order.target(facts);
            }
            (self.order)(host, order)
        };
        call.await
    }
}

/// Reads a config as the plan does. Settings are the readable form of values.
fn read<C: DeserializeOwned>(config: &Value) -> Result<C, DecodeError> {
    let encoded = cbor::encode(config).map_err(|error| DecodeError::Type(error.to_string()))?;
    cbor::decode_as(Form::Readable, &encoded)
}

fn refused(layers: &Layers, error: DecodeError) -> Mistake {
    let (path, reason) = match error {
        DecodeError::Within { path, reason } => (path, reason),
        error => (String::new(), error.to_string()),
    };
    let path: Vec<_> = path
        .split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .collect();
    layers.refused(&path, &reason)
}

/// Returns the error of a question for facts as one of the plan that needs them.
fn of_plan(error: &CallError) -> CallError<PlanFault> {
    let kind = match error.kind.clone() {
        CallErrorKind::Unreachable(reason) => CallErrorKind::Unreachable(reason),
        CallErrorKind::Timeout { after, phase } => CallErrorKind::Timeout { after, phase },
        CallErrorKind::Cancelled => CallErrorKind::Cancelled,
        CallErrorKind::Lost {
            reason,
            stderr_tail,
        } => CallErrorKind::Lost {
            reason,
            stderr_tail,
        },
        other => CallErrorKind::Agent(format!("the host does not tell its facts: {other}")),
    };
    CallError::new(error.host.clone(), kind)
}

impl<C> fmt::Debug for Apply<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apply")
            .field("plan", &self.plan.name)
            .field("fleet", &self.fleet)
            .finish_non_exhaustive()
    }
}
