//! Functions that send and receive while they run, and what replaces their channels on a command
//! line.
//!
//! Items that a function sends, or returns through a `Receiver`, are printed as they arrive. Items
//! that it receives are the lines of stdin, written like arguments.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;
use wxec::{
    Receiver, Sender,
    call::Value,
    cbor,
    module::{Function, Parameter},
};

use crate::{
    output::command_error::CommandError,
    terminal::stderr::say,
    value::{mismatch::Mismatch, reader::Reader, type_text::Type},
};

/// Set if a line of stdin was not what the function receives.
static BAD_LINE: AtomicBool = AtomicBool::new(false);

/// The channels of a function.
#[derive(Debug, Clone)]
pub(crate) struct Streaming {
    reader: Reader,
    parameters: Vec<Kind>,
    names: Vec<String>,
    /// True if the function returns a `Receiver`.
    pub(crate) returns_stream: bool,
    /// True if the function returns a value worth printing: neither a `Receiver` nor `()`.
    pub(crate) has_value: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Plain,
    Sender,
    Receiver(Type),
}

impl Streaming {
    /// Returns `None` without channels, and an error for more than a command line can serve.
    pub(crate) fn of(function: &Function, hosts: usize) -> Result<Option<Self>, CommandError> {
        let parameters: Vec<_> = function.parameters.iter().map(kind).collect();
        let returns_stream = channel(&function.returns, "Receiver").is_some();
        let is_receiver = |kind: &&Kind| matches!(kind, Kind::Receiver(_));
        let receivers = parameters.iter().filter(is_receiver).count();
        let senders = parameters.iter().filter(|kind| **kind == Kind::Sender);
        let senders = senders.count() + usize::from(returns_stream);
        if (senders, receivers) == (0, 0) {
            return Ok(None);
        }
        if let Some(reason) = refusal(senders, receivers, hosts) {
            let message = format!("{} cannot be called like this: {reason}", function.path);
            return Err(CommandError::usage(message)
                .hint("call it from a program, where each channel has two ends"));
        }
        let names = function
            .parameters
            .iter()
            .map(|parameter| parameter.name.clone())
            .collect();
        let has_value = !returns_stream && !matches!(&*function.returns, "" | "()");
        let reader = Reader {
            readable: function.readable,
        };
        Ok(Some(Self {
            reader,
            parameters,
            names,
            returns_stream,
            has_value,
        }))
    }

    /// Returns the arguments of one call: `given`, with the channels in their places.
    pub(crate) fn arguments(&self, given: &Value, sender: &Sender<Value>) -> Arguments {
        let channel = |kind: &Kind| match kind {
            Kind::Plain => None,
            Kind::Sender => Some(Argument::Sender(sender.clone())),
            Kind::Receiver(wanted) => Some(Argument::Receiver(lines(self.reader, wanted.clone()))),
        };
        match given {
            Value::Tag(cbor::READABLE_TAG, given) => {
                Arguments::Readable(cbor::Readable(Box::new(self.arguments(given, sender))))
            }
            Value::Map(entries) => {
                let given = entries
                    .iter()
                    .filter_map(|(name, value)| Some((name.as_text()?, value)));
                let given =
                    given.map(|(name, value)| (name.to_owned(), Argument::Plain(value.clone())));
                let channels = self.names.iter().zip(&self.parameters);
                let channels =
                    channels.filter_map(|(name, kind)| Some((name.clone(), channel(kind)?)));
                Arguments::Named(given.chain(channels).collect())
            }
            given => {
                let mut given = given.as_array().cloned().unwrap_or_default().into_iter();
                // An omitted `Option` before a channel becomes a null.
                let plain = |given: &mut std::vec::IntoIter<Value>| {
                    Argument::Plain(given.next().unwrap_or(Value::Null))
                };
                let all = self
                    .parameters
                    .iter()
                    .map(|kind| channel(kind).unwrap_or_else(|| plain(&mut given)));
                Arguments::InOrder(all.collect())
            }
        }
    }
}

/// Returns the reason why a command line cannot serve so many channels, if it cannot.
fn refusal(senders: usize, receivers: usize, hosts: usize) -> Option<&'static str> {
    match (senders, receivers) {
        (2.., _) => Some("it sends on several channels, and `wxec call` can print one"),
        (_, 2..) => Some("it receives from several channels, and `wxec call` has one stdin"),
        (_, 1) if hosts > 1 => Some("it receives, and stdin can be sent to one host only"),
        _ => None,
    }
}

/// Returns the function with only those parameters that are given as arguments: without channels.
pub(crate) fn without_channels(function: &Function) -> Function {
    let mut function = function.clone();
    function
        .parameters
        .retain(|parameter| kind(parameter) == Kind::Plain);
    function
}

/// Returns true if every line of stdin so far was what the function receives.
pub(crate) fn fed_well() -> bool {
    !BAD_LINE.load(Ordering::Relaxed)
}

