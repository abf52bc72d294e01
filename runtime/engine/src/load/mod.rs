//! Artifacts: the settings they are compiled and loaded with, and the compiler.

pub(crate) mod artifact;
#[cfg(feature = "compile")]
pub(crate) mod compile;
pub(crate) mod config;
#[cfg(feature = "compile")]
pub(crate) mod precheck;
pub(crate) mod probe;
#[cfg(feature = "compile")]
pub(crate) mod proposals;
