//! Projects that `wxec new` starts: their languages, and their files.

pub(crate) mod files;
pub(crate) mod language;
