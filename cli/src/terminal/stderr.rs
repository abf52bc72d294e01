//! Stderr: everything but results.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::terminal::{
    spinner,
    stream::Stream,
    text::{shown, tagged},
};

static STDERR: Stream = Stream::new();

/// Set if writing to stderr failed for another reason than a closed pipe.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Prints a line on stderr. A closed pipe is ignored.
pub(crate) fn say(line: &str) {
    say_bytes(line.as_bytes());
}

/// Prints a line of any bytes on stderr.
pub(crate) fn say_bytes(line: &[u8]) {
    write_stderr(&[&*shown(line, io::stderr().is_terminal()), b"\n"].concat());
}

/// Prints a line on stderr, after its host's name.
pub(crate) fn say_tagged(host: &str, line: &[u8]) {
    write_stderr(&tagged(host, line, io::stderr().is_terminal()));
}

/// Asks a question on the terminal, and returns the answer.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    write_stderr(question.as_bytes());
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

fn write_stderr(line: &[u8]) {
    // Writes the line in one piece, because other threads and processes write to stderr as well.
    if let Err(error) = spinner::suspend(|| STDERR.write_all(io::stderr(), line))
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        FAILED.store(true, Ordering::Relaxed);
    }
}

/// Returns true if a line was lost for another reason than a closed pipe.
pub(crate) fn has_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}
