//! Streams: byte pipes inside a session. The reader of each bounds how many bytes are under way.

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{Digest, ProtocolError};

/// Bytes that may be under way on a stream, in each direction, before its reader has taken any. A
/// reader that takes nothing costs its end of the session this much memory. At 20 ms of latency
/// this allows 50 MB/s.
pub const STREAM_WINDOW_BYTES: u64 = 1 << 20;

/// The same for a narrow stream, until its reader has taken data: enough for ordinary stderr
/// output.
pub const NARROW_WINDOW_BYTES: u64 = 32 << 10;

/// Largest number of wide streams open at once; further ones are narrow. If no reader takes
/// anything, the wide ones cost 64 MiB.
pub const MAX_WIDE_STREAMS: usize = 64;

/// Bytes that narrow streams may have beyond [`NARROW_WINDOW_BYTES`], all together, when their
/// readers take much.
const GROWTH_BYTES: u64 = 64 << 20;

/// Largest number of streams open at once in one session: a thousand hosts behind one bastion, each
/// with three. If no reader takes anything, the limits in this file cost one end of a session 256
/// MiB.
pub const MAX_STREAMS: usize = 4096;

/// Streams that one call may have for the items of its task: one for each parameter, and one for
/// the value it returns.
pub const MAX_CALL_STREAMS: usize = 16;

/// A reader announces credit when it has taken this share of a window: often enough to keep a fast
/// writer busy, seldom enough to cost little.
const ANNOUNCED_SHARE: u64 = 4;

/// The number of a stream in its session. The controller opens all streams, and numbers them in
/// order. The top bit of the number marks a narrow stream, so that both ends know it without a
/// message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId(pub(crate) u64);

/// Number of bytes that may be under way on a new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// The full window, unless too many wide streams are open.
    Wide,
    /// A small window, for streams that seldom carry more.
    Narrow,
}

impl StreamId {
    const NARROW: u64 = 1 << 63;

    /// Number of bytes that may be sent, in each direction, before the reader has announced credit.
    pub fn window_bytes(self) -> u64 {
        if self.is_wide() { STREAM_WINDOW_BYTES } else { NARROW_WINDOW_BYTES }
    }

    fn is_wide(self) -> bool {
        self.0 & Self::NARROW == 0
    }

    fn count(self) -> u64 {
        self.0 & !Self::NARROW
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count().fmt(f)
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
        Self { words: words.into_iter().map(ByteBuf::from).collect(), ..Self::default() }
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
        [Some(self.stderr), self.terminal, Some(self.stdio)].into_iter().flatten()
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

/// The open streams of one end.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: HashMap<StreamId, State>,
    /// No stream with this number or a higher one was opened yet.
    next: u64,
    /// Number of open streams that are wide.
    wide: usize,
    /// Bytes that narrow streams have gained beyond their first window.
    grown: u64,
}

#[derive(Debug)]
struct State {
    /// Bytes that this end may still send.
    credit: u64,
    /// Bytes queued here and not sent yet, which the other end cannot have taken.
    queued: u64,
    /// Bytes that the other end may still send.
    window: u64,
    /// Bytes that the other end may have under way.
    width: u64,
    /// Bytes that the reader here has taken and not yet announced as credit.
    taken: u64,
    finished_there: bool,
}

impl Streams {
    /// Chooses the next stream's number, and opens that stream.
    pub(crate) fn open_next(&mut self, width: Width) -> StreamId {
        let id = match width {
            Width::Wide if self.wide < MAX_WIDE_STREAMS => StreamId(self.next),
            Width::Wide | Width::Narrow => StreamId(self.next | StreamId::NARROW),
        };
        self.open(id).expect("it was never used");
        id
    }

    /// Opens a stream with the number that the other end chose. Numbers only rise, so that a late
    /// message about a closed stream differs from one about a stream that never existed.
    pub(crate) fn open(&mut self, id: StreamId) -> Result<(), ProtocolError> {
        // Counts stay below the bit that marks narrow streams.
        let next = Some(id.count() + 1).filter(|next| id.count() >= self.next && *next < StreamId::NARROW);
        self.next = next.ok_or(ProtocolError::UnknownStream(id))?;
        if id.is_wide() {
            self.wide += 1;
            if self.wide > MAX_WIDE_STREAMS {
                return Err(ProtocolError::TooManyWideStreams);
            }
        }
        let [credit, window, width] = [id.window_bytes(); 3];
        self.open.insert(id, State { credit, queued: 0, window, width, taken: 0, finished_there: false });
        Ok(())
    }

