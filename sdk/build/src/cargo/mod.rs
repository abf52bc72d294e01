//! Cargo as a child process: its environment, its messages, and its end.

pub(crate) mod command;
pub(crate) mod dep_info;
pub(crate) mod environment;
pub(crate) mod messages;
pub(crate) mod running;
