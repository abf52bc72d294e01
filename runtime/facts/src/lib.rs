//! Facts that a machine tells of itself.
//!
//! The agent tells them to guests, and a program that runs a task at home tells them to itself. The
//! crate asks nothing of the network and runs no program, so it takes hardly any time.
//!
//! ```
//! let facts = wxec_facts::here();
//! assert!(facts.cpus > 0 && !facts.hostname.is_empty());
//! ```

mod addresses;
mod files;

use rustix::{
    process::getuid,
    system::{sysinfo, uname},
};
use wxec_protocol::Facts;

/// Returns the facts of this machine. Facts that cannot be found out are left empty.
pub fn here() -> Facts {
    let (name, info, uid) = (uname(), sysinfo(), getuid().as_raw());
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let hostname = text(name.nodename());
    let mut facts = Facts::default();
    facts.fqdn = files::fqdn(&hostname);
    facts.hostname = hostname;
    facts.kernel = text(name.release());
    facts.os = text(name.sysname());
    facts.arch = text(name.machine());
    facts.distro = files::distro();
    facts.cpus = std::thread::available_parallelism()
        .map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
    facts.memory_bytes = u64::from(info.mem_unit).saturating_mul(info.totalram);
    facts.addresses = addresses::local().unwrap_or_default();
    facts.user = files::user(uid);
    facts.uid = uid;
    facts.uptime_s = u64::try_from(info.uptime).unwrap_or(0);
    facts
}
