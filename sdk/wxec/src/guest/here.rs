//! The host that the task runs on.

use std::path::Path;

pub use wxec_protocol::{Distro, Facts, abi::HostError, questions};

use super::{ask, imports};

/// Returns the path at which a task finds the folder of its record. It may use it if it was granted one.
pub fn record_folder() -> Option<&'static Path> {
    Some(Path::new(wxec_protocol::RECORD_FOLDER))
}

/// Returns true if the call that the task runs in was cancelled, and goes on for a while because its
/// caller lets it linger. Other calls end when they are cancelled.
pub fn is_cancelled() -> bool {
    imports::cancelled() != 0
}

/// Returns the facts of the host. This needs a grant.
pub fn facts() -> std::io::Result<Facts> {
    Ok(ask::reply(imports::host_facts())?.1)
}
