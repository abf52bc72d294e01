//! Builds under way, and their end: a cargo that is killed leaves its compilers running.

use std::{
    collections::HashSet,
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// All builds of this process.
static BUILDS: Builds = Builds::new();

/// Has each cargo run in a process group of its own from now on, so that [`end_builds`] reaches its compilers, too. For programs
/// that handle Ctrl-C and SIGTERM: that of a terminal does not reach such a group.
pub fn supervise_builds() {
    BUILDS.lock().supervised = true;
}

/// Ends the builds that [`supervise_builds`] made possible to end, with all they started. There will be no more. Those that
/// are told so a second time are killed.
pub fn end_builds() {
    BUILDS.end();
}

struct Builds(Mutex<Running>);

struct Running {
    supervised: bool,
    ended: bool,
    /// None of them was waited for, so that its number is nobody else's.
    groups: Option<HashSet<Pid>>,
}

/// A build that ends itself if nobody waits for it.
pub(crate) struct Build<'a> {
    pub(crate) child: Child,
    builds: &'a Builds,
}

/// Starts a build.
pub(crate) fn start(command: &mut Command) -> io::Result<Build<'static>> {
    BUILDS.start(command)
}

impl Builds {
    const fn new() -> Self {
        Self(Mutex::new(Running { supervised: false, ended: false, groups: None }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, command: &mut Command) -> io::Result<Build<'_>> {
        // Held while it starts, so that none begins unseen.
        let mut running = self.lock();
        if running.ended {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if running.supervised {
            command.process_group(0);
        }
        let child = command.spawn()?;
        if running.supervised {
            running.groups.get_or_insert_default().insert(Pid::from_child(&child));
        }
        Ok(Build { child, builds: self })
    }

    fn end(&self) {
        let mut running = self.lock();
        let signal = if running.ended { Signal::KILL } else { Signal::TERM };
        running.ended = true;
        for group in running.groups.iter().flatten() {
            let _ = kill_process_group(*group, signal);
        }
    }
}

impl Drop for Build<'_> {
    fn drop(&mut self) {
        if let Some(groups) = &mut self.builds.lock().groups {
            groups.remove(&Pid::from_child(&self.child));
        }
        // One that was waited for has ended.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read},
        process::Stdio,
    };

    use super::*;

    #[test]
    fn the_end_of_builds_is_that_of_what_they_started() {
        let builds = Builds::new();
        builds.lock().supervised = true;
        let mut sh = Command::new("sh");
        let mut build = builds.start(sh.args(["-c", "sleep 1000 & echo began; wait"]).stdout(Stdio::piped())).unwrap();
        let mut output = BufReader::new(build.child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();

        builds.end();

        // Its end is that of everybody who holds it.
        assert_eq!(output.read(&mut [0]).unwrap(), 0);
        drop(build);
        assert_eq!(builds.start(&mut sh).err().map(|error| error.kind()), Some(io::ErrorKind::Interrupted));
        assert!(builds.lock().groups.as_ref().unwrap().is_empty());
    }
}
