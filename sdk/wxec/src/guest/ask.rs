//! Asks the host for something: the guest sends a question as CBOR, gets a number back, and reads a
//! reply if it wants one.

use std::io::{self, ErrorKind};

use serde::{Serialize, de::DeserializeOwned};
use wxec_protocol::{abi::HostError, cbor};

use super::imports;

/// Makes a capability call, and reads its reply.
pub(super) fn ask<R: DeserializeOwned>(
    call: fn(&[u8]) -> i32,
    question: &impl Serialize,
) -> io::Result<(i32, R)> {
    reply(call(&cbor::encode(question).map_err(io::Error::other)?))
}

/// Makes a capability call whose reply says nothing.
pub(super) fn told(call: fn(&[u8]) -> i32, question: &impl Serialize) -> io::Result<()> {
    done(call(&cbor::encode(question).map_err(io::Error::other)?)).map(drop)
}

/// Reads the reply to a capability call that returned `number`.
pub(super) fn reply<R: DeserializeOwned>(number: i32) -> io::Result<(i32, R)> {
    let number = done(number)?;
    Ok((
        number,
        cbor::decode(&imports::reply()).map_err(io::Error::other)?,
    ))
}

/// Checks the number that a capability call returned, if its reply does not matter.
pub(super) fn done(number: i32) -> io::Result<i32> {
    if number >= 0 {
        return Ok(number);
    }
    let error: HostError = cbor::decode(&imports::reply()).map_err(io::Error::other)?;
    Err(io::Error::new(kind(&error.kind), error))
}

/// Does the same as `done` for a call that counts something.
pub(super) fn count(number: i32) -> io::Result<usize> {
    Ok(usize::try_from(done(number)?).expect("it is not negative"))
}

/// Returns the error kind of this name.
fn kind(name: &str) -> ErrorKind {
    const KINDS: [ErrorKind; 30] = [
        ErrorKind::AddrInUse,
        ErrorKind::AddrNotAvailable,
        ErrorKind::AlreadyExists,
        ErrorKind::ArgumentListTooLong,
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::Deadlock,
        ErrorKind::DirectoryNotEmpty,
        ErrorKind::ExecutableFileBusy,
        ErrorKind::HostUnreachable,
        ErrorKind::Interrupted,
        ErrorKind::InvalidData,
        ErrorKind::InvalidInput,
        ErrorKind::IsADirectory,
        ErrorKind::NetworkDown,
        ErrorKind::NetworkUnreachable,
        ErrorKind::NotADirectory,
        ErrorKind::NotConnected,
        ErrorKind::NotFound,
        ErrorKind::OutOfMemory,
        ErrorKind::PermissionDenied,
        ErrorKind::QuotaExceeded,
        ErrorKind::ResourceBusy,
        ErrorKind::StorageFull,
        ErrorKind::TimedOut,
        ErrorKind::UnexpectedEof,
        ErrorKind::Unsupported,
        ErrorKind::WouldBlock,
    ];
    KINDS
        .into_iter()
        .find(|kind| format!("{kind:?}") == name)
        .unwrap_or(ErrorKind::Other)
}
