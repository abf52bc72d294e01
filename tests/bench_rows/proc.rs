//! Memory and CPU time of processes, as `/proc` tells of them.

use std::{env, fs, os::unix::ffi::OsStrExt, path::Path, time::Duration};

/// The agent that this job's sshd runs. There is one at most.
pub(crate) fn agent() -> u32 {
    let agents: Vec<_> = fs::read_dir("/proc")
        .expect("/proc is there")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_agent_of_ours(*pid))
        .collect();
    assert_eq!(agents.len(), 1, "agents: {agents:?}");
    agents[0]
}

/// Its program has the name that the bootstrap gave it, and its home is our sshd's.
fn is_agent_of_ours(pid: u32) -> bool {
    let config = env::var_os(wxec::SSH_CONFIG_VARIABLE).expect("jobs have one");
    let home = Path::new(&config).with_file_name("home");
    let home = [b"HOME=", home.as_os_str().as_bytes()].concat();
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    program.to_string_lossy().contains("/.wxec-") && environment.split(|byte| *byte == 0).any(|entry| entry == home)
}

/// The most memory a process ever had, in MiB.
pub(crate) fn peak_mib(process: impl ToString) -> f64 {
    kib(&format!("/proc/{}/status", process.to_string()), "VmHWM:") / 1024.0
}

/// A process's memory, in MiB, with its fair part of what it shares.
pub(crate) fn pss_mib(process: impl ToString) -> f64 {
    kib(&format!("/proc/{}/smaps_rollup", process.to_string()), "Pss:") / 1024.0
}

fn kib(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
    line.unwrap_or_else(|| panic!("{path} has no {name}"))
}

/// The time a process has been on a processor, its threads that are gone included.
pub(crate) fn cpu_time(process: impl ToString) -> Duration {
    /// What `/proc` counts in, on every Linux.
    const TICK: Duration = Duration::from_millis(10);

    let stat = fs::read_to_string(format!("/proc/{}/stat", process.to_string())).expect("it lives");
    // The name is in parentheses and may contain any character. After it, user time is the twelfth field, and the
    // system's follows.
    let (_, fields) = stat.rsplit_once(')').expect("there is a name");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().expect("a number"));
    TICK * ticks.sum()
}

/// The size of the program a process runs, which may have no name any more.
pub(crate) fn program_bytes(process: u32) -> u64 {
    fs::metadata(format!("/proc/{process}/exe")).expect("it lives").len()
}
