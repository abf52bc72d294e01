//! Stdout: results.
//!
//! All output goes through [`print_bytes`]. If a write fails, it remembers the error and ends
//! everything in progress; `output::exit` turns the error into an exit code.

use std::{
    fs::File,
    io::{self, IsTerminal},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    base::sync::lock,
    terminal::{
        interrupt, spinner,
        stream::Stream,
        text::{lines, shown, tagged},
    },
};

static STDOUT: Stream = Stream::new();

/// Prints a line on stdout, after its host's name.
pub(crate) fn print_tagged(host: &str, line: &[u8]) {
    print_bytes(&tagged(host, line, io::stdout().is_terminal()));
}

/// Prints each line of `text` on stdout, after its host's name.
pub(crate) fn print_lines_tagged(host: &str, text: &[u8]) {
    lines(text).for_each(|line| print_tagged(host, line));
}

/// Prints a line on stdout.
pub(crate) fn print_line(line: &str) {
    print_raw_line(line.as_bytes());
}

/// Prints a line of any bytes on stdout.
pub(crate) fn print_raw_line(line: &[u8]) {
    print_bytes(&[&*shown(line, io::stdout().is_terminal()), b"\n"].concat());
}

/// Reason why stdout takes no more output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its reader closed it, as in `wxec … | head -1`.
    Closed,
    /// Writing failed for this reason.
    Failed(String),
}

static FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

/// Returns true if stdout takes no more output.
pub(crate) fn is_over() -> bool {
    failure().is_some()
}

/// Returns the first failure to write.
pub(crate) fn failure() -> Option<Failure> {
    lock(&FAILURE).clone()
}

/// Writes to stdout. If the write fails, ends everything in progress.
pub(crate) fn print_bytes(bytes: &[u8]) {
    if is_over() {
        return;
    }
    if let Err(error) = spinner::suspend(|| STDOUT.write_all(io::stdout(), bytes)) {
        fail(&error);
    }
}

/// Remembers that writing failed, and ends everything in progress.
pub(crate) fn fail(error: &io::Error) {
    let failure = match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Failed(error.to_string()),
    };
    lock(&FAILURE).get_or_insert(failure);
    // Ends the work on all hosts, also on those that print nothing at the moment.
    interrupt::give_up();
}

/// Makes writes to stdout fail if it was closed when this program started. Rust opens `/dev/null`
/// in its place, which would swallow all output.
pub(crate) fn keep_closed() {
    if CLOSED.load(Ordering::Relaxed)
        && let Ok(unwritable) = File::open("/dev/null")
    {
        let _ = rustix::stdio::dup2_stdout(unwritable);
    }
}

/// Set if stdout was closed when this program started.
static CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    // Sound before Rust's runtime has started: it makes one system call and sets a flag.
    #[ctor(unsafe)]
    fn before_main() {
        CLOSED.store(rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err(), Ordering::Relaxed);
    }
}
