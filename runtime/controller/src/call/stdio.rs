//! Calls of the tasks of programs that know nothing of wxec: the arguments are JSON on stdin, the
//! value is JSON on stdout, and a program that fails exits with another code than 0.

use std::any::TypeId;

use bytes::Bytes;
use ciborium::Value as Item;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wxec_protocol::{
    CallRequest, Fault, LimitKind, OutputStream,
    abi::{Exit, TaskFailure},
    cbor::{self, DecodeError, Form},
};

use super::make::{CheckedCall, answer, outcome, prepare};
use crate::{
    base::{json::to_json, runtime::Background},
    error::{CallError, CallErrorKind, fault_error},
    session::{
        ProgramCommand, RunningProgram,
        output::Lines,
        stream::{StreamReader, StreamWriter},
    },
};

/// Bytes read from a stream at once.
const PART_BYTES: usize = 64 << 10;

/// Most bytes of stderr that an error repeats: some lines.
const TAIL_BYTES: usize = 2 << 10;

/// Most lines of stderr that an error repeats.
const TAIL_LINES: usize = 10;

/// Runs the program of a call with these arguments. Returns what it wrote to stdout.
pub(super) async fn returned<E: Send + 'static>(
    call: CheckedCall<E>,
    name: String,
    argv: Vec<String>,
) -> Result<Bytes, CallError<E>> {
    let input = json_of(&call.input).map_err(|error| {
        // The library encoded it just before.
        call.failed(CallErrorKind::BadArguments(error.to_string()))
    })?;
    let mut again = call.retry.left > 0;
    loop {
        let words = std::iter::once(&name).chain(&argv);
        let command = ProgramCommand {
            arguments: words.map(|word| ByteBuf::from(word.as_bytes())).collect(),
            environment: Vec::new(),
        };
        let (once, input) = (call.clone(), input.clone());
        // The caller's executor may not be tokio's.
        match Background::new(async move { run(&once, command, input).await }).await {
            Err(error) if again && matches!(error.kind, CallErrorKind::Lost { .. }) => {
                again = false
            }
            ended => return ended,
        }
    }
}

async fn run<E: Send + 'static>(
    call: &CheckedCall<E>,
    command: ProgramCommand,
    input: String,
) -> Result<Bytes, CallError<E>> {
    let failed = |kind| call.failed(kind);
    let deadline = call.terms.limits.deadline();
    let prepared = prepare(
        call.host.clone(),
        call.source.clone(),
        call.terms.is_metered(),
    );
    let (session, artifact) = prepared.await.map_err(failed)?;
    let request = CallRequest {
        terms: call.terms.clone(),
        ..CallRequest::new(artifact.digest, "", "")
    };
    let lines = || Lines::new(call.host.shared_name(), call.host.output());
    let running = session.run(&artifact, request, command, lines()).await;
    let RunningProgram {
        call: open,
        reader,
        writer,
        stderr,
    } = running.map_err(|ended| {
        failed(CallErrorKind::Lost {
            reason: ended.to_string(),
            stderr_tail: String::new(),
        })
    })?;
    let limit = call.terms.limits.output_bytes;
    // A program that writes too much is given up at once, whatever it makes of its broken pipe.
    let ended = async {
        tokio::try_join!(
            async { Ok(answer(open, deadline).await) },
            collect(reader, limit),
            async { Ok(pass_on(stderr, lines()).await) }
        )
    };
    let ended = tokio::select! {
        biased;
        ended = ended => ended,
        // A program need not read its input, so its end is that of nothing else.
        never = feed(writer, input) => match never {},
    };
    let (reply, stdout, tail) = ended.map_err(|asked| {
        failed(CallErrorKind::Limit {
            which: LimitKind::Output,
            limit,
            asked,
        })
    })?;
    let outcome = outcome(reply).map_err(failed)?;
    let exit: Exit = match outcome {
        Ok(exit) => cbor::decode(&exit).map_err(|error| failed(CallErrorKind::Decode(error)))?,
        Err(Fault::NoSuchFunction { .. }) => {
            let reason = "it is no program: it exports no `_start`".into();
            return Err(failed(CallErrorKind::BadModule(reason)));
        }
        Err(fault) => return Err(fault_error(call.host.shared_name(), fault, Err)),
    };
    if exit.code == 0 {
        return Ok(stdout);
    }
    Err(failed(failure(exit, &tail)))
}

