//! wxec's own programs and modules, built from wxec's own source once per machine.

pub(crate) mod agent;
pub(crate) mod backends;
pub(crate) mod compiler;
pub(crate) mod linking;
pub(crate) mod shelves;
pub(crate) mod shipped;
pub(crate) mod source;
pub(crate) mod starter;
