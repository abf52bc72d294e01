//! Output of `wxec`: results on stdout, everything else on stderr.
//!
//! All output on stdout goes through [`print_bytes`]. If a write fails, it remembers the error and
//! ends everything in progress; [`check`] turns the error into an exit code.
//!
//! Hosts and guests are not trusted with a terminal: there, and only there, control characters are
//! replaced.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::ValueEnum;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use wxec::{GuestOutput, OutputHandler, Value};

use crate::{
    args::Verbosity, command_error::CommandError, exit_code, interrupt, progress, value::to_json,
};

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON document; for several hosts an object from host to value
    Json,
    /// One JSON object for each host, as they answer: {"host": …, "value": …} or {"host": …,
    /// "error": …}
    Ndjson,
    /// The value in CBOR; for several hosts one map each, as in ndjson
    Cbor,
}

/// The look of one command's results.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// For people: the value as JSON, after its host's name if there are several hosts.
    Lines,
    /// Like `Lines`, but with texts and bytes as they are.
    Raw,
    /// Like `Lines`, but in the text that this function makes of the value.
    Text(fn(&Value) -> String),
    /// For programs.
    Format(Format),
}

/// Prints the results of calls as they arrive.
#[derive(Debug)]
pub(crate) struct Results {
    style: Style,
    several: bool,
    /// Entries of the one document that [`Format::Json`] prints for several hosts.
    document: Vec<(Value, Value)>,
}

impl Results {
    pub(crate) fn new(style: Style, several: bool) -> Self {
        Self {
            style,
            several,
            document: Vec::new(),
        }
    }

    /// Takes the value that `host` returned.
    pub(crate) fn value(&mut self, host: &str, value: Value) {
        match (self.style, self.several) {
            (Style::Lines | Style::Format(Format::Json), false) => print_line(&to_json(&value)),
            (Style::Lines, true) => print_tagged(host, to_json(&value).as_bytes()),
            (Style::Raw, false) => print_raw(&value),
            (Style::Raw, true) => print_lines_tagged(host, &raw_bytes(&value)),
            (Style::Text(show), false) => print_line(&show(&value)),
            (Style::Text(show), true) => print_lines_tagged(host, show(&value).as_bytes()),
            (Style::Format(Format::Json), true) => self.document.push((host.into(), value)),
            (Style::Format(Format::Ndjson), _) => {
                print_line(&to_json(&record(host, "value", value)))
            }
            (Style::Format(Format::Cbor), false) => print_cbor(&value),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, "value", value)),
        }
    }

    /// Prints an item that the function on `host` sent, at once.
    pub(crate) fn item(&mut self, host: &str, item: Value) {
        match (self.style, self.several) {
            (Style::Format(Format::Json), true) => {
                print_line(&to_json(&record(host, "item", item)))
            }
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record(host, "item", item))),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, "item", item)),
            _ => self.value(host, item),
        }
    }

    /// Records that `host` returned no value. The caller prints the error itself on stderr.
    pub(crate) fn failure(&mut self, host: &str, error: &CommandError) {
        let record = || record(host, "error", error.to_string().into());
        match (self.style, self.several) {
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record())),
            (Style::Format(Format::Cbor), true) => print_cbor(&record()),
            _ => {}
        }
    }

    /// Prints the document that had to wait for the last host.
    pub(crate) fn finish(self) {
        if let (Style::Format(Format::Json), true) = (self.style, self.several) {
            print_line(&to_json(&Value::Map(self.document)));
        }
    }
}

fn record(host: &str, key: &str, value: Value) -> Value {
    Value::Map(vec![("host".into(), host.into()), (key.into(), value)])
}

/// Prints a line on stdout, after its host's name.
pub(crate) fn print_tagged(host: &str, line: &[u8]) {
    print_bytes(&tagged(host, line, io::stdout().is_terminal()));
}

/// Prints a line on stderr, after its host's name.
pub(crate) fn say_tagged(host: &str, line: &[u8]) {
    write_stderr(&tagged(host, line, io::stderr().is_terminal()));
}

/// Puts the host's name before a line. On a terminal the name has a color, unless `NO_COLOR` is
/// set. Elsewhere the line's bytes stay unchanged.
fn tagged(host: &str, line: &[u8], terminal: bool) -> Vec<u8> {
    let tag = match (
        terminal,
        std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    ) {
        (false, _) | (true, false) => format!("[{host}] "),
        (true, true) => format!("\u{1b}[36m[{host}]\u{1b}[0m "),
    };
    [tag.as_bytes(), &shown(line, terminal), b"\n"].concat()
}

