//! Faults: reasons why one call failed. A fault goes over the wire; the session continues.

use serde::{Deserialize, Serialize};

use crate::{guest::abi::Panic, terms::grants::Need, terms::limits::LimitKind};

/// Reason why one call failed on the host. The session it ran in is unharmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fault {
    /// The task returned an error: the CBOR of a [`TaskFailure`](crate::guest::abi::TaskFailure).
    Task(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The guest's code panicked.
    Panic {
        /// The guest's panic message and its place.
        panic: Panic,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The guest's code trapped: unreachable code, an access out of bounds, an exit.
    Trap {
        /// The kind of trap, as a sentence fragment.
        reason: String,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The call asked for more than its limits allow.
    Limit {
        /// The limit.
        which: LimitKind,
        /// The allowed amount, in the limit's unit.
        limit: u64,
        /// The amount that the call asked for.
        asked: u64,
    },
    /// The guest was refused something that it was not granted, and gave up.
    Denied {
        /// The grants that it lacked.
        needs: Vec<Need>,
        /// Its way of giving up, described for people.
        message: String,
        /// The CBOR of a [`TaskFailure`](crate::guest::abi::TaskFailure), if its task returned an error.
        failure: Option<Vec<u8>>,
    },
    /// The call was to be a preview, and could have changed the host. The text says by what.
    PreviewRefused(String),
    /// The call was still running at its deadline.
    Deadline {
        /// The deadline that it was given.
        after_ms: u64,
    },
    /// The controller cancelled the call.
    Cancelled,
    /// The resident instance that was called has ended, and its memory is lost.
    InstanceGone {
        /// The reason.
        reason: String,
    },
    /// The module has no function of this name.
    NoSuchFunction {
        /// The name in the call.
        function: String,
    },
    /// The arguments do not match the function's parameters.
    BadArguments(String),
    /// The module cannot be run: it is damaged, or imports something that this agent does not
    /// offer.
    BadModule(String),
    /// The agent failed, not the guest: a bug in wxec, or a host out of memory.
    Agent(String),
}

/// One guest function on the stack when a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its name, if the module has names; otherwise its index.
    pub function: String,
    /// Offset in the module's bytes where the function was, if known.
    pub offset: Option<u64>,
}
