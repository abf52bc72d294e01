//! Plans: machines set up by ordinary Rust.
//!
//! A plan is a function that takes a [`Run`], on the host that it sets up. It says with
//! *prefabs* how parts of the host should be: [`file()`], [`folder`], [`symlink`], [`line()`],
//! [`block`], [`setting`], or [types of your own](Prefab). What is so already is left alone. A
//! preview says what would change, and changes nothing.
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

// From the bottom up: a module uses only those above it in this list.
/// The file calls of the host.
mod host_fs;
/// Values that are shown nowhere.
mod secret;
/// The content of files.
mod content;
/// Differences between a host and a plan, as reports show them.
mod difference;
/// Reasons why a plan ends early.
mod fault;
/// Reports of a plan's steps.
mod report;
/// The primitive actions, and the decisions of prefabs.
mod action;
/// Predictions in memory.
mod shadow;
/// Looking at the host.
mod look;
/// Predicting actions, and refusing harmful ones.
mod predict;
/// Carrying actions out.
mod perform;
/// The trait of prefabs.
mod prefab;
/// Answers of checks.
mod verdict;
/// Runs of plans, step by step.
mod run;
/// Prefabs for files.
mod prefabs;
/// Orders to take the steps of a plan.
mod order;

pub use action::{Action, Change, FILE_MODE, FOLDER_MODE, Owner, SECRET_MODE};
pub use content::Content;
pub use difference::{Attribute, Difference, MAX_TEXT_BYTES, Side};
pub use fault::{Fault, FaultKind};
pub use look::{Entry, Kind, Look, MAX_NAMES, MAX_READ_BYTES};
pub use order::{Order, PlanFault};
pub use prefab::Prefab;
pub use prefabs::{
    Absent, Block, File, Folder, Line, Setting, Symlink, block, file, folder, line, setting,
    symlink,
};
pub use report::{Report, State, StepReport};
pub use run::{DEFAULT_MODE, MAX_NAME_BYTES, MAX_STEPS, Run, Settled};
pub use secret::{HIDDEN, Secret};
pub use verdict::Verdict;
