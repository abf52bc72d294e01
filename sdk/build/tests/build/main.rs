//! Builds real crates, in temporary directories and without network.
//!
//! - `fixture`   writes the crates and notes what is told while they are built
//! - `modules`   which target of which package becomes the module, and when it is built again
//! - `failures`  what is said when there is none, and what would help
//! - `embedding` a package with `build.rs`, built by a real `cargo build`

mod absences;
mod embedding;
mod failures;
mod fixture;
mod modules;
