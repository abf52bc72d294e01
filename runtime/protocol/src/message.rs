//! What the two ends say to each other. Payloads are borrowed: they are copied once, to where they belong.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, Fault, Limits, Target};

/// An artifact may not be longer. Python compiled to wasm, the largest guest seen, takes 33 MB.
pub const MAX_MODULE_BYTES: u64 = 256 << 20;

/// The number of a call in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub(crate) u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a guest's output was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutputStream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
    /// Its log, with the record's level: 1 error, 2 warn, 3 info, 4 debug, 5 trace.
    Log(u8),
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Wall time in the sandbox, in microseconds.
    pub wall_us: u64,
    /// Bytes of output beyond [`Limits::stdio_bytes`], all streams together, which were dropped.
    pub dropped_bytes: u64,
}

/// Controller to agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToAgent<'a> {
    /// First message: the sender's build.
    Hello { build: &'a str },
    /// Run a function. `input` is the first part of an input of `input_length` bytes.
    Call {
        id: CallId,
        module: Digest,
        function: &'a str,
        limits: Limits,
        input_length: u64,
        #[serde(borrow, with = "serde_bytes")]
        input: &'a [u8],
    },
    /// The next part of a call's input.
    Input {
        id: CallId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The next part of an artifact the agent asked for; `length` is the whole artifact's.
    Module {
        digest: Digest,
        length: u64,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The artifact the agent asked for is not to be had.
    NoModule { digest: Digest, reason: &'a str },
    /// The result of a call is no longer wanted.
    Cancel { id: CallId },
    /// Are you there?
    Ping,
    /// Nothing more will be asked: answer what is running, say `Bye` and exit.
    Bye,
}

/// Agent to controller.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ToController<'a> {
    /// First message: the sender's build and what it runs on.
    Hello { build: &'a str, target: Target },
    /// Send me this artifact.
    Need { module: Digest },
    /// A guest wrote something.
    Output {
        id: CallId,
        stream: OutputStream,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// A part of a result that does not fit into `Return`.
    Result {
        id: CallId,
        #[serde(borrow, with = "serde_bytes")]
        bytes: &'a [u8],
    },
    /// The last part of a call's result, or why there is none. Nothing about this call follows.
    Return { id: CallId, outcome: Outcome<'a>, usage: Usage },
    /// I am here.
    Pong,
    /// Everything is answered; the agent exits.
    Bye,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome<'a> {
    Done(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    Failed(Fault),
}
