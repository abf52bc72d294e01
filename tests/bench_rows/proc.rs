//! Memory and CPU time of processes, as `/proc` shows them.

use std::{env, fs, os::unix::ffi::OsStrExt, path::Path, time::Duration};

/// Returns the agent that this job's sshd runs, which must be the only one.
pub(crate) fn agent() -> u32 {
    let agents: Vec<_> = fs::read_dir("/proc")
        .expect("/proc is there")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_agent_of_ours(*pid))
        .collect();
    assert_eq!(agents.len(), 1, "agents: {agents:?}");
    agents[0]
}

/// Returns true if the process has the agent's name, and its home is our sshd's.
fn is_agent_of_ours(pid: u32) -> bool {
    let config = env::var_os(wxec::host::SSH_CONFIG_VARIABLE).expect("jobs have one");
    let home = Path::new(&config).with_file_name("home");
    let home = [b"HOME=", home.as_os_str().as_bytes()].concat();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    name.trim() == "wxec-agent"
        && environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == home)
}

/// The peak memory of a process, in MiB.
pub(crate) fn peak_mib(process: impl ToString) -> f64 {
    kib(&format!("/proc/{}/status", process.to_string()), "VmHWM:") / 1024.0
}

/// A process's memory, in MiB, with its proportional share of shared pages.
pub(crate) fn pss_mib(process: impl ToString) -> f64 {
    kib(
        &format!("/proc/{}/smaps_rollup", process.to_string()),
        "Pss:",
    ) / 1024.0
}

/// The memory that this machine could give to processes, in MiB.
pub(crate) fn available_mib() -> f64 {
    kib("/proc/meminfo", "MemAvailable:") / 1024.0
}

fn kib(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()
    });
    line.unwrap_or_else(|| panic!("{path} has no {name}"))
}

/// The processor time that a process has used, including its threads that have ended.
pub(crate) fn cpu_time(process: impl ToString) -> Duration {
    /// The unit of `/proc`'s counts, on every Linux.
    const TICK: Duration = Duration::from_millis(10);

    let stat = fs::read_to_string(format!("/proc/{}/stat", process.to_string())).expect("it lives");
    // The name is in parentheses and may contain any character. After it, user time is the twelfth
    // field, followed by system time.
    let (_, fields) = stat.rsplit_once(')').expect("there is a name");
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u32>().expect("a number"));
    TICK * ticks.sum()
}

/// The size of the program that a process runs, which may be unlinked by now.
pub(crate) fn program_bytes(process: u32) -> u64 {
    fs::metadata(format!("/proc/{process}/exe"))
        .expect("it lives")
        .len()
}
