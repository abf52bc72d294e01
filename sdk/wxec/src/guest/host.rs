//! The host that the task runs on.

pub use wxec_protocol::{Distro, Facts};

use super::{ask, imports};

/// What the host says of itself. It takes a grant.
pub fn facts() -> std::io::Result<Facts> {
    Ok(ask::reply(imports::host_facts())?.1)
}
