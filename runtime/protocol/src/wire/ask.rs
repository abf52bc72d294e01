//! Asks: tasks that a guest calls on other hosts. Its agent asks the controller, which alone knows
//! how to reach those hosts.

use bytes::Bytes;

use crate::wire::bounds::MAX_FRAME_BYTES;

/// Longest arguments, and longest value, of such a call: each travels in one frame.
pub const MAX_ASK_BYTES: usize = 1 << 20;

/// Longest address: eight hops, each with the longest name there is.
pub const MAX_ADDRESS_BYTES: usize = 4 << 10;

/// Longest function name: real names are shorter, and a longer one would not fit into a frame.
pub const MAX_FUNCTION_BYTES: usize = 16 << 10;

const _: () =
    assert!(MAX_ASK_BYTES + MAX_ADDRESS_BYTES + MAX_FUNCTION_BYTES + 100 < MAX_FRAME_BYTES);

/// A task to call on another host. It belongs to the same module as the guest that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Address of the host, as seen from the guest's own host. At most [`MAX_ADDRESS_BYTES`].
    pub address: String,
    /// Name of the task, such as `words::count`. At most [`MAX_FUNCTION_BYTES`].
    pub function: String,
    /// The arguments: a CBOR array. At most [`MAX_ASK_BYTES`].
    pub input: Bytes,
    /// Time limit of the call.
    pub deadline_ms: Option<u64>,
}

impl Ask {
    /// Returns true if the ask fits into one frame.
    pub(crate) fn fits(&self) -> bool {
        self.address.len() <= MAX_ADDRESS_BYTES
            && self.function.len() <= MAX_FUNCTION_BYTES
            && self.input.len() <= MAX_ASK_BYTES
    }
}
