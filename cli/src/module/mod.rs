//! Modules: loaded, and searched for functions.

pub(crate) mod capabilities;
pub(crate) mod conformance;
pub(crate) mod functions;
pub(crate) mod load;
