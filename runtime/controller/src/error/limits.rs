//! Hosts that allow too few processes or open files, recognised by the messages of shells,
//! container engines and our agent.

use super::{Phase, Unreachable};
use crate::base::text::printable;

/// A resource of which a host allows too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Processes,
    OpenFiles,
}

/// bash tries to fork five times in half a minute. At its third try, three seconds have passed: the
/// shortage is then taken for lasting.
const PATIENCE: usize = 3;

/// Message of bash before it tries again.
const TRIES_AGAIN: &str = "fork: retry";

impl Limit {
    /// Returns the limit that a line reports.
    fn told_by(line: &str) -> Option<Self> {
        let line = line.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| line.contains(words));
        // Processes cannot start for want of memory either; that is another failure.
        if says(&["cannot allocate memory", "not enough space"]) {
            return None;
        }
        // `Error 24` is printed by the dynamic linker, `Pipe call failed` by dash.
        if says(&[
            "too many open files",
            "(os error 24)",
            "pipe call failed",
            "object file: error 24",
        ]) {
            return Some(Self::OpenFiles);
        }
        let forks = [
            "cannot fork",
            "can't fork",
            "unable to fork",
            "fork failed",
            "newosproc",
            "pthread_create failed",
        ];
        // The same words are used for files and sockets that are not ready.
        let again = says(&[
            "resource temporarily unavailable",
            "(os error 11)",
            "errno=11",
        ]) && says(&["fork", "thread", "clone", "process", "cannot run"]);
        (again || says(&forks)).then_some(Self::Processes)
    }

    /// Returns the first line of `words` that reports a limit, with that limit.
    pub(crate) fn find(words: &str) -> Option<(Self, &str)> {
        words
            .lines()
            .find_map(|line| Some((Self::told_by(line)?, line.trim())))
    }

    /// Returns the limit that made the agent fail, if one did. In the agent, error 11 has no other
    /// cause.
    pub(crate) fn of_agent(failure: &str) -> Option<Self> {
        Self::told_by(failure)
            .or_else(|| failure.contains("(os error 11)").then_some(Self::Processes))
    }

    /// Returns true if a shell has tried to fork again and again.
    pub(crate) fn keeps_trying(words: &str) -> bool {
        words.matches(TRIES_AGAIN).count() >= PATIENCE
    }

    /// Returns the reason for an error.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Processes => "the host allows too few processes",
            Self::OpenFiles => "the host allows too few open files",
        }
    }

    /// Returns the hint for an error.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Processes => {
                "allow more there, some 30 beside those that run: `ulimit -u` (`nproc` in /etc/security/limits.conf), \
                 `TasksMax=` of a service, `--pids-limit` of a container"
            }
            Self::OpenFiles => {
                "allow more there, 64 at least: `ulimit -n` (`nofile` in /etc/security/limits.conf), `LimitNOFILE=` of a \
                 service, `--ulimit nofile=` of a container"
            }
        }
    }

    /// Returns the failure to reach the host, with the line that reported it.
    pub(crate) fn failure(self, said: &str) -> Unreachable {
        Unreachable::new(Phase::Exec, self.reason())
            .hint(self.hint())
            .stderr(printable(said))
    }
}

/// Returns the failure for a limit if a message in `failure` reports one, or else `failure` itself.
pub(crate) fn limited(failure: Unreachable) -> Unreachable {
    let words = [&failure.stderr_tail, &failure.reason];
    let told = words
        .into_iter()
        .find_map(|words| Limit::find(words))
        .map(|(limit, line)| limit.failure(line));
    match told {
        Some(mut told) => {
            told.hop = failure.hop;
            told
        }
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_known_by_what_is_said_of_them() {
        for (said, expected) in [
            ("25ead19d: 1: Cannot fork", Some(Limit::Processes)),
            (
                "sh: can't fork: Resource temporarily unavailable",
                Some(Limit::Processes),
            ),
            (
                "sh: fork: retry: Resource temporarily unavailable",
                Some(Limit::Processes),
            ),
            (
                "fish: An error occurred while redirecting: fork failed",
                Some(Limit::Processes),
            ),
            (
                "OS can't spawn worker thread: Resource temporarily unavailable (os error 11)",
                Some(Limit::Processes),
            ),
            (
                "wxec-agent: cannot start a thread: Resource temporarily unavailable",
                Some(Limit::Processes),
            ),
            (
                "runtime/cgo: pthread_create failed: Resource temporarily unavailable",
                Some(Limit::Processes),
            ),
            (
                "runtime: failed to create new OS thread (have 2 already; errno=11)",
                Some(Limit::Processes),
            ),
            (
                "sh: error while loading shared libraries: libc.so.6: cannot open shared object file: Error 24",
                Some(Limit::OpenFiles),
            ),
            (
                "0123456789abcdef: 1: Pipe call failed",
                Some(Limit::OpenFiles),
            ),
            (
                "wxec-agent: Too many open files (os error 24)",
                Some(Limit::OpenFiles),
            ),
            ("sh: can't fork: Cannot allocate memory", None),
            (
                "ssh: connect to host a: Resource temporarily unavailable",
                None,
            ),
            ("forks and knives", None),
            ("", None),
        ] {
            assert_eq!(
                Limit::find(&format!("welcome\n{said}\nbye")).map(|(limit, _)| limit),
                expected,
                "{said}"
            );
        }
    }

    #[test]
    fn the_line_that_tells_of_a_limit_is_what_is_shown() {
        let panic = "thread 'main' panicked at a.rs:1:2:\nOS can't spawn worker thread: Resource temporarily unavailable \
                     (os error 11)\nnote: run with `RUST_BACKTRACE=1`";
        let failure = limited(
            Unreachable::new(Phase::Exec, "the agent ended")
                .hint("no")
                .stderr(panic.into())
                .at("h1"),
        );
        assert_eq!(
            failure.to_string(),
            "unreachable at h1 (starting the agent): the host allows too few processes (its last line: OS can't spawn \
             worker thread: Resource temporarily unavailable (os error 11))"
        );
        assert_eq!(failure.hint.as_deref(), Some(Limit::Processes.hint()));
        let other = Unreachable::new(Phase::Shell, "no")
            .hint("x")
            .stderr("y".into());
        assert_eq!(limited(other.clone()), other);
    }

    #[test]
    fn a_shell_may_try_again_for_a_while() {
        let line = "sh: fork: retry: Resource temporarily unavailable\n";
        assert!(!Limit::keeps_trying(&line.repeat(2)));
        assert!(Limit::keeps_trying(&line.repeat(3)));
    }
}