/// Returns a line as it is to be printed: on a terminal, with control characters replaced.
fn shown(line: &[u8], terminal: bool) -> Cow<'_, [u8]> {
    match terminal {
        true => printable(&String::from_utf8_lossy(line))
            .into_bytes()
            .into(),
        false => line.into(),
    }
}

/// Prints each line of `text` on stdout, after its host's name.
pub(crate) fn print_lines_tagged(host: &str, text: &[u8]) {
    lines(text).for_each(|line| print_tagged(host, line));
}

/// Returns the lines of `text` without their line ends; a single empty line if `text` is empty.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b"\n")
        .unwrap_or(text)
        .split(|byte| *byte == b'\n')
}

/// Prints a line on stdout.
pub(crate) fn print_line(line: &str) {
    print_raw_line(line.as_bytes());
}

fn print_raw_line(line: &[u8]) {
    print_bytes(&[&*shown(line, io::stdout().is_terminal()), b"\n"].concat());
}

fn print_raw(value: &Value) {
    match value {
        Value::Bytes(bytes) if !io::stdout().is_terminal() => print_bytes(bytes),
        value => print_raw_line(&raw_bytes(value)),
    }
}

fn raw_bytes(value: &Value) -> Cow<'_, [u8]> {
    match value {
        Value::Text(text) => text.as_bytes().into(),
        Value::Bytes(bytes) => bytes.into(),
        value => to_json(value).into_bytes().into(),
    }
}

fn print_cbor(value: &Value) {
    match wxec::cbor::encode(value) {
        Ok(bytes) => print_bytes(&bytes),
        Err(error) => fail(&io::Error::other(error)),
    }
}

/// Converts a program's output for JSON: to a text or, if it is not UTF-8, to `{"base64": …}`.
pub(crate) fn text_or_base64(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => Value::Map(vec![("base64".into(), Value::Bytes(error.into_bytes()))]),
    }
}

/// Reason why stdout takes no more output.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// Its reader closed it, as in `wxec … | head -1`.
    Closed,
    /// Writing failed for this reason.
    Failed(String),
}

static FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

/// Set if writing to stderr failed for another reason than a closed pipe.
static STDERR_FAILED: AtomicBool = AtomicBool::new(false);

/// Stdout and stderr, instead of [`io::stdout`], which reports success for writes to a closed file
/// descriptor.
static FILES: [Mutex<Option<File>>; 2] = [const { Mutex::new(None) }; 2];

/// Returns true if stdout takes no more output.
pub(crate) fn is_over() -> bool {
    failure().is_some()
}

fn failure() -> Option<Failure> {
    FAILURE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Writes to stdout. If the write fails, ends everything in progress.
pub(crate) fn print_bytes(bytes: &[u8]) {
    if is_over() {
        return;
    }
    if let Err(error) = progress::suspend(|| write_all(io::stdout(), &FILES[0], bytes)) {
        fail(&error);
    }
}

fn write_all(stream: impl AsFd, file: &Mutex<Option<File>>, bytes: &[u8]) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    if file.is_none() {
        // The parent process may have left the stream non-blocking, as rsync does.
        let flags = fcntl_getfl(&stream)?;
        if flags.contains(OFlags::NONBLOCK) {
            fcntl_setfl(&stream, flags - OFlags::NONBLOCK)?;
        }
        *file = Some(stream.as_fd().try_clone_to_owned()?.into());
    }
    file.as_mut().expect("it was just opened").write_all(bytes)
}

fn fail(error: &io::Error) {
    let failure = match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Failed(error.to_string()),
    };
    FAILURE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(failure);
    // Ends the work on all hosts, also on those that print nothing at the moment.
    interrupt::give_up();
}

/// Returns the exit code of a command that ended with `result`, and reports its error by
/// `say_error`. Lost output is an error even if the command succeeded; a pipe closed by its reader
/// is not reported.
pub(crate) fn check(
    result: Result<u8, CommandError>,
    say_error: impl FnOnce(&CommandError) -> u8,
) -> u8 {
    if interrupt::happened() {
        // After an interrupt, every failure is a consequence of it.
        return result.unwrap_or_else(|_| say_error(&interrupt::Interrupted.into()));
    }
    match (failure(), result) {
        (Some(Failure::Closed), _) => exit_code::BROKEN_PIPE,
        (Some(Failure::Failed(reason)), _) => say_error(&CommandError::usage(format!(
            "cannot write to stdout: {reason}"
        ))),
        (None, Ok(exit_code::OK)) if STDERR_FAILED.load(Ordering::Relaxed) => exit_code::USAGE,
        (None, Ok(code)) => code,
        (None, Err(error)) => say_error(&error),
    }
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

/// Prints a line on stderr. A closed pipe is ignored.
pub(crate) fn say(line: &str) {
    say_bytes(line.as_bytes());
}

fn say_bytes(line: &[u8]) {
    write_stderr(&[&*shown(line, io::stderr().is_terminal()), b"\n"].concat());
}

fn write_stderr(line: &[u8]) {
    // Writes the line in one piece, because other threads and processes write to stderr as well.
    if let Err(error) = progress::suspend(|| write_all(io::stderr(), &FILES[1], line))
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        STDERR_FAILED.store(true, Ordering::Relaxed);
    }
}

