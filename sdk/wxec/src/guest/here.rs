//! The host that the task runs on.

pub use wxec_protocol::{Distro, Facts, abi::HostError};

use super::{ask, imports};

/// Returns the facts of the host. This needs a grant.
pub fn facts() -> std::io::Result<Facts> {
    Ok(ask::reply(imports::host_facts())?.1)
}
