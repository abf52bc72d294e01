//! A description of the place this agent runs in, for people who look for a fault there.

use rustix::process::{Resource, getpid, getrlimit, getuid};
use wxec_protocol::Description;

use crate::memory;

/// Collects what this process can find out by itself. `notes` list the features that the sandbox
/// had to do without.
pub(crate) fn describe(notes: &[String]) -> Description {
    let mut description = Description::new(
        getpid().as_raw_nonzero().get().cast_unsigned(),
        getuid().as_raw(),
    );
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    description.cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
    description.memory_bytes = memory::total();
    description.address_space_bytes = getrlimit(Resource::As).current;
    description.open_files = getrlimit(Resource::Nofile).current;
    description.processes = getrlimit(Resource::Nproc).current;
    description.notes = notes.to_vec();
    description
}