/// Returns the failure of a program that exited with another code than 0.
fn failure<E>(exit: Exit, stderr: &[u8]) -> CallErrorKind<E> {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
    if !exit.needs.is_empty() {
        return CallErrorKind::Denied {
            needs: exit.needs,
            message: lines
                .last()
                .map_or_else(String::new, |line| (*line).to_owned()),
        };
    }
    let code = format!("exit code {}", exit.code);
    CallErrorKind::Failed(TaskFailure {
        message: match &*last {
            "" => code.clone(),
            last => format!("{code}: {last}"),
        },
        type_name: code,
        chain: Vec::new(),
        data: None,
    })
}

/// Sends all of the input.
async fn feed(mut writer: StreamWriter, input: String) -> std::convert::Infallible {
    if writer.write_all(input.as_bytes()).await.is_ok() {
        let _ = writer.shutdown().await;
    }
    std::future::pending().await
}

/// Reads all of stdout, or returns how much came beyond the limit.
async fn collect(mut reader: StreamReader, limit: u64) -> Result<Bytes, u64> {
    let (mut kept, mut part) = (Vec::new(), vec![0; PART_BYTES]);
    while let Ok(length @ 1..) = reader.read(&mut part).await {
        let asked = (kept.len() + length) as u64;
        if asked > limit {
            reader.close();
            return Err(asked);
        }
        kept.extend_from_slice(&part[..length]);
    }
    Ok(kept.into())
}

/// Passes stderr on to the host's listener. Returns its end.
async fn pass_on(mut reader: StreamReader, mut lines: Lines) -> Vec<u8> {
    let (mut tail, mut part) = (Vec::new(), vec![0; PART_BYTES]);
    while let Ok(length @ 1..) = reader.read(&mut part).await {
        let bytes = &part[..length];
        // A listener may block, for instance on a terminal that the user has stopped.
        tokio::task::block_in_place(|| lines.write(OutputStream::Stderr, bytes));
        tail.extend_from_slice(bytes);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
    tail
}

/// Returns the arguments of a call as JSON: a list, or an object by name.
fn json_of(input: &[u8]) -> Result<String, DecodeError> {
    Ok(match cbor::decode::<Item>(input)? {
        Item::Tag(cbor::READABLE_TAG, arguments) => to_json(&arguments),
        arguments => to_json(&arguments),
    })
}

/// Makes a value of what a program wrote.
pub(super) fn decode<T: DeserializeOwned + 'static>(stdout: Bytes) -> Result<T, DecodeError> {
    let item = if stdout.trim_ascii().is_empty() {
        // A task without a value need not say so.
        Item::Null
    } else {
        serde_json::from_slice(&stdout).map_err(|error| {
            DecodeError::Type(format!("the program's stdout is no JSON: {error}"))
        })?
    };
    // A value of any type keeps its keys as they are; others may be numbers.
    let item = if TypeId::of::<T>() == TypeId::of::<Item>() {
        item
    } else {
        with_keys(item)
    };
    let bytes = cbor::encode(&item).map_err(|error| DecodeError::Type(error.to_string()))?;
    cbor::decode_as(Form::Readable, &bytes)
}

/// Makes CBOR of what a program wrote, for a guest that knows its type.
pub(super) fn to_cbor(stdout: Bytes) -> Result<Bytes, DecodeError> {
    let value = cbor::encode(&decode::<Item>(stdout)?);
    value
        .map(Bytes::from)
        .map_err(|error| DecodeError::Type(error.to_string()))
}

