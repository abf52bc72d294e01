//! What `wxec` prints: results on stdout, everything else on stderr.
//!
//! Everything that is printed on stdout goes through [`print_bytes`], which remembers that it could not be written and ends
//! all that is under way; [`check`] makes an exit code of that.
//!
//! Hosts and guests are not to be trusted with a terminal: there, and only there, control characters are replaced.

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

use crate::{args::Verbosity, command_error::CommandError, exit_code, interrupt, progress, value::to_json};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON document; for several hosts an object of their values
    Json,
    /// One JSON object for each host, as they answer: {"host": …, "value": …} or {"host": …, "error": …}
    Ndjson,
    /// The value in CBOR; for several hosts one map each, as in ndjson
    Cbor,
}

/// How the results of one command look.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// For people: the value as JSON, behind its host if there are several.
    Lines,
    /// The same, but texts and bytes as they are.
    Raw,
    /// The same, as lines that somebody makes of it.
    Text(fn(&Value) -> String),
    /// For programs.
    Format(Format),
}

/// Prints the results of calls as they arrive.
#[derive(Debug)]
pub(crate) struct Results {
    style: Style,
    several: bool,
    /// Entries of the one document that [`Format::Json`] is for several hosts.
    document: Vec<(Value, Value)>,
}

impl Results {
    pub(crate) fn new(style: Style, several: bool) -> Self {
        Self { style, several, document: Vec::new() }
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
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record(host, "value", value))),
            (Style::Format(Format::Cbor), false) => print_cbor(&value),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, "value", value)),
        }
    }

    /// Takes something that was sent on `host`, and prints it at once.
    pub(crate) fn item(&mut self, host: &str, item: Value) {
        match (self.style, self.several) {
            (Style::Format(Format::Json), true) => print_line(&to_json(&record(host, "item", item))),
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record(host, "item", item))),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, "item", item)),
            _ => self.value(host, item),
        }
    }

    /// Takes note that `host` returned none. The error itself goes to stderr in any case.
    pub(crate) fn failure(&mut self, host: &str, error: &CommandError) {
        let record = || record(host, "error", error.to_string().into());
        match (self.style, self.several) {
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record())),
            (Style::Format(Format::Cbor), true) => print_cbor(&record()),
            _ => {}
        }
    }

    /// Prints what had to wait for the last host.
    pub(crate) fn finish(self) {
        if let (Style::Format(Format::Json), true) = (self.style, self.several) {
            print_line(&to_json(&Value::Map(self.document)));
        }
    }
}

fn record(host: &str, key: &str, value: Value) -> Value {
    Value::Map(vec![("host".into(), host.into()), (key.into(), value)])
}

/// Prints a line on stdout, behind its host's name.
pub(crate) fn print_tagged(host: &str, line: &[u8]) {
    print_bytes(&tagged(host, line, io::stdout().is_terminal()));
}

/// Prints a line on stderr, behind its host's name.
pub(crate) fn say_tagged(host: &str, line: &[u8]) {
    write_stderr(&tagged(host, line, io::stderr().is_terminal()));
}

/// On a terminal the name has a color, unless somebody wants none. Elsewhere the line's bytes stay what they are.
fn tagged(host: &str, line: &[u8], terminal: bool) -> Vec<u8> {
    let tag = match (terminal, std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())) {
        (false, _) | (true, false) => format!("[{host}] "),
        (true, true) => format!("\u{1b}[36m[{host}]\u{1b}[0m "),
    };
    [tag.as_bytes(), &shown(line, terminal), b"\n"].concat()
}

/// A line as it is to be printed, without its end.
fn shown(line: &[u8], terminal: bool) -> Cow<'_, [u8]> {
    match terminal {
        true => printable(&String::from_utf8_lossy(line)).into_bytes().into(),
        false => line.into(),
    }
}

/// Prints each line of `text` so.
pub(crate) fn print_lines_tagged(host: &str, text: &[u8]) {
    lines(text).for_each(|line| print_tagged(host, line));
}

/// The lines of `text`, without their ends: an empty one if there is nothing.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n')
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

/// What a program printed, for JSON: a text, or an object that says that it is none.
pub(crate) fn text_or_base64(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => Value::Map(vec![("base64".into(), Value::Bytes(error.into_bytes()))]),
    }
}

/// Why stdout takes no more.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It was closed at its other end, as in `wxec … | head -1`.
    Closed,
    /// It could not be written, for this reason.
    Failed(String),
}

static FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

/// Stderr could not be written, though it was not closed at its other end.
static STDERR_FAILED: AtomicBool = AtomicBool::new(false);

/// Stdout and stderr, and not [`io::stdout`]: that takes writing to a closed file for success.
static FILES: [Mutex<Option<File>>; 2] = [const { Mutex::new(None) }; 2];

/// Whether more output is for nobody.
pub(crate) fn is_over() -> bool {
    failure().is_some()
}

fn failure() -> Option<Failure> {
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Writes to stdout. If that cannot be done, everything under way is given up.
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
        // Whoever started this process may have left it a file that does not wait, as rsync does.
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
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    // On all hosts, also on those that have nothing to print for now.
    interrupt::give_up();
}

