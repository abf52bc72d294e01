//! The host that the task runs on.

use std::path::Path;

pub use wxec_protocol::{Distro, Facts, abi::HostError, questions};

use super::{ask, imports};

/// Returns the folder of the record that the task may keep on its host, if it was granted one.
pub fn record_folder() -> Option<&'static Path> {
    Some(Path::new(wxec_protocol::RECORD_FOLDER))
}

/// Returns the facts of the host. This needs a grant.
pub fn facts() -> std::io::Result<Facts> {
    Ok(ask::reply(imports::host_facts())?.1)
}
