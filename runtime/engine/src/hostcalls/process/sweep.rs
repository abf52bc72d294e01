//! Finds processes that left the group they were started in, as daemons do, by a mark in their
//! environment.
//!
//! Build servers find theirs in the same way. A process that leaves its group *and* clears its
//! environment is not found: only a supervisor between agent and process could keep hold of it, at
//! the price of one more process for each. If the agent itself adopted orphans, it could not tell
//! whose they are, and the controller's programs may leave daemons behind on purpose.

use std::{fs, thread, time::Duration};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Variable that holds the marks, separated by spaces.
pub(super) const MARK: &str = "WXEC_CALL";

/// Number of looks. Killed processes are still listed for a moment, and may have started others. A
/// process that is not gone after so many looks hangs in the kernel, or starts others faster than
/// they are found.
const LOOKS: usize = 20;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Processes to look for.
pub(super) struct Left {
    /// Marks. One that ends in a dot stands for all that begin with it.
    pub(super) marks: Vec<String>,
    /// Groups whose first process has ended.
    pub(super) groups: Vec<Pid>,
}

/// Kills what is left, in several looks, until nothing is.
pub(super) fn kill_left(left: &Left) {
    for _ in 0..LOOKS {
        if !kill_listed(left) {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Kills what is left. Returns true if there was any.
fn kill_listed(left: &Left) -> bool {
    let Ok(listed) = fs::read_dir("/proc") else {
        return false;
    };
    let pids =
        listed.filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| kill_if_wanted(left, *pid)).count() > 0
}

fn kill_if_wanted(left: &Left, pid: Pid) -> bool {
    // Open it first: what is read next is of this process, or the process is gone and the signal
    // reaches none.
    let pidfd = pidfd_open(pid, PidfdFlags::empty());
    if !left.wants(pid) {
        return false;
    }
    match pidfd {
        Ok(pidfd) => pidfd_send_signal(pidfd, Signal::KILL).is_ok(),
        // Kernels before 5.3 have no `pidfd_open`.
        Err(rustix::io::Errno::NOSYS) => kill_process(pid, Signal::KILL).is_ok(),
        Err(_) => false,
    }
}

impl Left {
    fn wants(&self, pid: Pid) -> bool {
        self.is_marked(pid) || self.is_of_a_group(pid)
    }

    fn is_marked(&self, pid: Pid) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())) else {
            return false;
        };
        let mut variables = environment
            .split(|byte| *byte == 0)
            .filter_map(|variable| str::from_utf8(variable).ok());
        let value = variables.find_map(|variable| variable.strip_prefix(MARK)?.strip_prefix('='));
        value.is_some_and(|value| {
            value
                .split(' ')
                .any(|word| self.marks.iter().any(|mark| matches(mark, word)))
        })
    }

    /// Returns true for processes in the groups. A number may be another group's by now, but not in
    /// this agent's session.
    fn is_of_a_group(&self, pid: Pid) -> bool {
        let is_left =
            |(group, session)| self.groups.contains(&group) && Some(session) == own_session();
        !self.groups.is_empty()
            && group_and_session(&pid.as_raw_nonzero().to_string()).is_some_and(is_left)
    }
}

fn own_session() -> Option<i32> {
    Some(group_and_session("self")?.1)
}

/// Returns group and session of a process. A number outside of this container is 0.
fn group_and_session(process: &str) -> Option<(Pid, i32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything. Behind it: state, parent, group, session.
    let mut numbers = stat
        .rsplit_once(')')?
        .1
        .split_whitespace()
        .skip(2)
        .map(str::parse);
    Some((Pid::from_raw(numbers.next()?.ok()?)?, numbers.next()?.ok()?))
}

fn matches(mark: &str, word: &str) -> bool {
    word == mark || (mark.ends_with('.') && word.starts_with(mark))
}
