//! Plans: machines set up by ordinary Rust.
//!
//! A plan is a function marked [`#[plan]`](macro@plan) that runs on the host. It says with
//! *prefabs* how parts of the host should be: [`file()`], [`folder`], [`symlink`], [`line()`],
//! [`block`], [`setting`], [`package`], [`unit()`], [`user`] and others, or
//! [types of your own](Prefab). What is so already is left alone. A preview says what would change,
//! and changes nothing.
//!
//! ```
//! use wxec_plan::{Run, file, line};
//!
//! let place = tempfile::tempdir()?;
//! let motd = place.path().join("motd");
//!
//! let mut run = Run::new();
//! let written = file(&motd).content("Welcome.\n").mode(0o644).ensure(&mut run)?;
//! line(&motd, "Be kind.").ensure(&mut run)?;
//! assert!(written.changed);
//! assert_eq!(std::fs::read_to_string(&motd)?, "Welcome.\nBe kind.\n");
//! assert_eq!(run.report().summary(), "2 steps: 2 changed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// The macros expand to paths that begin with `::wxec_plan`, also in this crate's own examples.
extern crate self as wxec_plan;

/// Runs the Rust blocks of the pages about plans as doctests.
#[cfg(doctest)]
mod docs {
    #[doc = include_str!("../../../docs/plans.md")]
    mod plans {}
    #[doc = include_str!("../../../docs/plans-compared.md")]
    mod compared {}
}

// From the bottom up: a module uses only those above it in this list.
/// Points where a run may die.
mod crash;
/// Values that are shown nowhere.
mod secret;
/// The content of files.
mod content;
/// Templates that were rendered.
mod rendered;
/// The schemas of types.
mod trace;
/// Configs of plans as their callers settle them.
#[cfg(not(target_family = "wasm"))]
pub mod config;
/// Differences between a host and a plan, as reports show them.
mod difference;
/// Reasons why a plan ends early.
mod fault;
/// Parts of a host that are no files.
mod item;
/// Results of steps.
mod settled;
/// Programs that plans run.
mod command;
/// Owners of files.
mod owner;
/// Files that come from elsewhere.
mod fetch;
/// Folders that archives are unpacked to.
mod unpack;
/// Checkouts of git.
mod checkout;
/// The primitive actions, and the decisions of prefabs.
mod action;
/// Predictions in memory.
mod shadow;
/// Looking at the host.
mod look;
/// Questions about packages and units.
mod ask;
/// Questions about users and groups.
mod accounts;
/// Predicting actions, and refusing harmful ones.
mod predict;
/// Carrying actions out.
mod perform;
/// Answers of checks.
mod verdict;
/// Records of plans on their hosts.
mod record;
/// Reports of a plan's steps.
mod report;
/// News of steps while they are taken.
mod progress;
/// Previews that are kept.
mod foreseen;
/// The trait of prefabs.
mod prefab;
/// Runs of plans, step by step.
mod run;
/// Prefabs for files.
mod prefabs;
/// Removing what plans made.
mod undo;
/// Orders to take the steps of a plan.
mod order;
/// Plans applied to many hosts.
#[cfg(not(target_family = "wasm"))]
mod apply;
#[doc(hidden)]
pub mod __private;

pub use action::{Action, Change, FILE_MODE, FOLDER_MODE, Owner, SECRET_MODE};
#[cfg(not(target_family = "wasm"))]
pub use apply::Apply;
pub use ask::PackageManager;
pub use checkout::Checkout;
pub use command::{Command, command};
pub use content::Content;
pub use difference::{Attribute, Difference, MAX_TEXT_BYTES, Side};
pub use fault::{Fault, FaultKind};
pub use fetch::Fetch;
pub use foreseen::Foreseen;
pub use item::{Attributes, Effect};
pub use look::{Entry, Kind, Look, MAX_NAMES, MAX_READ_BYTES};
pub use order::{Order, PLAN_TIMEOUT, PlanFault};
pub use prefab::{Keep, Prefab};
pub use prefabs::{
    Absent, Archive, AuthorizedKey, Block, Cron, Download, Exists, File, Folder, Git, Group, Line,
    MAX_DOWNLOAD_BYTES, MAX_UNPACKED_BYTES, Package, Pip, Setting, Symlink, Unit, User, archive,
    authorized_key, block, cron, download, exists, file, folder, git, group, line, package,
    packages, pip, setting, symlink, unit, user,
};
pub use progress::Progress;
pub use record::{MAX_RUNS, Made, MadeBy, PastRun, Record, Removal};
pub use rendered::Rendered;
pub use report::{Report, State, StepReport};
pub use run::{CLEAN_MODE, DEFAULT_MODE, MAX_NAME_BYTES, MAX_STEPS, Reboot, Run, reboot};
pub use secret::{HIDDEN, Secret};
pub use settled::Settled;
pub use unpack::Unpack;
pub use verdict::Verdict;
/// Makes a function a plan: it sets up the host that it runs on.
///
/// The function takes the [`Run`] that it is a part of, and a config if it needs one. It stays a
/// function, so that plans call each other, and gets a companion like a task marked
/// [`#[remote]`](macro@wxec::remote): `web::on(&target, order)`, which takes an [`Order`] and
/// returns a call whose value is a [`Report`] and whose error is a [`PlanFault`].
///
/// ```no_run
/// use serde::{Deserialize, Serialize};
/// use wxec::Host;
/// use wxec_plan::{Fault, Order, Run, file, folder, plan};
///
/// #[derive(Serialize, Deserialize)]
/// struct Site { title: String }
///
/// /// A site of one page.
/// #[plan(write = "/srv")]
/// fn site(run: &mut Run, config: Site) -> Result<(), Fault> {
///     folder("/srv/site").ensure(run)?;
///     file("/srv/site/index.html").content(format!("<h1>{}</h1>\n", config.title)).ensure(run)?;
///     Ok(())
/// }
///
/// let web1 = Host::new("ssh:web1")?;
/// let order = || Order::new(Site { title: "A site".into() });
/// println!("{}", site::on(&web1, order().preview()).wait()?);
/// println!("{}", site::on(&web1, order()).wait()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Keys
///
/// | key | means |
/// |---|---|
/// | `modes = "install update"` | the modes that the plan has: words, or `"*"` for all; by default `install` |
/// | `roles = "web"` | the roles of the hosts that it is for, for readers of its module |
/// | `templates = "app.conf.j2"` | its templates, for [`Run::template`]: files in the folder `templates` of the crate |
/// | `read`, `write`, `run`, `env`, `net`, `host`, `facts`, `attributes` | its grants, as in [`#[remote]`](macro@wxec::remote) |
/// | `ask = "packages units users"` | topics that it may ask the host about |
/// | `manage = "packages units users"` | the same, and the programs that change these parts of a host |
/// | `crate = far` | the name of the crate `wxec-plan`, for a `Cargo.toml` that renames it |
///
/// In a mode that a plan does not have, it is skipped, and the report says so. A plan that is called
/// by another one needs no grants of its own: those of the outer plan hold.
///
/// # Clean
///
/// Every plan has the mode [`clean`](CLEAN_MODE), which removes what the plan made on the host, by the
/// record that the host keeps. A plan that lists it takes its own steps in that mode first.
///
/// # Previews
///
/// The call of an order for a preview is a preview as well, which the agent refuses to change
/// anything ([`Call::preview`](wxec::Call::preview)): it may read what the plan declares to read or to
/// write, and neither runs programs nor reaches the network or other hosts. So the sandbox refuses
/// what plan code does beside its prefabs.
pub use wxec_macros::plan;