/// Adds to each key of a map what it is as JSON, for the type that is read to decide.
fn with_keys(item: Item) -> Item {
    let key = |name: Item| match name
        .as_text()
        .and_then(|name| serde_json::from_str(name).ok())
    {
        Some(meaning) => {
            let texts = vec![name, with_keys(meaning)];
            Item::Tag(cbor::KEY_TAG, Item::Array(texts).into())
        }
        None => name,
    };
    match item {
        Item::Array(items) => Item::Array(items.into_iter().map(with_keys).collect()),
        Item::Map(entries) => {
            let entry = |(name, item)| (key(name), with_keys(item));
            Item::Map(entries.into_iter().map(entry).collect())
        }
        item => item,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible};

    use wxec_protocol::Need;

    use super::*;

    fn value<T: DeserializeOwned + 'static>(json: &'static str) -> Result<T, String> {
        decode(Bytes::from_static(json.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_program_prints_is_a_value_of_the_callers_type() {
        assert_eq!(value("6\n"), Ok(6_u64));
        assert_eq!(
            value(r#"{"1":2,"3":4}"#),
            Ok(BTreeMap::from([(1_u64, 2_u64), (3, 4)]))
        );
        assert_eq!(
            value(r#"{"a":2}"#),
            Ok(BTreeMap::from([("a".to_owned(), 2_i8)]))
        );
        assert_eq!(value(r#""Zm9v""#), Ok(Bytes::from_static(b"foo")));
        assert_eq!(
            value(r#"["to",[1.5,null]]"#),
            Ok(("to".to_owned(), (1.5, None::<u8>)))
        );
        assert_eq!(value(" \n"), Ok(()));
        assert!(value::<f64>("\"NaN\"").is_ok_and(f64::is_nan));
        let any = Item::Map(vec![
            ("1".into(), Item::Array(vec![2.into()])),
            ("0".into(), Item::Null),
        ]);
        assert_eq!(value(r#"{"1":[2],"0":null}"#), Ok(any));
    }

    #[test]
    fn what_is_no_json_or_of_another_type_is_an_error() {
        let error = value::<u64>("six").unwrap_err();
        assert!(
            error.contains("the program's stdout is no JSON: expected value"),
            "{error}"
        );
        assert!(value::<u64>("\"six\"").is_err());
        assert!(value::<u64>("6 7").is_err());
        assert!(value::<u8>("").is_err());
    }

    #[test]
    fn arguments_go_as_json() {
        let json = |input: &[u8]| json_of(input).map_err(|error| error.to_string());
        let list = cbor::encode(&("a\n", 1.0, Bytes::from_static(b"foo"))).unwrap();
        assert_eq!(json(&list).as_deref(), Ok(r#"["a\n",1.0,"Zm9v"]"#));
        let named = cbor::encode(&BTreeMap::from([("n", 1)])).unwrap();
        assert_eq!(json(&named).as_deref(), Ok(r#"{"n":1}"#));
    }

    #[test]
    fn a_failure_has_the_last_lines() {
        let exit = |needs: &[Need]| Exit {
            code: 3,
            needs: needs.to_vec(),
        };
        let text = |needs: &[Need], stderr: &str| {
            failure::<Infallible>(exit(needs), stderr.as_bytes()).to_string()
        };
        assert_eq!(
            text(&[], "first\nno such word\n\n"),
            "the task failed: exit code 3: first\nno such word"
        );
        assert_eq!(text(&[], ""), "the task failed: exit code 3");
        let many = "x\n".repeat(50);
        assert_eq!(text(&[], &many).lines().count(), TAIL_LINES);
        assert_eq!(
            text(&[Need::Read("/etc".into())], "cannot open\n"),
            "not granted: needs --allow-read=/etc (the task gave up: cannot open)"
        );
    }
}
