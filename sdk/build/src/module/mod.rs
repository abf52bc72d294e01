//! Modules of users' crates: built, embedded, and explained when they do not build.

pub(crate) mod built;
pub(crate) mod diagnosis;
pub(crate) mod embed;
pub(crate) mod find;
pub(crate) mod fresh;
pub(crate) mod project;
