//! Builds what wxec sends to hosts: modules from crates, the agent, the compiler.
//!
//! A *module* is a crate compiled for `wasm32-wasip1`: [`module`] finds the one that holds a task,
//! either embedded in the program or built by cargo from the crate's source, and [`embed`] is what
//! a `build.rs` calls so that a shipped program needs no cargo. [`module_of_folder`] also builds
//! projects in other languages, by their own tools. [`agent`], [`starter`] and
//! [`compiler`] are wxec's own programs, and [`shipped_module`] its own modules; they are built once
//! per machine and kept in [`cache_directory`].
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

// From the bottom up: a module uses only those above it in this list.
/// Errors with their hints, reports of progress, variables of the environment.
mod base;
/// The directory where builds are kept, and files in it with their digests.
mod cache;
/// Cargo as a child process.
mod cargo;
/// The package that a module is built from: its target and its features.
mod package;
/// The reason why a task is not in a module, read from the package's sources.
mod absent;
/// Modules of users' crates.
mod module;
/// Modules of projects in other languages than Rust.
mod language;
/// wxec's own programs and modules.
mod tools;
/// Checks that this machine has all that building needs.
mod doctor;

pub use absent::{
    source::PackageSource,
    task::{AbsenceReason, AbsentTask},
};
pub use base::{
    dependency::DependencyFailure,
    error::BuildError,
    progress::{Progress, ProgressEvent, Quiet, StderrProgress, Work},
};
pub use cache::directory::cache_directory;
pub use cargo::running::{end_builds, supervise_builds};
pub use doctor::{Check, CheckStatus, checks};
pub use language::find::module_of_folder;
pub use module::{
    built::BuiltModule,
    embed::{embed, embed_with},
    find::{module, module_of_package},
};
pub use package::{features::Features, origin::Origin};
pub use tools::{
    agent::{AgentImage, agent, agent_if_built, lacks_agent},
    compiler::compiler,
    shipped::{is_shipped, shipped_module},
    starter::{Starter, starter, starter_if_built},
};

/// The target that modules are compiled for.
pub const MODULE_TARGET: &str = "wasm32-wasip1";
