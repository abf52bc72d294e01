//! The memory that this agent may use, and the share that its calls get.

use std::{
    ffi::c_void,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use rustix::{
    mm::{Advice, madvise},
    process::{Resource, getrlimit},
};
use wxec_protocol::Memory;

/// Folders of Linux' control groups: of version 2, and of version 1 for memory.
const CGROUPS: &str = "/sys/fs/cgroup";
const MEMORY_CGROUPS: &str = "/sys/fs/cgroup/memory";

const MEMINFO: &str = "/proc/meminfo";

/// Least memory for calls if next to nothing is left: enough for a small guest. The system may
/// still find that much.
const LEAST_BYTES: u64 = 8 << 20;

/// Returns the memory that this process may use: the smaller of the machine's memory and the
/// container's limit.
pub(crate) fn total() -> Option<u64> {
    groups()
        .into_iter()
        .map(|group| group.limit)
        .chain(proc_field(MEMINFO, "MemTotal:"))
        .min()
}

/// Returns the memory that all calls together may hold, guests and results. `memory` is the kind of
/// memory that guests get.
///
/// The result is half of the memory that is left now. The other half is for arguments, modules, the
/// agent itself, and other programs that are about to need it.
pub fn call_budget(memory: Memory) -> u64 {
    let groups = groups()
        .into_iter()
        .map(|group| group.limit.saturating_sub(group.used));
    let left = groups
        .chain(proc_field(MEMINFO, "MemAvailable:"))
        .chain(address_space(memory))
        .min();
    left.map_or(u64::MAX, |left| (left / 2).max(LEAST_BYTES))
}

/// Returns the address space that is left, if it is limited. Reserved guest memories have been
/// subtracted already. Checked memories are mapped only when they are needed, so half of the limit
/// is set aside for them first.
fn address_space(memory: Memory) -> Option<u64> {
    let limit = getrlimit(Resource::As).current?;
    let limit = if memory == Memory::Checked {
        limit / 2
    } else {
        limit
    };
    Some(limit.saturating_sub(proc_field("/proc/self/status", "VmSize:").unwrap_or(0)))
}

/// A control group that limits memory.
struct Group {
    limit: u64,
    used: u64,
}

/// Returns the control groups around this process that limit memory. Inside a container, the
/// topmost one is the container's.
fn groups() -> Vec<Group> {
    let memberships = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    for membership in memberships.lines() {
        let mut fields = membership.splitn(3, ':').skip(1);
        let (root, files) = match fields.next() {
            Some("") => (CGROUPS, ["memory.max", "memory.current", "inactive_file"]),
            Some(controllers)
                if controllers
                    .split(',')
                    .any(|controller| controller == "memory") =>
            {
                (
                    MEMORY_CGROUPS,
                    [
                        "memory.limit_in_bytes",
                        "memory.usage_in_bytes",
                        "total_inactive_file",
                    ],
                )
            }
            _ => continue,
        };
        let root = Path::new(root);
        let own = root.join(fields.next().unwrap_or_default().trim_start_matches('/'));
        groups.extend(
            own.ancestors()
                .take_while(|group| group.starts_with(root))
                .filter_map(|group| read_group(group, files)),
        );
    }
    groups
}

/// Reads a control group that limits memory. Inactive file pages count as used there, but the
/// kernel can reclaim them, so they are subtracted.
fn read_group(group: &Path, [limit, used, cache]: [&str; 3]) -> Option<Group> {
    let file =
        |name: &str| -> Option<String> { fs::read_to_string(PathBuf::from(group).join(name)).ok() };
    let limit = parse_number(&file(limit)?)?;
    let used = file(used).as_deref().and_then(parse_number).unwrap_or(0);
    let cache = file("memory.stat").and_then(|stat| {
        stat.lines()
            .find_map(|line| parse_number(line.strip_prefix(cache)?.strip_prefix(' ')?))
    });
    Some(Group {
        limit,
        used: used.saturating_sub(cache.unwrap_or(0)),
    })
}

/// Returns the value of `name` in a file below `/proc`.
fn proc_field(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))?;
    parse_number(kib)?.checked_mul(1024)
}

/// Gives back the memory of this program's own code. The kernel maps sixteen pages for each that is
/// used, so nearly all of it is there after the start; while the agent is idle it needs next to
/// none. What is used again is mapped again, from the file.
pub(crate) fn give_back_code() {
    if let Some(code) = own_code() {
        let (start, length) = (code.start as *mut c_void, code.len());
        // SAFETY: the range is a mapping of code, which is not writable: its pages have what the
        // file has, and dropping them changes nothing that a thread can read there.
        let _ = unsafe { madvise(start, length, Advice::LinuxDontNeed) };
    }
}

/// Returns the addresses of this program's code: the mapping of a file in which this very function
/// is.
fn own_code() -> Option<Range<usize>> {
    let here = own_code as *const () as usize;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let range = address(start)?..address(end)?;
        let is_code = fields.next() == Some("r-xp") && fields.nth(2) != Some("0");
        (is_code && range.contains(&here)).then_some(range)
    })
}

fn address(text: &str) -> Option<usize> {
    usize::from_str_radix(text, 16).ok()
}

fn parse_number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_get_some_of_what_there_is() {
        let total = total().expect("Linux tells");
        let calls = call_budget(Memory::Reserved);
        assert!((LEAST_BYTES..total).contains(&calls), "{calls} of {total}");
        assert!(call_budget(Memory::Checked) <= total);
    }

    #[test]
    fn code_that_was_given_back_runs_on() {
        let resident = || {
            let maps = fs::read_to_string("/proc/self/smaps").unwrap();
            let own = maps.split_once(&format!("{:x}-", own_code().unwrap().start));
            let (_, own) = own.expect("it is mapped");
            let rss = own.lines().find(|line| line.starts_with("Rss:")).unwrap();
            parse_number(rss["Rss:".len()..].trim_end_matches("kB")).unwrap()
        };
        let before = resident();
        give_back_code();
        let after = resident();
        assert!(after < before, "{after} kB, and before {before} kB");
    }

    #[test]
    fn a_group_is_read_with_what_can_be_reclaimed() {
        let directory = std::env::temp_dir().join(format!("wxec-group-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let files = ["memory.max", "memory.current", "inactive_file"];
        for (name, text) in [
            ("memory.max", "max\n"),
            ("memory.current", "900\n"),
            ("memory.stat", "anon 1\ninactive_file 200\n"),
        ] {
            fs::write(directory.join(name), text).unwrap();
        }
        assert!(read_group(&directory, files).is_none(), "no limit");
        fs::write(directory.join("memory.max"), "1000\n").unwrap();
        let group = read_group(&directory, files).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((group.limit, group.used), (1000, 700));
    }
}
