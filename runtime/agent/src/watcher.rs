//! Programs end with the agent, however that ends.
//!
//! An agent that is killed ends nothing any more. So with the first program it starts itself once more, as a *watcher*, which
//! reads from a pipe the process groups that begin and that are gone. The end of that pipe is the agent's; then the watcher ends
//! the groups that are left, with all that is in them, and itself. A signal that follows the death of a parent would reach no
//! grandchildren, would be lost behind `sudo`, and takes unsafe code for each program. Where there is no `/proc`, or no room
//! for one more process, there is no watcher.

use std::{
    collections::HashSet,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    process::{ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group, setsid};

use crate::terminal::ITSELF;

/// `argv[0]` of the watcher.
pub const HELPER: &str = "wxec-watcher";

/// Groups that were told to end may take this long.
const END_WITHIN: Duration = Duration::from_millis(500);

static WATCHER: Mutex<State> = Mutex::new(State::Unwanted);

enum State {
    /// This program is no agent, such as a test of one.
    Unwanted,
    /// The first process will start it.
    Wanted,
    Running(ChildStdin),
    /// It could not be started, or is gone.
    Failed,
}

/// Has programs watched from now on. Only the agent's own program can start itself.
pub fn enable() {
    *WATCHER.lock().unwrap_or_else(PoisonError::into_inner) = State::Wanted;
}

/// Tells the watcher that a process group runs, or that it is gone.
pub fn tell(group: Pid, runs: bool) {
    let mut state = WATCHER.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*state, State::Wanted) {
        *state = start().map_or(State::Failed, State::Running);
    }
    if let State::Running(pipe) = &mut *state {
        let sign = if runs { '+' } else { '-' };
        // One short write, which is read at once.
        if pipe.write_all(format!("{sign}{}\n", group.as_raw_nonzero()).as_bytes()).is_err() {
            *state = State::Failed;
        }
    }
}

/// A process group began.
pub(crate) fn begun(group: Pid) {
    tell(group, true);
}

/// The process that a group is named after has ended. What it left running lives on.
pub(crate) fn gone(group: Pid) {
    tell(group, false);
}

fn start() -> Option<ChildStdin> {
    let mut command = Command::new(ITSELF);
    // It holds none of the agent's files, nor a directory.
    command.arg0(HELPER).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().ok()?.stdin.take()
}

/// What the watcher does.
///
/// # Errors
///
/// The pipe cannot be read.
pub fn watch(pipe: impl BufRead) -> io::Result<()> {
    // Whoever kills the agent's group, or hangs up its terminal, does not mean this one.
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
