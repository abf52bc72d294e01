//! Builds what wxec sends to hosts: modules from crates, the agent, the compiler.
//!
//! A *module* is a crate compiled for `wasm32-wasip1`: [`module`] finds the one that holds a task,
//! either embedded in the program or built by cargo from the crate's source, and [`embed`] is what
//! a `build.rs` calls so that a shipped program needs no cargo. [`agent`] and [`compiler`] are
//! wxec's own programs, and [`shipped_module`] its own modules; they are built once per machine and
//! kept in [`cache_directory`].
//!
//! All functions here block, run cargo as a child process and report long work to a [`Progress`].
//! The child never inherits flags or target directories of a surrounding cargo, so the functions
//! may be called from `build.rs`, from a program under `cargo run`, and from a test.
//!
//! ```no_run
//! use std::path::Path;
//! use wxec_build::{Features, StderrProgress};
//!
//! let module = wxec_build::module_of_package(Path::new("."), "words", &Features::default(), &StderrProgress)?;
//! println!("{} bytes, {}", module.bytes.len(), module.digest);
//! # Ok::<(), wxec_build::BuildError>(())
//! ```

mod absent;
mod cache;
mod cargo;
mod diagnosis;
mod doctor;
mod embed;
mod environment;
mod error;
mod features;
mod messages;
mod module;
mod origin;
mod progress;
mod running;
mod shelf;
mod shipped;
mod source;
mod tools;
mod unit;

pub use absent::{AbsenceReason, AbsentTask, PackageSource};
pub use cache::cache_directory;
pub use doctor::{Check, CheckStatus, checks};
pub use embed::{embed, embed_with};
pub use error::{BuildError, DependencyFailure};
pub use features::Features;
pub use module::{BuiltModule, module, module_of_folder, module_of_package};
pub use origin::Origin;
pub use progress::{Progress, ProgressEvent, Quiet, StderrProgress, Work};
pub use running::{end_builds, supervise_builds};
pub use shipped::{is_shipped, shipped_module};
pub use tools::{AgentImage, agent, agent_if_built, compiler};

/// The target that modules are compiled for.
pub const MODULE_TARGET: &str = "wasm32-wasip1";
