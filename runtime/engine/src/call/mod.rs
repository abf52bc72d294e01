//! Calls: a guest in its store, from the request to the completion.

pub(crate) mod determinism;
pub(crate) mod fault;
pub(crate) mod guest;
pub(crate) mod host_services;
pub(crate) mod output;
pub(crate) mod program;
pub(crate) mod resident;
pub(crate) mod run;
pub(crate) mod supervisor;
pub(crate) mod supply;
pub(crate) mod ticker;
pub(crate) mod sandbox;
