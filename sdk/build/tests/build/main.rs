//! Builds real crates, in temporary directories and without network.
//!
//! - `fixture`   writes the crates and records the reports of their builds
//! - `modules`   the choice of the target that becomes the module, and new builds of it
//! - `failures`  errors when there is no module, and their hints
//! - `absences`  reasons why a task is not in the module
//! - `languages` projects in other languages
//! - `embedding` a package with `build.rs`, built by a real `cargo build`

mod absences;
mod embedding;
mod failures;
mod fixture;
mod languages;
mod modules;
