//! Why one call failed. It goes over the wire; the session lives on.

use serde::{Deserialize, Serialize};

use crate::{abi::Panic, grants::Need, limits::LimitKind};

/// Why one call failed on the host. The session it ran in is unharmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Fault {
    /// The task returned an error: the CBOR of a [`TaskFailure`](crate::abi::TaskFailure).
    Task(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The guest's code panicked.
    Panic {
        /// What the guest said as it panicked.
        panic: Panic,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The guest's code trapped: unreachable code, an access out of bounds, an exit.
    Trap {
        /// What kind of trap, in a sentence fragment.
        reason: String,
        /// Guest functions, innermost first.
        frames: Vec<Frame>,
    },
    /// The call asked for more than its limits allow.
    Limit {
        /// Which limit.
        which: LimitKind,
        /// How much is allowed, in the limit's unit.
        limit: u64,
        /// How much the call asked for.
        asked: u64,
    },
    /// The guest was refused what it was not granted, and gave up.
    Denied {
        /// What it would have to be granted.
        needs: Vec<Need>,
        /// How it gave up, for people.
        message: String,
        /// The CBOR of a [`TaskFailure`](crate::abi::TaskFailure), if its task returned an error.
        failure: Option<Vec<u8>>,
    },
    /// The call was still running at its deadline.
    Deadline {
        /// The deadline it was given.
        after_ms: u64,
    },
    /// The controller took the call back.
    Cancelled,
    /// The resident instance that was called has ended, and what it kept is lost.
    InstanceGone {
        /// Why.
        reason: String,
    },
    /// The module has no function of this name.
    NoSuchFunction {
        /// What the call named.
        function: String,
    },
    /// The arguments do not fit the function.
    BadArguments(String),
    /// The module cannot be run: it is damaged, or wants what this agent does not offer.
    BadModule(String),
    /// The agent failed, not the guest: a bug in wxec, or a host out of memory.
    Agent(String),
}

/// One guest function on the stack when a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its name, if the module says; else its index.
    pub function: String,
    /// Where in the module's bytes the function was, if known.
    pub offset: Option<u64>,
}
