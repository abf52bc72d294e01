//! Running builds, and how to end them: a killed cargo leaves its compilers running.
//!
//! Each build of a supervised program has a *watcher*, a shell that waits beside it. The watcher
//! reads from a pipe whose other end this process holds, so it learns of the end of this process,
//! even by SIGKILL, and then ends the build. A signal on the death of a parent would reach cargo
//! alone, not its compilers, and takes unsafe code.

use std::{
    collections::HashSet,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// All builds of this process.
static BUILDS: Builds = Builds::new();

/// Runs each cargo in a process group of its own from now on, so that [`end_builds`] also reaches
/// its compilers, and ends builds when this process is killed. For programs that handle Ctrl-C and
/// SIGTERM: the Ctrl-C of a terminal does not reach such a group.
pub fn supervise_builds() {
    BUILDS.lock().supervised = true;
}

/// Ends the builds that [`supervise_builds`] put into groups of their own, with everything they
/// started, and refuses new builds. A second call kills those that are left.
pub fn end_builds() {
    BUILDS.end();
}

struct Builds(Mutex<Running>);

struct Running {
    supervised: bool,
    ended: bool,
    /// Groups of builds that have not been waited for, so that no other process can have their
    /// numbers.
    groups: Option<HashSet<Pid>>,
}

/// A running build. Its watcher ends it when this process is gone; dropping it waits for its end.
pub(crate) struct Build<'a> {
    pub(crate) child: Child,
    watcher: Option<Watcher>,
    builds: &'a Builds,
}

/// The shell that ends a build's group when this process is gone.
struct Watcher(Child);

/// Script of the watcher; `$0` is the group. The second signal is for processes that do not end by
/// the first. The shell ignores signals to itself: if they end wxec, its pipe ends as well.
const WATCH: &str = "trap '' HUP INT QUIT TERM; read -r word && exit; \
    kill -s TERM -- \"-$0\" && sleep 1 && kill -s KILL -- \"-$0\"";

/// Starts a build.
pub(crate) fn start(command: &mut Command) -> io::Result<Build<'static>> {
    BUILDS.start(command)
}

impl Builds {
    const fn new() -> Self {
        Self(Mutex::new(Running {
            supervised: false,
            ended: false,
            groups: None,
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, command: &mut Command) -> io::Result<Build<'_>> {
        // Holds the lock while the build starts, so that `end` sees every build.
        let mut running = self.lock();
        if running.ended {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if running.supervised {
            command.process_group(0);
        }
        let child = command.spawn()?;
        let mut watcher = None;
        if running.supervised {
            running
                .groups
                .get_or_insert_default()
                .insert(Pid::from_child(&child));
            // If the watcher does not start, the build goes on without one.
            watcher = Watcher::start(&child).ok();
        }
        Ok(Build {
            child,
            watcher,
            builds: self,
        })
    }

    fn end(&self) {
        let mut running = self.lock();
        let signal = if running.ended {
            Signal::KILL
        } else {
            Signal::TERM
        };
        running.ended = true;
        for group in running.groups.iter().flatten() {
            let _ = kill_process_group(*group, signal);
        }
    }
}

impl Watcher {
    fn start(build: &Child) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", WATCH, &build.id().to_string()])
            .process_group(0);
        // The shell must not hold this process's pipes or directory.
        shell
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        shell.spawn().map(Self)
    }
}

/// Stops the watcher: the build is over, and its number may soon be another group's.
impl Drop for Watcher {
    fn drop(&mut self) {
        let Self(shell) = self;
        let told = shell
            .stdin
            .take()
            .is_some_and(|mut pipe| pipe.write_all(b"over\n").is_ok());
        if !told {
            let _ = shell.kill();
        }
        let _ = shell.wait();
    }
}

impl Drop for Build<'_> {
    fn drop(&mut self) {
        if let Some(groups) = &mut self.builds.lock().groups {
            groups.remove(&Pid::from_child(&self.child));
        }
        // Returns at once if the build has been waited for.
        let _ = self.child.wait();
        drop(self.watcher.take());
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
        let mut build = builds
            .start(
                sh.args(["-c", "sleep 1000 & echo began; wait"])
                    .stdout(Stdio::piped()),
            )
            .unwrap();
        let mut output = BufReader::new(build.child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();

        builds.end();

        // The pipe ends when every process that holds it has ended.
        assert_eq!(output.read(&mut [0]).unwrap(), 0);
        drop(build);
        assert_eq!(
            builds.start(&mut sh).err().map(|error| error.kind()),
            Some(io::ErrorKind::Interrupted)
        );
        assert!(builds.lock().groups.as_ref().unwrap().is_empty());
    }

    #[test]
    fn builds_end_with_the_process_that_started_them() {
        let builds = Builds::new();
        builds.lock().supervised = true;
        let mut sh = Command::new("sh");
        // `sleep` ignores the first signal, too.
        let script = "trap '' TERM; sleep 1000 & echo began; wait";
        let mut build = builds
            .start(sh.args(["-c", script]).stdout(Stdio::piped()))
            .unwrap();
        let mut output = BufReader::new(build.child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();

        // The watcher cannot tell the end of the pipe from the end of this process.
        drop(build.watcher.as_mut().unwrap().0.stdin.take());

        assert_eq!(output.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_build_that_is_over_leaves_neither_watcher_nor_signal() {
        let builds = Builds::new();
        builds.lock().supervised = true;
        let mut sh = Command::new("sh");
        // The group goes on after `sh`, like a compiler's server that a build has started.
        sh.args(["-c", "exec 3<&0; cat <&3 & exit"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut build = builds.start(&mut sh).unwrap();
        let (stdin, stdout) = (
            build.child.stdin.take().unwrap(),
            build.child.stdout.take().unwrap(),
        );
        let watcher = Pid::from_child(&build.watcher.as_ref().unwrap().0);
        drop(build);

        assert!(
            rustix::process::test_kill_process(watcher).is_err(),
            "the watcher was waited for"
        );
        let mut stdin = stdin;
        stdin.write_all(b"still here\n").unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "still here\n");
    }
}
