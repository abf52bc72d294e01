//! The directory where wxec keeps its builds, and how files there are proven whole.

pub(crate) mod directory;
pub(crate) mod shelf;
