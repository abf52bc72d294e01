//! The package that a module is built from: its target and its features.

pub(crate) mod features;
pub(crate) mod origin;
pub(crate) mod unit;
