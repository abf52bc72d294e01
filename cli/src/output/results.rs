//! Results of calls, in the format that was asked for.

use std::{
    borrow::Cow,
    io::{self, IsTerminal},
};

use clap::ValueEnum;
use wxec::call::Value;

use crate::{
    output::command_error::CommandError,
    terminal::stdout::{
        fail, print_bytes, print_line, print_lines_tagged, print_raw_line, print_tagged,
    },
    value::json::to_json,
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