/// The arguments of a call of a function with channels.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Arguments {
    InOrder(Vec<Argument>),
    Named(BTreeMap<String, Argument>),
    Readable(cbor::Readable<Box<Self>>),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Argument {
    Plain(Value),
    Sender(Sender<Value>),
    Receiver(Receiver<Value>),
}

fn kind(parameter: &Parameter) -> Kind {
    if channel(&parameter.type_name, "Sender").is_some() {
        return Kind::Sender;
    }
    channel(&parameter.type_name, "Receiver")
        .map_or(Kind::Plain, |item| Kind::Receiver(Type::parse(item)))
}

/// Returns the type of the items, if `text` is `…::name<…>` or a reference to that.
fn channel<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (path, item) = text
        .trim()
        .trim_start_matches('&')
        .strip_suffix('>')?
        .split_once('<')?;
    (path.rsplit("::").next()?.trim() == name).then_some(item)
}

/// Returns a receiver of the lines of stdin, up to the first that is no item.
fn lines(reader: Reader, wanted: Type) -> Receiver<Value> {
    // The lock of stdin cannot move to another thread, so each line takes it.
    let lines = std::iter::from_fn(|| {
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) => None,
            read => Some(read.map(|_| line)),
        }
    });
    Receiver::from_iter(lines.enumerate().map_while(move |(number, line)| {
        let item = line.map_err(|error| error.to_string()).and_then(|line| {
            let line = line.trim_end_matches(['\n', '\r']);
            reader
                .word(line, &wanted)
                .map_err(|mismatch| match mismatch {
                    Mismatch::Refused(reason) => {
                        format!("{line:?} is not what the function receives: {reason}")
                    }
                    _ => format!("{line:?} is not what the function receives"),
                })
        });
        let complain = |reason| {
            BAD_LINE.store(true, Ordering::Relaxed);
            say(&format!("error: line {} of stdin: {reason}", number + 1));
        };
        item.map_err(complain).ok()
    }))
}

#[cfg(test)]
mod tests {
    use wxec::module::Wants;

    use super::*;

    fn function(parameters: &[(&str, &str)], returns: &str) -> Function {
        let parameter = |(name, type_name): &(&str, &str)| Parameter {
            name: (*name).into(),
            type_name: (*type_name).into(),
        };
        Function {
            path: "logs::tail".into(),
            name: "tail".into(),
            doc: String::new(),
            parameters: parameters.iter().map(parameter).collect(),
            returns: returns.into(),
            error: None,
            wants: Wants::default(),
            readable: false,
            plan: None,
        }
    }

    #[test]
    fn channels_are_known_by_their_types() {
        let of = |parameters, returns| {
            Streaming::of(&function(parameters, returns), 1)
                .unwrap()
                .is_some()
        };
        assert!(of(&[("lines", "Sender<String>")], "()"));
        assert!(of(&[("lines", "&wxec::Receiver<(u8, String)>")], "()"));
        assert!(of(&[], "Receiver<String>"));
        assert!(!of(
            &[("lines", "Vec<Sender>"), ("mail", "MySender<String>")],
            "Vec<u8>"
        ));
    }

    #[test]
    fn what_cannot_be_printed_or_fed_is_refused() {
        let refused = |parameters, returns, hosts| {
            Streaming::of(&function(parameters, returns), hosts)
                .unwrap_err()
                .to_string()
        };
        let two = [("a", "Sender<u8>"), ("b", "Sender<u8>")];
        assert!(refused(&two, "()", 1).contains("can print one"));
        assert!(refused(&two[..1], "Receiver<u8>", 1).contains("can print one"));
        assert!(
            refused(&[("a", "Receiver<u8>"), ("b", "Receiver<u8>")], "()", 1).contains("one stdin")
        );
        assert!(refused(&[("a", "Receiver<u8>")], "()", 2).contains("one host only"));
    }

    #[test]
    fn channels_keep_their_places_among_the_arguments() {
        let function = function(
            &[
                ("path", "String"),
                ("lines", "Sender<String>"),
                ("n", "Option<u8>"),
            ],
            "()",
        );
        assert_eq!(without_channels(&function).parameters.len(), 2);
        let streaming = Streaming::of(&function, 3).unwrap().unwrap();
        let (sender, _received) = wxec::channel();
        let Arguments::InOrder(all) =
            streaming.arguments(&Value::Array(vec!["/a".into()]), &sender)
        else {
            panic!("a list")
        };
        assert!(matches!(
            &*all,
            [
                Argument::Plain(_),
                Argument::Sender(_),
                Argument::Plain(Value::Null)
            ]
        ));
        let named = Value::Map(vec![("path".into(), "/a".into())]);
        let Arguments::Named(all) = streaming.arguments(&named, &sender) else {
            panic!("a map")
        };
        assert_eq!(all.keys().collect::<Vec<_>>(), ["lines", "path"]);
    }
}
