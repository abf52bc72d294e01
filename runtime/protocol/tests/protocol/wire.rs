//! A second definition of the messages, written by hand, so that these tests notice a change of the
//! wire format.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wxec_protocol::{
    Command, Description, Digest, Entry, Fault, LogLevel, OutputStream, ProcessStreams, Service,
    StreamEnd, Target, Terms, Usage, WindowSize,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "as the other one")]
pub(crate) enum ToAgent {
    Hello {
        build: String,
    },
    Call {
        id: u64,
        module: Digest,
        entry: Entry,
        terms: Terms,
        streams: Vec<u64>,
        brings_module: bool,
        input_length: u64,
        #[serde(with = "serde_bytes")]
        input: Vec<u8>,
    },
    Input {
        id: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Module {
        digest: Digest,
        length: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    NoModule {
        digest: Digest,
        reason: String,
    },
    Cancel {
        id: u64,
    },
    DropInstance {
        instance: u64,
    },
    OutputCredit {
        bytes: u64,
    },
    Answer {
        ask: u64,
        outcome: Answered,
    },
    Start {
        streams: Streams,
        command: Command,
    },
    Open {
        id: u64,
        service: Service,
    },
    Signal {
        id: u64,
        signal: i32,
    },
    Resize {
        id: u64,
        size: WindowSize,
    },
    Data {
        id: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Splice {
        id: u64,
        blob: Digest,
        offset: u64,
        length: u64,
    },
    Credit {
        id: u64,
        bytes: u64,
    },
    Finish {
        id: u64,
    },
    Close {
        id: u64,
    },
    AskBlob {
        digest: Digest,
    },
    Blob {
        digest: Digest,
        length: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Describe,
    Ping,
    Bye,
    Bring {
        digest: Digest,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToController {
    Hello {
        build: String,
        target: Target,
    },
    Need {
        module: Digest,
    },
    Output {
        id: u64,
        stream: OutputStream,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Log {
        id: u64,
        level: LogLevel,
        target: String,
        message: String,
    },
    Ask {
        call: u64,
        ask: u64,
        address: String,
        function: String,
        deadline_ms: Option<u64>,
        #[serde(with = "serde_bytes")]
        input: Vec<u8>,
    },
    Result {
        id: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Return {
        id: u64,
        outcome: Outcome,
        usage: Usage,
    },
    Data {
        id: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    Credit {
        id: u64,
        bytes: u64,
    },
    Finish {
        id: u64,
    },
    Close {
        id: u64,
        end: StreamEnd,
    },
    Blob {
        digest: Digest,
        held: bool,
    },
    Description(Description),
    Pong,
    Bye,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Done(#[serde(with = "serde_bytes")] Vec<u8>),
    Failed(Fault),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answered {
    Done(#[serde(with = "serde_bytes")] Vec<u8>),
    Failed(#[serde(with = "serde_bytes")] Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Streams {
    pub(crate) stdio: u64,
    pub(crate) stderr: u64,
    pub(crate) terminal: Option<u64>,
}

impl From<ProcessStreams> for Streams {
    fn from(streams: ProcessStreams) -> Self {
        Self {
            stdio: number(streams.stdio),
            stderr: number(streams.stderr),
            terminal: streams.terminal.map(number),
        }
    }
}

/// A message as it travels.
pub(crate) fn frame<M: Serialize>(message: &M) -> Vec<u8> {
    raw_frame(&postcard::to_allocvec(message).unwrap())
}

/// Frames arbitrary bytes as if they were a message.
pub(crate) fn raw_frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_le_bytes(), body].concat()
}

/// Reads all messages of complete frames.
pub(crate) fn messages<M: DeserializeOwned>(mut wire: &[u8]) -> Vec<M> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = wire.split_first_chunk() {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        messages.push(postcard::from_bytes(body).unwrap());
        wire = rest;
    }
    messages
}

/// Returns the number of a call or stream.
pub(crate) fn number(id: impl Serialize) -> u64 {
    postcard::from_bytes(&postcard::to_allocvec(&id).unwrap()).unwrap()
}

/// Marks a number as a narrow stream's.
pub(crate) fn narrow(number: u64) -> u64 {
    number | 1 << 63
}
