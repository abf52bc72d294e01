//! Results of calls, in the format that was asked for.

use std::{
    borrow::Cow,
    io::{self, IsTerminal},
};

use clap::ValueEnum;
use wxec::{Host, call::Value};

use crate::{
    output::{command_error::CommandError, fold::Folded},
    terminal::stdout::{fail, print_bytes, print_line, print_lines_tagged, print_raw_line},
    value::json::to_json,
};

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON document; for several hosts an object from host to value
    Json,
    /// One JSON object in a line: {"host": …, "value": …} or {"host": …, "error": …}; for work on
    /// several hosts the events of the run, as they happen (see docs/history.md)
    Ndjson,
    /// The value in CBOR; for several hosts one map each: {"host": …, "value": …} or {"host": …,
    /// "error": …}
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
    /// Texts of hosts, if equal ones are to be printed together.
    folded: Option<Folded>,
    /// Entries of the one document that [`Format::Json`] prints for several hosts.
    document: Vec<(Value, Value)>,
}

impl Style {
    /// Returns true if results on many hosts are printed as parts of the run's events.
    pub(crate) fn is_events(self, several: bool) -> bool {
        several && matches!(self, Self::Format(Format::Ndjson))
    }

    /// Returns the text of a value, as people read it.
    fn text(self, value: &Value) -> Cow<'_, [u8]> {
        match self {
            Self::Raw => raw_bytes(value),
            Self::Text(show) => show(value).into_bytes().into(),
            Self::Lines | Self::Format(_) => to_json(value).into_bytes().into(),
        }
    }
}

impl Results {
    pub(crate) fn new(style: Style, several: bool) -> Self {
        Self {
            style,
            several,
            folded: None,
            document: Vec::new(),
        }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Prints equal values of `hosts` together, at the end.
    pub(crate) fn folded(self, hosts: &[Host]) -> Self {
        let folded = self.several.then(|| Folded::of(hosts));
        Self { folded, ..self }
    }

    /// Takes the value that `host` returned. Returns it if it belongs to an event of the run.
    pub(crate) fn value(&mut self, host: &str, value: Value) -> Option<Value> {
        match (self.style, &mut self.folded) {
            // There is nothing to say of it.
            (Style::Text(show), _) if show(&value).is_empty() => None,
            (Style::Format(Format::Json), _) if self.several => {
                self.document.push((host.into(), value));
                None
            }
            (Style::Format(_), _) => self.print(host, "value", value),
            (style, Some(folded)) => {
                folded.add(host, style.text(&value).into_owned());
                None
            }
            (_, None) => self.print(host, "value", value),
        }
    }

    /// Prints an item that the function on `host` sent, at once. Returns it if it belongs to an event
    /// of the run.
    pub(crate) fn item(&mut self, host: &str, item: Value) -> Option<Value> {
        match (self.style, self.several) {
            (Style::Format(Format::Json), true) => {
                print_line(&to_json(&record(host, "item", item)));
                None
            }
            _ => self.print(host, "item", item),
        }
    }

    /// Prints a result of this kind.
    fn print(&self, host: &str, kind: &str, value: Value) -> Option<Value> {
        match (self.style, self.several) {
            (Style::Format(Format::Ndjson), true) => return Some(value),
            (Style::Format(Format::Ndjson), false) => {
                print_line(&to_json(&record(host, kind, value)));
            }
            (Style::Format(Format::Cbor), false) => print_cbor(&value),
            (Style::Format(Format::Cbor), true) => print_cbor(&record(host, kind, value)),
            (Style::Raw, false) => print_raw(&value),
            (style, false) => print_raw_line(&style.text(&value)),
            (style, true) => print_lines_tagged(host, &style.text(&value)),
        }
        None
    }

    /// Records that `host` returned no value. The caller prints the error itself on stderr.
    pub(crate) fn failure(&mut self, host: &str, error: &CommandError) {
        let record = || record(host, "error", error.to_string().into());
        match (self.style, self.several) {
            (Style::Format(Format::Ndjson), false) => print_line(&to_json(&record())),
            (Style::Format(Format::Cbor), true) => print_cbor(&record()),
            _ => {}
        }
    }

    /// Prints what had to wait for the last host.
    pub(crate) fn finish(self) {
        if let (Style::Format(Format::Json), true) = (self.style, self.several) {
            print_line(&to_json(&Value::Map(self.document)));
        }
        if let Some(folded) = self.folded {
            folded.print(print_lines_tagged);
        }
    }
}

fn record(host: &str, key: &str, value: Value) -> Value {
    Value::Map(vec![("host".into(), host.into()), (key.into(), value)])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_is_for_texts_and_bytes() {
        assert_eq!(*raw_bytes(&"a\nb".into()), *b"a\nb");
        assert_eq!(*raw_bytes(&Value::Bytes(b"a\xff".into())), *b"a\xff");
        assert_eq!(*raw_bytes(&Value::Array(vec!["a".into()])), *br#"["a"]"#);
    }
}
