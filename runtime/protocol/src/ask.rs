//! Tasks that a guest calls on other hosts: its agent asks the controller, which alone knows how to reach them.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Fault, MAX_FRAME_BYTES};

/// The arguments of such a call may not be longer, nor its value: each travels in one frame.
pub const MAX_ASK_BYTES: usize = 1 << 20;

/// An address may not be longer: eight hops, each with the longest name there is.
pub const MAX_ADDRESS_BYTES: usize = 4 << 10;

/// A longer name is no function's, and would not fit into a frame.
pub const MAX_FUNCTION_BYTES: usize = 16 << 10;

const _: () = assert!(MAX_ASK_BYTES + MAX_ADDRESS_BYTES + MAX_FUNCTION_BYTES + 100 < MAX_FRAME_BYTES);

/// Asks of one call that may be open at once. Together they hold no more than the call itself may return.
pub const MAX_ASKS: usize = 64;

/// The number of an ask in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AskId(pub(crate) u64);

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task to call on another host. It is one of the module whose guest asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Address of the host, as seen from the one the guest is on. At most [`MAX_ADDRESS_BYTES`].
    pub address: String,
    /// Name of the task, such as `words::count`. At most [`MAX_FUNCTION_BYTES`].
    pub function: String,
    /// The arguments: a CBOR array. At most [`MAX_ASK_BYTES`].
    pub input: Bytes,
    /// How long the call may take.
    pub deadline_ms: Option<u64>,
}

impl Ask {
    /// Whether it fits into one frame.
    pub(crate) fn fits(&self) -> bool {
        self.address.len() <= MAX_ADDRESS_BYTES
            && self.function.len() <= MAX_FUNCTION_BYTES
            && self.input.len() <= MAX_ASK_BYTES
    }
}

/// Why an [`Ask`] has no value for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AskError {
    /// The task was called, or could not be called there, and failed.
    Fault(Fault),
    /// The text is no address, or nothing that can be reached from where the guest is.
    Address(String),
    /// No conversation with the host could be started.
    Unreachable {
        /// The hop that failed, if it is not the last one.
        hop: Option<String>,
        /// What failed, in a few words: `logging in`, `starting the agent`.
        phase: String,
        /// Why.
        reason: String,
        /// What may help.
        hint: Option<String>,
    },
    /// The host was lost while the call was open. Whether the task ran to its end is unknown.
    Lost(String),
}