/// Returns a handler that shows guests' output and logs on stderr, after the host's name if there
/// are several hosts.
pub(crate) fn guest_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    Arc::new(move |host, output| {
        let say = |line: &[u8]| {
            if several {
                say_tagged(host, line)
            } else {
                say_bytes(line)
            }
        };
        match output {
            GuestOutput::Stdout(_) | GuestOutput::Stderr(_) => say(&without_end(output)),
            GuestOutput::Log(record) if record.level <= verbosity.log_level() => {
                record
                    .to_string()
                    .lines()
                    .for_each(|line| say(line.as_bytes()));
            }
            GuestOutput::Held => say(HELD),
            _ => {}
        }
    })
}

/// Returns a handler that prints programs' stdout on stdout and everything else on stderr, after
/// the host's name if there are several hosts.
pub(crate) fn program_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    let others = guest_output(several, verbosity);
    Arc::new(move |host, output| match output {
        GuestOutput::Stdout(_) if several => print_tagged(host, &without_end(output)),
        GuestOutput::Stdout(_) => print_raw_line(&without_end(output)),
        other => others(host, other),
    })
}

/// Warning that output may be missing.
const HELD: &[u8] = b"warning: what the program left running holds its output, and the rest of that is missing here; \
    add --wait-output to wait for it";

/// Mark behind a part of a line that is too long to be kept until its end.
const CUT: &[u8] = b" (wxec: the line goes on)";

/// Returns a line without its end, or a part of a line with the mark.
fn without_end(output: GuestOutput<'_>) -> Cow<'_, [u8]> {
    let (GuestOutput::Stdout(line) | GuestOutput::Stderr(line)) = output else {
        return Cow::default();
    };
    match output.is_cut() {
        true => [line, CUT].concat().into(),
        false => line.strip_suffix(b"\n").unwrap_or(line).into(),
    }
}

/// Replaces control characters, which a terminal could obey, except tabs and line ends.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && !"\n\t".contains(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_at_the_mercy_of_guests() {
        assert_eq!(
            printable("a\tb\u{1b}[31m\u{9b}2J\r\u{7}\né"),
            "a\tb\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}\né"
        );
    }

    #[test]
    fn names_of_hosts_have_a_color_on_terminals_only() {
        assert_eq!(tagged("web1", b"a\x1bb\xff", false), b"[web1] a\x1bb\xff\n");
        let shown = String::from_utf8(tagged("web1", b"a\x1bb\xff", true)).unwrap();
        assert!(
            shown.ends_with("a\u{fffd}b\u{fffd}\n") && shown.contains("[web1]"),
            "{shown}"
        );
    }

    #[test]
    fn raw_is_for_texts_and_bytes() {
        assert_eq!(*raw_bytes(&"a\nb".into()), *b"a\nb");
        assert_eq!(*raw_bytes(&Value::Bytes(b"a\xff".into())), *b"a\xff");
        assert_eq!(*raw_bytes(&Value::Array(vec!["a".into()])), *br#"["a"]"#);
    }

    #[test]
    fn what_is_no_text_is_marked_in_json() {
        assert_eq!(to_json(&text_or_base64("é\n".into())), r#""é\n""#);
        assert_eq!(
            to_json(&text_or_base64(b"a\xff".into())),
            r#"{"base64":"Yf8="}"#
        );
    }

    #[test]
    fn a_text_is_cut_at_its_line_ends_only() {
        let cut = |text: &'static str| {
            lines(text.as_bytes())
                .map(|line| str::from_utf8(line).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(cut("a\r\nb\n\n"), ["a\r", "b", ""]);
        assert_eq!((cut(""), cut("a")), (vec![""], vec!["a"]));
    }

    #[test]
    fn a_part_of_a_line_is_marked() {
        let long = vec![b'x'; wxec::MAX_LINE_BYTES];
        assert!(without_end(GuestOutput::Stdout(&long)).ends_with(CUT));
        assert_eq!(*without_end(GuestOutput::Stdout(b"a\n")), *b"a");
        assert_eq!(*without_end(GuestOutput::Stderr(b"a")), *b"a");
    }
}
