//! Processes of this machine, as `/proc` shows them.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(crate) use rustix::process::Pid;
use rustix::process::{Signal, kill_process};

/// A generous limit: only a hang takes so long, even on the busiest machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The interval at which conditions are checked.
const POLL_EVERY: Duration = Duration::from_millis(2);

/// Waits until `condition` holds; fails the test if it does not `within` that time.
#[track_caller]
pub(crate) fn wait_until(within: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    loop {
        // Check once more after the deadline: this thread may have been kept from running for as
        // long.
        let is_late = Instant::now() >= deadline;
        if condition() {
            return;
        }
        assert!(!is_late, "not within {within:?}: {what}");
        thread::sleep(POLL_EVERY);
    }
}

/// Returns a duration for a `sleep` that a test must find again, or see gone. No other process of
/// this machine uses the same one, since tests run at once, in this program and in others.
pub(crate) fn own_seconds() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "8{}.{:05}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Writes a script to be run. A shell writes it: a file that this program has open for writing is
/// also open in each process that another test is just starting, and such a file cannot be run.
pub(crate) fn write_script(path: &Path, script: &str) {
    let write = r#"printf '%s' "$1" >"$0" && chmod 755 "$0""#;
    let written = Command::new("sh")
        .args(["-c", write])
        .arg(path)
        .arg(script)
        .status();
    assert!(
        written.expect("sh is everywhere").success(),
        "{}",
        path.display()
    );
}

/// A living process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    parent: Option<Pid>,
    /// The kernel's name for the process, the path of its program, and its arguments.
    command: String,
}

/// Returns the processes whose name, program or command line contains `marker`, except this one.
pub(crate) fn processes(marker: &str) -> Vec<Process> {
    let own = rustix::process::getpid();
    all()
        .filter(|process| process.pid != own && process.command.contains(marker))
        .collect()
}

/// The children of `ancestor`, their children, and so on.
pub(crate) fn descendants(ancestor: Pid) -> Vec<Pid> {
    let all: Vec<_> = all().collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            all.iter()
                .filter(|process| process.parent == Some(parent))
                .map(|process| process.pid),
        );
        next += 1;
    }
    found.split_off(1)
}

/// The processes that see the same mounts as `holder`, which is not among them.
pub(crate) fn sharing_mounts(holder: Pid) -> Vec<Pid> {
    let mounts = |pid: Pid| fs::read_link(format!("/proc/{}/ns/mnt", pid.as_raw_nonzero())).ok();
    let Some(theirs) = mounts(holder) else {
        return Vec::new();
    };
    all()
        .map(|process| process.pid)
        .filter(|&pid| pid != holder && mounts(pid).as_ref() == Some(&theirs))
        .collect()
}

/// Kills exactly one process. It may have ended already.
pub(crate) fn kill(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
}

/// Returns the processor time that a process has used, in ticks of 10 ms; `None` if it has ended.
pub(crate) fn ticks(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let (user, system): (u64, u64) = (fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?);
    (!is_dead(fields[0])).then_some(user + system)
}

/// Returns true if only the exit status of a process is left.
fn is_dead(state: &str) -> bool {
    matches!(state, "Z" | "X")
}

/// The most memory a process has had, in bytes.
#[track_caller]
pub(crate) fn peak_memory(pid: Pid) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("it is alive");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|kib| kib.parse::<u64>().ok())
        .expect("the kernel keeps it")
        * 1024
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    entries.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?))
}

/// Returns `None` if the process is gone, or only its exit status is left.
fn read(pid: i32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may contain any character.
    let (start, rest) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let mut fields = rest.split_whitespace();
    if is_dead(fields.next()?) {
        return None;
    }
    let parent = Pid::from_raw(fields.next()?.parse().ok()?);
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
    let command = format!("{name} {} {arguments}", program.display());
    Some(Process {
        pid: Pid::from_raw(pid)?,
        parent,
        command,
    })
}