/// The exit code of a command that ended with `result`, and says why if it is an error. Output that was lost is one, whatever
/// became of the rest; a pipe that nobody reads any more needs no word.
pub(crate) fn check(result: Result<u8, CommandError>, say_error: impl FnOnce(&CommandError) -> u8) -> u8 {
    if interrupt::happened() {
        // Whatever failed, failed because of that.
        return result.unwrap_or_else(|_| say_error(&interrupt::Interrupted.into()));
    }
    match (failure(), result) {
        (Some(Failure::Closed), _) => exit_code::BROKEN_PIPE,
        (Some(Failure::Failed(reason)), _) => {
            say_error(&CommandError::usage(format!("cannot write to stdout: {reason}")))
        }
        (None, Ok(exit_code::OK)) if STDERR_FAILED.load(Ordering::Relaxed) => exit_code::USAGE,
        (None, Ok(code)) => code,
        (None, Err(error)) => say_error(&error),
    }
}

/// Makes a stdout that was closed when this program started fail as one that is closed. Rust opens `/dev/null` in its place,
/// which would swallow all that is printed.
pub(crate) fn keep_closed() {
    if CLOSED.load(Ordering::Relaxed)
        && let Ok(unwritable) = File::open("/dev/null")
    {
        let _ = rustix::stdio::dup2_stdout(unwritable);
    }
}

/// Stdout was closed when this program started.
static CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    // Sound: it asks the kernel one question and sets a flag; Rust's own start has yet to happen.
    #[ctor(unsafe)]
    fn before_main() {
        CLOSED.store(rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err(), Ordering::Relaxed);
    }
}

/// Prints a line on stderr, if anybody is there.
pub(crate) fn say(line: &str) {
    say_bytes(line.as_bytes());
}

fn say_bytes(line: &[u8]) {
    write_stderr(&[&*shown(line, io::stderr().is_terminal()), b"\n"].concat());
}

fn write_stderr(line: &[u8]) {
    // In one piece: other threads and processes write there as well.
    if let Err(error) = progress::suspend(|| write_all(io::stderr(), &FILES[1], line))
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        STDERR_FAILED.store(true, Ordering::Relaxed);
    }
}

/// Shows on stderr what guests print and log, behind the host's name if there are several.
pub(crate) fn guest_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    Arc::new(move |host, output| {
        let say = |line: &[u8]| if several { say_tagged(host, line) } else { say_bytes(line) };
        match output {
            GuestOutput::Stdout(_) | GuestOutput::Stderr(_) => say(&without_end(output)),
            GuestOutput::Log(record) if record.level <= verbosity.log_level() => {
                record.to_string().lines().for_each(|line| say(line.as_bytes()));
            }
            GuestOutput::Held => say(HELD),
            _ => {}
        }
    })
}

/// Prints what programs print, each of their streams on its own; behind the host's name if there are several.
pub(crate) fn program_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    let others = guest_output(several, verbosity);
    Arc::new(move |host, output| match output {
        GuestOutput::Stdout(_) if several => print_tagged(host, &without_end(output)),
        GuestOutput::Stdout(_) => print_raw_line(&without_end(output)),
        other => others(host, other),
    })
}

/// Said where output may be missing.
const HELD: &[u8] = b"warning: what the program left running holds its output, and the rest of that is missing here; \
    add --wait-output to wait for it";

/// What is put behind the part of a line that is too long to be kept until its end.
const CUT: &[u8] = b" (wxec: the line goes on)";

/// A line, or a marked part of one.
fn without_end(output: GuestOutput<'_>) -> Cow<'_, [u8]> {
    let (GuestOutput::Stdout(line) | GuestOutput::Stderr(line)) = output else { return Cow::default() };
    match output.is_cut() {
        true => [line, CUT].concat().into(),
        false => line.strip_suffix(b"\n").unwrap_or(line).into(),
    }
}

/// Replaces what could make a terminal do things, but for tabs and line ends.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !"\n\t".contains(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_at_the_mercy_of_guests() {
        assert_eq!(printable("a\tb\u{1b}[31m\u{9b}2J\r\u{7}\né"), "a\tb\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}\né");
    }

    #[test]
    fn names_of_hosts_have_a_color_on_terminals_only() {
        assert_eq!(tagged("web1", b"a\x1bb\xff", false), b"[web1] a\x1bb\xff\n");
        let shown = String::from_utf8(tagged("web1", b"a\x1bb\xff", true)).unwrap();
        assert!(shown.ends_with("a\u{fffd}b\u{fffd}\n") && shown.contains("[web1]"), "{shown}");
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
        assert_eq!(to_json(&text_or_base64(b"a\xff".into())), r#"{"base64":"Yf8="}"#);
    }

    #[test]
    fn a_text_is_cut_at_its_line_ends_only() {
        let cut =
            |text: &'static str| lines(text.as_bytes()).map(|line| str::from_utf8(line).unwrap()).collect::<Vec<_>>();
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
