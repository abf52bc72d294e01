//! What `wxec` prints: results on stdout, everything else on stderr.
//!
//! Hosts and guests are not to be trusted with a terminal: there, and only there, control characters are replaced.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::ValueEnum;
use wxec::{GuestOutput, OutputHandler, Value};

use crate::{args::Verbosity, command_error::CommandError, progress, value::to_json};

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
    pub(crate) fn value(&mut self, host: &str, value: Value) -> io::Result<()> {
        match (self.style, self.several) {
            (Style::Lines | Style::Format(Format::Json), false) => print_line(&to_json(&value)),
            (Style::Lines, true) => print_tagged(host, &to_json(&value)),
            (Style::Raw, false) => print_raw(&value),
            (Style::Raw, true) => print_lines_tagged(host, &raw_text(&value)),
            (Style::Text(show), false) => print_line(&show(&value)),
            (Style::Text(show), true) => print_lines_tagged(host, &show(&value)),
            (Style::Format(Format::Json), true) => {
                self.document.push((host.into(), value));
                Ok(())
            }
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record(host, "value", value))),
            (Style::Format(Format::Cbor), false) => print_cbor(&value),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, "value", value)),
        }
    }

    /// Takes something that was sent on `host`, and prints it at once.
    pub(crate) fn item(&mut self, host: &str, item: Value) -> io::Result<()> {
        match (self.style, self.several) {
            (Style::Format(Format::Json), true) => print_line(&to_json(&record(host, "item", item))),
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record(host, "item", item))),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, "item", item)),
            _ => self.value(host, item),
        }
    }

    /// Takes note that `host` returned none. The error itself goes to stderr in any case.
    pub(crate) fn failure(&mut self, host: &str, error: &CommandError) -> io::Result<()> {
        let record = || record(host, "error", error.to_string().into());
        match (self.style, self.several) {
            (Style::Format(Format::Ndjson), _) => print_line(&to_json(&record())),
            (Style::Format(Format::Cbor), true) => print_cbor(&record()),
            _ => Ok(()),
        }
    }

    /// Prints what had to wait for the last host.
    pub(crate) fn finish(self) -> io::Result<()> {
        match (self.style, self.several) {
            (Style::Format(Format::Json), true) => print_line(&to_json(&Value::Map(self.document))),
            _ => Ok(()),
        }
    }
}

fn record(host: &str, key: &str, value: Value) -> Value {
    Value::Map(vec![("host".into(), host.into()), (key.into(), value)])
}

/// Prints a line on stdout, behind its host's name.
pub(crate) fn print_tagged(host: &str, line: &str) -> io::Result<()> {
    print_bytes(format!("{}\n", tagged(host, line, io::stdout().is_terminal())).as_bytes())
}

/// Prints a line on stderr, behind its host's name.
pub(crate) fn say_tagged(host: &str, line: &str) {
    write_line(&tagged(host, line, io::stderr().is_terminal()));
}

/// On a terminal the name has a color, unless somebody wants none.
fn tagged(host: &str, line: &str, terminal: bool) -> String {
    match (terminal, std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())) {
        (false, _) => format!("[{host}] {line}"),
        (true, false) => format!("[{host}] {}", printable(line)),
        (true, true) => format!("\u{1b}[36m[{host}]\u{1b}[0m {}", printable(line)),
    }
}

/// Prints each line of `text` so.
fn print_lines_tagged(host: &str, text: &str) -> io::Result<()> {
    text.trim_end_matches('\n').split('\n').try_for_each(|line| print_tagged(host, line))
}

/// Prints a line on stdout.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    let line = if io::stdout().is_terminal() { printable(line) } else { line.to_owned() };
    print_bytes(format!("{line}\n").as_bytes())
}

fn print_raw(value: &Value) -> io::Result<()> {
    match value {
        Value::Bytes(bytes) if !io::stdout().is_terminal() => print_bytes(bytes),
        value => print_line(&raw_text(value)),
    }
}

fn raw_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        value => to_json(value),
    }
}

fn print_cbor(value: &Value) -> io::Result<()> {
    print_bytes(&wxec::cbor::encode(value).map_err(io::Error::other)?)
}

/// Stdout was closed at its other end.
static NOBODY_READS: AtomicBool = AtomicBool::new(false);

/// Whether more output is for nobody.
pub(crate) fn nobody_reads() -> bool {
    NOBODY_READS.load(Ordering::Relaxed)
}

/// Writes to stdout. That nobody reads it any more, as in `wxec … | head -1`, is no error.
fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let written = progress::suspend(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    });
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            NOBODY_READS.store(true, Ordering::Relaxed);
            Ok(())
        }
        written => written,
    }
}

/// Prints a line on stderr, if anybody is there.
pub(crate) fn say(line: &str) {
    write_line(&if io::stderr().is_terminal() { printable(line) } else { line.to_owned() });
}

fn write_line(line: &str) {
    progress::suspend(|| {
        // In one piece: other threads and processes write there as well.
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    });
}

/// Shows on stderr what guests print and log, behind the host's name if there are several.
pub(crate) fn guest_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    Arc::new(move |host, output| {
        let say = |line: &str| if several { say_tagged(host, line) } else { say(line) };
        match output {
            GuestOutput::Stdout(line) | GuestOutput::Stderr(line) => say(&without_end(line)),
            GuestOutput::Log(record) if record.level <= verbosity.log_level() => {
                record.to_string().lines().for_each(say);
            }
            _ => {}
        }
    })
}

/// Prints what programs print, each of their streams on its own; behind the host's name if there are several.
pub(crate) fn program_output(several: bool, verbosity: Verbosity) -> OutputHandler {
    let others = guest_output(several, verbosity);
    Arc::new(move |host, output| match output {
        GuestOutput::Stdout(line) => {
            let line = without_end(line);
            // Who reads no more, as in `wxec run … | head -1`, misses nothing.
            let _ = if several { print_tagged(host, &line) } else { print_line(&line) };
        }
        other => others(host, other),
    })
}

fn without_end(line: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line))
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
        assert_eq!(tagged("web1", "a\u{1b}b", false), "[web1] a\u{1b}b");
        let shown = tagged("web1", "a\u{1b}b", true);
        assert!(shown.ends_with("a\u{fffd}b") && shown.contains("[web1]"), "{shown}");
    }

    #[test]
    fn raw_is_for_texts_and_bytes() {
        assert_eq!(raw_text(&"a\nb".into()), "a\nb");
        assert_eq!(raw_text(&Value::Bytes(b"a\xff".into())), "a\u{fffd}");
        assert_eq!(raw_text(&Value::Array(vec!["a".into()])), r#"["a"]"#);
    }
}
