//! Starts the parts a test needs, and ends them.

mod cli;
mod controller;
mod process;
mod skip;
mod sshd;

pub(crate) use cli::{Cli, Ended};
pub(crate) use controller::Controller;
pub(crate) use process::{Pid, descendants, kill, peak_memory, processes, ticks, wait_until};
pub(crate) use skip::skip;
pub(crate) use sshd::Sshd;
