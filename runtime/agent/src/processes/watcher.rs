//! Programs end with the agent, however the agent ends.
//!
//! An agent that is killed cannot end anything itself. So when it starts the first program, it also
//! starts itself once more as a *watcher*. The watcher reads from a pipe which process groups begin
//! and end. The pipe ends with the agent; then the watcher ends the groups that are left, with all
//! their processes, and exits. A parent-death signal is no replacement: it would not reach
//! grandchildren, would be lost behind `sudo`, and needs unsafe code for each program. Without
//! `/proc`, or without room for one more process, there is no watcher.

use std::{
    collections::HashSet,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group, setsid};

use crate::ITSELF;

/// `argv[0]` of the watcher.
pub const HELPER: &str = "wxec-watcher";

/// Groups that were told to end may take this long before they are killed.
const END_WITHIN: Duration = Duration::from_millis(500);

static WATCHER: Mutex<State> = Mutex::new(State::Unwanted);

enum State {
    /// This program is not an agent but, for example, a test of one.
    Unwanted,
    /// The first process group will start the watcher.
    Wanted,
    Running(ChildStdin),
    /// The watcher could not be started, or is gone.
    Failed,
}

/// Has programs watched from now on. Only for the agent's own program, which can start itself as
/// the watcher.
pub fn enable() {
    *state() = State::Wanted;
}

/// Tells the watcher that a process group runs, or that it is gone.
pub fn notify(group: Pid, runs: bool) {
    let mut state = state();
    if matches!(*state, State::Wanted) {
        *state = start().map_or(State::Failed, State::Running);
    }
    if let State::Running(pipe) = &mut *state {
        let sign = if runs { '+' } else { '-' };
        // One short write, which the watcher reads at once.
        if pipe
            .write_all(format!("{sign}{}\n", group.as_raw_nonzero()).as_bytes())
            .is_err()
        {
            *state = State::Failed;
        }
    }
}

fn state() -> MutexGuard<'static, State> {
    WATCHER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells the watcher that a process group began.
pub(super) fn add(group: Pid) {
    notify(group, true);
}

/// Tells the watcher that the leader of a process group has ended. Processes that it left running
/// live on.
pub(super) fn remove(group: Pid) {
    notify(group, false);
}

fn start() -> Option<ChildStdin> {
    let mut command = Command::new(ITSELF);
    // The watcher inherits none of the agent's files, and keeps no directory in use.
    command
        .arg0(HELPER)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().ok()?.stdin.take()
}

/// Runs the watcher.
///
/// # Errors
///
/// The pipe cannot be read.
pub fn watch(pipe: impl BufRead) -> io::Result<()> {
    // A signal to the agent's group, or a hang-up of its terminal, must not reach the watcher.
    let _ = setsid();
    let mut groups = HashSet::new();
    for line in pipe.lines() {
        let line = line?;
        let (sign, group) = line.split_at_checked(1).unwrap_or_default();
        match (sign, group.parse().ok().and_then(Pid::from_raw)) {
            ("+", Some(group)) => drop(groups.insert(group)),
            ("-", Some(group)) => drop(groups.remove(&group)),
            _ => {}
        }
    }
    for signal in [Signal::TERM, Signal::KILL] {
        groups.retain(|group| kill_process_group(*group, signal).is_ok());
        if groups.is_empty() {
            break;
        }
        thread::sleep(END_WITHIN);
    }
    Ok(())
}
