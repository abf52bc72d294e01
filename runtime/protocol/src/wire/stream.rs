//! Streams: byte pipes inside a session. The reader of each bounds how many bytes are under way.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    Digest,
    ids::StreamId,
    wire::bounds::{NARROW_WINDOW_BYTES, STREAM_WINDOW_BYTES},
};

impl StreamId {
    /// Number of bytes that may be sent, in each direction, before the reader has announced credit.
    pub fn window_bytes(self) -> u64 {
        if self.is_wide() {
            STREAM_WINDOW_BYTES
        } else {
            NARROW_WINDOW_BYTES
        }
    }
}

/// A process to start. Its program, the first word, is looked up in `PATH`; no shell is involved.
/// All texts are the host system's own, so they may be any bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<ByteBuf>,
    /// Variables to set, in addition to the agent's own: names and values.
    pub env: Vec<(ByteBuf, ByteBuf)>,
    /// Leaves out the agent's own variables.
    pub clear_env: bool,
    /// Working directory; the agent's own by default. `~` means the account's home, alone or before
    /// `/`.
    pub directory: Option<ByteBuf>,
    /// Ends the process, with its process group, if it runs for longer than this.
    pub deadline_ms: Option<u64>,
    /// Makes its stdin, stdout and stderr a terminal of this size; the stdin and stdout stream is
    /// the terminal's other side.
    pub pty: Option<WindowSize>,
    /// Waits for the end of its output, even if other processes still hold the output open. Ignored
    /// with a terminal (`pty`).
    pub wait_output: bool,
}

impl Command {
    /// A process with this program and these arguments, in the agent's own environment.
    pub fn new(words: impl IntoIterator<Item: Into<Vec<u8>>>) -> Self {
        Self {
            words: words.into_iter().map(ByteBuf::from).collect(),
            ..Self::default()
        }
    }
}

/// Size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in each line.
    pub columns: u16,
}

/// The streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStreams {
    /// Carries its stdin one way and its stdout the other. Closing this stream ends the process.
    pub stdio: StreamId,
    /// Its stderr, from the agent only.
    pub stderr: StreamId,
    /// The other side of its controlling terminal, which is none of its three files: programs ask
    /// for passwords there.
    pub terminal: Option<StreamId>,
}

impl ProcessStreams {
    /// All of them. `stdio` comes last: its end is the end of the process.
    pub fn ids(&self) -> impl Iterator<Item = StreamId> + use<> {
        [Some(self.stderr), self.terminal, Some(self.stdio)]
            .into_iter()
            .flatten()
    }
}

/// Services that the agent runs at its end of a stream, beside running programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Service {
    /// Sends or receives files, as the first message on the stream says.
    Files,
}

/// Reason why a stream is closed, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Closed on request: it is no longer wanted.
    Closed,
    /// Its call ended while the stream was still open. The call's outcome tells the reason.
    CallEnded,
    /// The process behind it ended, with an exit code.
    Exited(i32),
    /// The process behind it was ended by a signal.
    Signalled(i32),
    /// The process behind it was ended because it ran for too long.
    TimedOut,
    /// There is no process behind it, because its program could not be started.
    NotStarted(String),
    /// It could not be opened, or broke.
    Failed(String),
    /// The stderr of a process that has ended, while other processes still held its output open.
    /// The rest of the output was not awaited.
    Held,
}

impl fmt::Display for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::CallEnded => f.write_str("its call ended"),
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("ended at its deadline"),
            Self::Held => f.write_str("others hold it"),
            Self::NotStarted(reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// A part of a blob that the agent at the other end holds. The agent puts it into a stream itself,
/// so that the blob need not travel again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    /// The blob's digest.
    pub blob: Digest,
    /// Offset of the part in the blob.
    pub offset: u64,
    /// Length of the part: at most [`CHUNK_BYTES`](crate::CHUNK_BYTES).
    pub length: u64,
}
