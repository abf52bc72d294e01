//! Tasks that call tasks on other hosts, and report where they run.

#![forbid(unsafe_code)]

use std::{io, thread, time::Duration};

use serde::{Deserialize, Serialize};
use wxec::{
    Bytes, CallError, CallErrorKind, Host,
    here::{self, Facts},
    remote,
};

/// Counts the words of a text.
#[remote]
pub fn count(text: String) -> usize {
    text.split_whitespace().count()
}

/// Has another host count the words of a text, twice.
#[remote]
pub fn count_at(address: &str, text: String) -> wxec::Result<usize> {
    let host = Host::new(address)?;
    Ok(count::on(&host, text.clone()).wait()? + count::on(&host, text).wait()?)
}

/// Has another host count the words of a text, once, from an async function.
#[remote]
pub async fn count_later_at(address: &str, text: String) -> wxec::Result<usize> {
    let host = Host::new(address)?;
    Ok(count::on(&host, text).await?)
}

/// An error that its caller can match on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Odd(pub u32);

/// Fails in the way that `how` names.
#[remote]
pub fn fail(how: &str) -> Result<Bytes, Odd> {
    match how {
        "odd" => return Err(Odd(7)),
        "panic" => panic!("as told"),
        "sleep" => thread::sleep(Duration::from_secs(1000)),
        "log" => log::warn!("as told"),
        "facts" => drop(here::facts().unwrap()),
        "long" => return Ok(vec![0; 2 << 20].into()),
        _ => {}
    }
    Ok(Bytes::new())
}

/// Has a task on another host fail, and returns the error that it gets, with its hint.
#[remote]
pub fn fail_at(address: &str, how: &str, timeout_ms: Option<u64>) -> String {
    let host = Host::new(address).expect("a text that is not empty");
    let call = fail::on(&host, how);
    let call = match timeout_ms {
        Some(ms) => call.timeout(Duration::from_millis(ms)),
        None => call,
    };
    match call.wait() {
        Ok(value) => format!("{} bytes", value.len()),
        Err(error) => match error.hint() {
            Some(hint) => format!("{} {error}; {hint}", kind(&error)),
            None => format!("{} {error}", kind(&error)),
        },
    }
}

fn kind(error: &CallError<Odd>) -> &'static str {
    match &error.kind {
        CallErrorKind::Task(Odd(7)) => "Task",
        CallErrorKind::Panic { .. } => "Panic",
        CallErrorKind::Limit { .. } => "Limit",
        CallErrorKind::Denied { .. } => "Denied",
        CallErrorKind::Timeout { .. } => "Timeout",
        CallErrorKind::Unreachable(_) => "Unreachable",
        CallErrorKind::BadArguments(_) => "BadArguments",
        _ => "other",
    }
}

/// Counts bytes.
#[remote]
pub fn length(bytes: Bytes) -> usize {
    bytes.len()
}

/// Has another host count this many bytes.
#[remote]
pub fn length_at(address: &str, bytes: usize) -> wxec::Result<usize> {
    Ok(length::on(&Host::new(address)?, vec![0; bytes].into()).wait()?)
}

/// Returns the facts of its host.
#[remote]
pub fn facts() -> io::Result<Facts> {
    here::facts()
}