    /// Returns true if the stream was open.
    pub(crate) fn close(&mut self, id: StreamId) -> bool {
        let Some(state) = self.open.remove(&id) else { return false };
        self.wide -= usize::from(id.is_wide());
        self.grown -= state.width - id.window_bytes();
        true
    }

    pub(crate) fn is_open(&self, id: StreamId) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Spends credit on bytes that are queued.
    pub(crate) fn spend(&mut self, id: StreamId, bytes: u64) {
        if let Some(state) = self.open.get_mut(&id) {
            debug_assert!(bytes <= state.credit, "more than the reader asked for");
            state.credit = state.credit.saturating_sub(bytes);
            state.queued += bytes;
        }
    }

    /// Records that queued bytes leave.
    pub(crate) fn leave(&mut self, id: StreamId, bytes: u64) {
        if let Some(state) = self.open.get_mut(&id) {
            state.queued = state.queued.saturating_sub(bytes);
        }
    }

    /// Records that the other end sends `bytes`. Returns false if the stream was closed here in the
    /// meantime, so that the bytes are unwanted.
    pub(crate) fn receive(&mut self, id: StreamId, bytes: u64) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else { return Ok(false) };
        if state.finished_there {
            return Err(ProtocolError::StreamFinished(id));
        }
        // An empty message costs no credit; reject it, or a peer could flood us.
        if bytes == 0 {
            return Err(ProtocolError::Malformed);
        }
        if bytes > state.window {
            return Err(ProtocolError::TooLong { what: "a stream's data", limit: STREAM_WINDOW_BYTES });
        }
        state.window -= bytes;
        Ok(true)
    }

    /// Records that the other end sends nothing more. Returns false if that was known, or the
    /// stream was closed here.
    pub(crate) fn receive_finish(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else { return Ok(false) };
        Ok(!std::mem::replace(&mut state.finished_there, true))
    }

    /// Records that the other end takes `bytes` more. Returns false if the stream was closed here.
    pub(crate) fn receive_credit(&mut self, id: StreamId, bytes: u64) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else { return Ok(false) };
        let under_way = STREAM_WINDOW_BYTES - state.credit - state.queued;
        if bytes > under_way {
            return Err(ProtocolError::TooLong { what: "a stream's credit", limit: STREAM_WINDOW_BYTES });
        }
        state.credit += bytes;
        Ok(true)
    }

    /// Closes a stream because the other end did. Returns false if the stream was closed here
    /// before.
    pub(crate) fn receive_close(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        Ok(self.known(id)?.is_some() && self.close(id))
    }

    /// Records that the reader here has taken `bytes`. Returns the credit to announce, if enough
    /// has accumulated. A narrow stream gets wider by this, while there is room.
    pub(crate) fn take(&mut self, id: StreamId, bytes: u64) -> Option<u64> {
        let state = self.open.get_mut(&id)?;
        state.taken += bytes;
        if state.taken < state.width / ANNOUNCED_SHARE || state.finished_there {
            return None;
        }
        let growth = state.width.min(STREAM_WINDOW_BYTES - state.width).min(GROWTH_BYTES - self.grown);
        self.grown += growth;
        state.width += growth;
        let credit = std::mem::take(&mut state.taken) + growth;
        state.window += credit;
        Some(credit)
    }

    /// Returns true if a stream that the other end names is still open.
    pub(crate) fn is_known(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        Ok(self.known(id)?.is_some())
    }

    /// Returns the state of a stream, `None` if the stream was closed here, or an error if it was
    /// never opened.
    fn known(&mut self, id: StreamId) -> Result<Option<&mut State>, ProtocolError> {
        match self.open.get_mut(&id) {
            None if id.count() >= self.next => Err(ProtocolError::UnknownStream(id)),
            state => Ok(state),
        }
    }
}
