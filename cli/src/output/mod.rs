//! Results, errors, guests' output and costs, as commands print them.

pub(crate) mod collected;
pub(crate) mod command_error;
pub(crate) mod costs;
pub(crate) mod exit;
pub(crate) mod fold;
pub(crate) mod guest_output;
pub(crate) mod results;
