//! What sort of place this agent is in, for people who look for what is wrong there.

use rustix::process::{Resource, getpid, getrlimit, getuid};
use wxec_protocol::Description;

/// Where containers say how much memory they may use, in the two generations of Linux' control groups.
const MEMORY_LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// What can be found out without asking anyone. `notes` are what the sandbox had to do without.
pub(crate) fn describe(notes: &[String]) -> Description {
    let mut description = Description::new(getpid().as_raw_nonzero().get().cast_unsigned(), getuid().as_raw());
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    description.cpus = u32::try_from(cpus).unwrap_or(u32::MAX);
    description.memory_bytes = memory();
    description.address_space_bytes = getrlimit(Resource::As).current;
    description.open_files = getrlimit(Resource::Nofile).current;
    description.processes = getrlimit(Resource::Nproc).current;
    description.notes = notes.to_vec();
    description
}

fn memory() -> Option<u64> {
    let number = |text: String| text.trim().parse::<u64>().ok();
    let limits = MEMORY_LIMITS.into_iter().filter_map(|path| std::fs::read_to_string(path).ok().and_then(number));
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))?;
        Some(number(total.into())? * 1024)
    });
    limits.chain(machine).min()
}
