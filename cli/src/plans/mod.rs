//! Plans: their settings, and their reports in words.

pub(crate) mod asked;
pub(crate) mod find;
pub(crate) mod report;
pub(crate) mod saved;
pub(crate) mod schema;
pub(crate) mod settings;
