//! Answers to what the controller and guests ask of an agent beside calls, streams and processes.

/// Blobs for the next hop of a chain.
pub(crate) mod blobs;
/// A description of the place this agent runs in.
pub(crate) mod description;
/// File transfers.
pub(crate) mod files;
/// The host and other hosts, for guests.
pub(crate) mod host_services;
