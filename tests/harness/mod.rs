//! Starts the parts a test needs, and ends them.

mod accounts;
mod baseline;
mod cli;
mod controller;
mod debian;
mod engine;
mod holder;
mod keys;
mod link;
mod locale;
mod machine;
mod network;
mod process;
mod room;
mod skip;
mod sshd;

pub(crate) use accounts::{NOISE, OTHER_PASSWORD, PASSWORD, PERMIT, Shell};
pub(crate) use baseline::guard;
pub(crate) use cli::{Cli, Ended, Running, command, program};
pub(crate) use controller::Controller;
pub(crate) use debian::Debian;
pub(crate) use engine::{Container, Engine, Namespaces, WITH_SHELL, WITHOUT_SHELL};
pub(crate) use machine::{Access, Machine, PLACES};
pub(crate) use network::Network;
pub(crate) use process::{
    Pid, SOON, descendants, kill, own_seconds, peak_memory, processes, ticks, wait_until,
    write_script,
};
pub(crate) use skip::{needs, skip, tell};
pub(crate) use sshd::Sshd;
