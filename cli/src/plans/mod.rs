//! Plans: their settings, and their reports in words.

pub(crate) mod find;
pub(crate) mod mistakes;
pub(crate) mod report;
pub(crate) mod settings;
