//! Reports of long builds while they run.

use std::{fmt, time::Duration};

/// Something wxec builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work<'a> {
    /// The module of a package.
    Module(&'a str),
    /// The agent, for a triple such as `x86_64-unknown-linux-musl`.
    Agent(&'a str),
    /// The program that starts agents on hosts of a triple.
    Starter(&'a str),
    /// The compiler, for this machine and hosts of its architecture.
    Compiler,
    /// The compiler for hosts of every architecture.
    ForeignCompiler,
}

impl fmt::Display for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(package) => write!(f, "the module of {package}"),
            Self::Agent(triple) => write!(f, "the agent for {triple}"),
            Self::Starter(triple) => write!(f, "the agent's starter for {triple}"),
            Self::Compiler => f.write_str("the compiler"),
            Self::ForeignCompiler => f.write_str("the compiler for other architectures"),
        }
    }
}

/// A step of a build. A build that finds everything done reports nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressEvent<'a> {
    /// Cargo has work to do. Reported at most once per build.
    Started {
        /// The thing being built.
        work: Work<'a>,
    },
    /// Another crate is compiled.
    Compiled {
        /// The thing being built.
        work: Work<'a>,
        /// The crate just compiled.
        crate_name: &'a str,
        /// Number of crates compiled so far, this one included.
        count: usize,
    },
    /// Another process is building; this one waits for it.
    Waiting {
        /// The thing to be built.
        work: Work<'a>,
    },
    /// A build that was started succeeded. A build that fails returns its error instead.
    Finished {
        /// The thing that was built.
        work: Work<'a>,
        /// Number of crates that were compiled.
        compiled: usize,
        /// Time it took, waiting included.
        elapsed: Duration,
    },
}

/// Crates of a program of wxec's own between two lines about them, of 100 to 250 crates in all: a
/// line appears at least every minute or so, and a log stays short.
const CRATES_PER_LINE: usize = 50;

impl ProgressEvent<'_> {
    /// Returns a line for people, or `None` for what happens too often to be told.
    pub fn line(&self) -> Option<String> {
        Some(match self {
            Self::Started {
                work: work @ (Work::Module(_) | Work::Starter(_)),
            } => format!("building {work}"),
            Self::Started { work } => {
                format!("building {work} (once per machine; takes some minutes)")
            }
            Self::Waiting { work } => {
                format!("waiting for another cargo before building {work}")
            }
            Self::Finished { work, elapsed, .. } => {
                format!("built {work} in {:.1} s", elapsed.as_secs_f64())
            }
            Self::Compiled {
                work: Work::Module(_),
                ..
            } => return None,
            Self::Compiled { work, count, .. } if count % CRATES_PER_LINE == 0 => {
                format!("building {work}: {count} crates so far")
            }
            Self::Compiled { .. } => return None,
        })
    }
}

/// Receives reports of long builds.
pub trait Progress {
    /// Takes note of `event`. Called on the thread that asked for the build.
    fn report(&self, event: ProgressEvent<'_>);
}

/// Prints plain lines on standard error about what is built, and nothing if nothing is.
#[derive(Debug, Clone, Copy, Default)]
pub struct StderrProgress;

impl Progress for StderrProgress {
    fn report(&self, event: ProgressEvent<'_>) {
        if let Some(line) = event.line() {
            eprintln!("wxec: {line}");
        }
    }
}

/// Prints nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: ProgressEvent<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_like_sentences() {
        let work = Work::Agent("x86_64-unknown-linux-musl");
        let started = ProgressEvent::Started { work }.line();
        let words = Work::Module("words");
        let finished = ProgressEvent::Finished {
            work: words,
            compiled: 3,
            elapsed: Duration::from_millis(1520),
        };

        assert_eq!(
            started.as_deref(),
            Some(
                "building the agent for x86_64-unknown-linux-musl (once per machine; takes some minutes)"
            )
        );
        assert_eq!(
            ProgressEvent::Started { work: words }.line().as_deref(),
            Some("building the module of words")
        );
        assert_eq!(
            finished.line().as_deref(),
            Some("built the module of words in 1.5 s")
        );
        let compiled = |work, count| {
            let crate_name = "bytes";
            ProgressEvent::Compiled {
                work,
                crate_name,
                count,
            }
            .line()
        };
        assert_eq!(compiled(work, 1), None);
        assert_eq!(
            compiled(Work::Compiler, 100).as_deref(),
            Some("building the compiler: 100 crates so far")
        );
        assert_eq!(compiled(words, 100), None);
    }
}
