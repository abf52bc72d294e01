//! Artifacts: the settings they are compiled and loaded with, and the compiler.

#[cfg(feature = "run")]
pub(crate) mod artifact;
#[cfg(feature = "compile")]
pub(crate) mod compile;
pub(crate) mod config;
#[cfg(feature = "run")]
pub(crate) mod engine;
#[cfg(feature = "compile")]
pub(crate) mod precheck;
#[cfg(feature = "run")]
pub(crate) mod probe;
#[cfg(feature = "compile")]
pub(crate) mod proposals;
