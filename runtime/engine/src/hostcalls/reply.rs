//! Answers to capability calls: a number, and a reply that the guest copies to its memory.
//!
//! A call takes its question as CBOR and returns a number that is not negative, or
//! [`abi::REFUSED`]. The reply is CBOR as well: the answer, or a [`HostError`]. It stays until the
//! next capability call.

use serde::{Serialize, de::DeserializeOwned};
use wasmtime::{Caller, Result};
use wxec_protocol::{
    abi::{self, HostError},
    cbor,
};

use super::{memory, range};
use crate::{call::guest::Guest, limits::refusal::Refusal};

/// Length of the longest question: a command with long arguments, or a whole environment.
pub(super) const MAX_QUESTION_BYTES: usize = 256 << 10;

pub(super) fn reply_len(caller: Caller<'_, Guest>) -> i32 {
    super::length(caller.data().reply.len())
}

/// Copies at most `length` bytes of the reply, from `offset` on, to `pointer`. Returns the number
/// of bytes copied.
pub(super) fn reply_read(
    mut caller: Caller<'_, Guest>,
    offset: u32,
    pointer: u32,
    length: u32,
) -> Result<u32> {
    let (memory, guest) = memory(&mut caller)?;
    let room = range(memory, pointer, length)?;
    let reply = guest.reply.get(offset as usize..).unwrap_or_default();
    let reply = &reply[..reply.len().min(room.len())];
    memory[room][..reply.len()].copy_from_slice(reply);
    Ok(u32::try_from(reply.len())?)
}

/// Reason why a capability call is not answered.
pub(super) enum Denial {
    /// The guest may not do this, or not so much of it. The guest is told, and if it gives up, its
    /// caller is told too.
    Refused(Refusal),
    /// The host tried, and failed.
    Failed(HostError),
}

impl From<std::io::Error> for Denial {
    fn from(error: std::io::Error) -> Self {
        // The kind's name is what its `Debug` shows; kinds without a stable name are
        // `Uncategorized`.
        Self::Failed(HostError {
            kind: format!("{:?}", error.kind()),
            message: error.to_string(),
            need: None,
        })
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Reads the question of a capability call. A question that cannot be read is an error of the
/// guest's SDK.
pub(super) fn question<T: DeserializeOwned>(
    caller: &mut Caller<'_, Guest>,
    pointer: u32,
    length: u32,
) -> Result<Result<T, Denial>> {
    let (memory, _) = memory(caller)?;
    let bytes = &memory[range(memory, pointer, length)?];
    let invalid = |message: String| {
        Denial::Failed(HostError {
            kind: "InvalidInput".into(),
            message,
            need: None,
        })
    };
    if bytes.len() > MAX_QUESTION_BYTES {
        return Ok(Err(invalid(format!(
            "more than the {MAX_QUESTION_BYTES} bytes a question may have"
        ))));
    }
    Ok(cbor::decode(bytes).map_err(|error| invalid(error.to_string())))
}

/// Stores the reply, and returns the number that tells an answer from an error.
pub(super) fn answer<T: Serialize>(guest: &mut Guest, outcome: Result<(i32, T), Denial>) -> i32 {
    let (number, reply) = match outcome {
        Ok((number, reply)) => {
            guest.refused = None;
            (number, cbor::encode(&reply))
        }
        Err(Denial::Refused(refusal)) => (abi::REFUSED, cbor::encode(&guest.refuse(refusal))),
        Err(Denial::Failed(error)) => (abi::REFUSED, cbor::encode(&error)),
    };
    guest.reply = reply.expect("texts and numbers always encode");
    number
}
