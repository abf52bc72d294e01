//! A call as both ends pass it along, and the place where it enters its module.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{Digest, InstanceId, Terms, ids::StreamId, wire::stream::ProcessStreams};

/// One call to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRequest {
    /// Digest of the artifact.
    pub module: Digest,
    /// The function or program to run. The streams of a program come from
    /// [`ControllerConnection::open_streams`](crate::ControllerConnection::open_streams).
    pub entry: Entry,
    /// Terms on which it runs.
    pub terms: Terms,
    /// Streams for the items that a task sends and receives, from
    /// [`ControllerConnection::open_call_streams`](crate::ControllerConnection::open_call_streams).
    /// They end with the call.
    pub streams: Vec<StreamId>,
    /// The encoded arguments: a CBOR array, or a map by parameter name. Left out when the request
    /// is serialised, because it travels in parts.
    #[serde(skip)]
    pub input: Bytes,
}

impl CallRequest {
    /// A call of a task on the default terms: default limits and no extra grants.
    pub fn new(module: Digest, function: impl Into<String>, input: impl Into<Bytes>) -> Self {
        Self {
            module,
            entry: Entry::Function(function.into()),
            terms: Terms::default(),
            streams: Vec::new(),
            input: input.into(),
        }
    }
}

/// The place where a call enters its module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Entry {
    /// A task, by its name, such as `words::stats::lengths`.
    Function(String),
    /// A task in a resident instance, which keeps its memory for the next call. The first call
    /// creates the instance, with that call's grants and memory limit. Calls of one instance run
    /// one after another.
    Resident {
        /// The instance.
        instance: InstanceId,
        /// The task.
        function: String,
    },
    /// A program: its `_start`, with stdin, stdout and stderr on streams. The call returns the
    /// program's exit code.
    Command {
        /// Its arguments; the first is the program's own name.
        arguments: Vec<ByteBuf>,
        /// Its environment variables, in addition to those it is granted.
        environment: Vec<(ByteBuf, ByteBuf)>,
        /// Its streams: one for stdin and stdout, one for stderr. It has no terminal.
        streams: ProcessStreams,
    },
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function(name) | Self::Resident { function: name, .. } => name,
            Self::Command { .. } => "_start",
        })
    }
}
