//! Streams: byte pipes inside a session, each with as much under way as its reader has asked for.

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{Digest, ProtocolError};

/// Bytes that may be under way on a stream, in each direction, before its reader has taken any. A reader that takes
/// nothing costs its end of the session this much memory. At 20 ms it lets 50 MB/s through.
pub const STREAM_WINDOW_BYTES: u64 = 1 << 20;

/// The same of a narrow stream, until its reader has shown that it takes more: enough for what is said on stderr.
pub const NARROW_WINDOW_BYTES: u64 = 32 << 10;

/// Streams that are wide from the start, of those open at once: what nobody takes costs 64 MiB. Further ones are narrow.
pub const MAX_WIDE_STREAMS: usize = 64;

/// What narrow streams may have beyond [`NARROW_WINDOW_BYTES`], together, where their readers take much.
const GROWTH_BYTES: u64 = 64 << 20;

/// Streams open at once in one session: a thousand hosts behind one bastion, each with three. If nobody takes anything
/// from any of them, all that was said in this file costs an end of a session 256 MiB.
pub const MAX_STREAMS: usize = 4096;

/// Streams that one call may have for what its task sends and receives: a parameter each, and one for what it returns.
pub const MAX_CALL_STREAMS: usize = 16;

/// Credit is announced when this share of a window has been taken: often enough to keep a fast writer busy, seldom
/// enough to cost nothing.
const ANNOUNCED_SHARE: u64 = 4;

/// The number of a stream in its session. The controller opens all streams, and counts them; that one is narrow is a part
/// of its number, so that both ends know it without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId(pub(crate) u64);

/// How much may be under way on a new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// As much as on any, unless there are too many such streams.
    Wide,
    /// Little, for streams that seldom carry more.
    Narrow,
}

impl StreamId {
    const NARROW: u64 = 1 << 63;

    /// What may be sent on it, in each direction, before its reader has announced credit.
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

/// A process to start: the first of its words is looked for in `PATH`, and no shell is involved. All that is a system's own,
/// where a text may be any bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<ByteBuf>,
    /// Variables set beside the agent's own: names and values.
    pub env: Vec<(ByteBuf, ByteBuf)>,
    /// The agent's own variables are left out.
    pub clear_env: bool,
    /// Where it runs; in the agent's own directory if nothing is said. `~` is the account's home, and so it is before `/`.
    pub directory: Option<ByteBuf>,
    /// It is ended, with its group, if it runs for so long.
    pub deadline_ms: Option<u64>,
    /// All three of its files are a terminal of this size, of which its stdin and stdout stream is the other side.
    pub pty: Option<WindowSize>,
    /// Its end is that of its output: whoever else holds that is waited for. It goes without for a terminal.
    pub wait_output: bool,
}

impl Command {
    /// A process of this program and these arguments, in what surrounds the agent itself.
    pub fn new(words: impl IntoIterator<Item: Into<Vec<u8>>>) -> Self {
        Self { words: words.into_iter().map(ByteBuf::from).collect(), ..Self::default() }
    }
}

/// How much a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in each.
    pub columns: u16,
}

/// The streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStreams {
    /// Its stdin one way, its stdout the other. Closing it ends the process.
    pub stdio: StreamId,
    /// Its stderr, from the agent only.
    pub stderr: StreamId,
    /// A terminal that is its controlling one but none of its three files: programs ask for passwords there.
    pub terminal: Option<StreamId>,
}

impl ProcessStreams {
    /// All of them; the one that others wait for comes last.
    pub fn ids(&self) -> impl Iterator<Item = StreamId> + use<> {
        [Some(self.stderr), self.terminal, Some(self.stdio)].into_iter().flatten()
    }
}

/// What the agent does at its end of a stream, beside running programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Service {
    /// Sends or receives files, as the first message on the stream says.
    Files,
}

/// Why a stream is over, in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Nobody wants it any more.
    Closed,
    /// The call it belonged to ended before anybody closed it. How that ended says why.
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
    /// The end of the stderr of a process of whose output the rest was not waited for, because others hold it.
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

/// A part of a blob that the agent at the other end holds and puts into a stream itself, so that the blob need not
/// travel again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    /// Which blob.
    pub blob: Digest,
    /// Where the part begins.
    pub offset: u64,
    /// How long it is: no more than [`CHUNK_BYTES`](crate::CHUNK_BYTES).
    pub length: u64,
}

/// The open streams of one end.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: HashMap<StreamId, State>,
    /// No stream with this number or a higher one was opened yet.
    next: u64,
    /// How many of the open ones are wide.
    wide: usize,
    /// What narrow ones have beyond their first window.
    grown: u64,
}

#[derive(Debug)]
struct State {
    /// What this end may still send.
    credit: u64,
    /// What this end has queued and not sent yet: nobody can have taken it.
    queued: u64,
    /// What the other end may still send.
    window: u64,
    /// What it may have under way.
    width: u64,
    /// Taken by the reader here and not yet announced as credit.
    taken: u64,
    finished_there: bool,
}

impl Streams {
    /// Chooses the next stream's number, and opens it.
    pub(crate) fn open_next(&mut self, width: Width) -> StreamId {
        let id = match width {
            Width::Wide if self.wide < MAX_WIDE_STREAMS => StreamId(self.next),
            Width::Wide | Width::Narrow => StreamId(self.next | StreamId::NARROW),
        };
        self.open(id).expect("it was never used");
        id
    }

    /// Opens the stream that the other end has chosen. Numbers only rise, so that a late word about a closed stream can
    /// be told from a word about one that never was.
    pub(crate) fn open(&mut self, id: StreamId) -> Result<(), ProtocolError> {
        // Counts stay below the mark of narrow streams.
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

    /// Whether it was open.
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

    /// Uses credit for what is queued.
    pub(crate) fn spend(&mut self, id: StreamId, bytes: u64) {
        if let Some(state) = self.open.get_mut(&id) {
            debug_assert!(bytes <= state.credit, "more than the reader asked for");
            state.credit = state.credit.saturating_sub(bytes);
            state.queued += bytes;
        }
    }

    /// Some of what was queued leaves.
    pub(crate) fn leave(&mut self, id: StreamId, bytes: u64) {
        if let Some(state) = self.open.get_mut(&id) {
            state.queued = state.queued.saturating_sub(bytes);
        }
    }

    /// The other end sends `bytes`. Says whether anybody wants them: the stream may have been closed here meanwhile.
    pub(crate) fn receive(&mut self, id: StreamId, bytes: u64) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else { return Ok(false) };
        if state.finished_there {
            return Err(ProtocolError::StreamFinished(id));
        }
        // Nothing costs no credit, so nobody sends it.
        if bytes == 0 {
            return Err(ProtocolError::Malformed);
        }
        if bytes > state.window {
            return Err(ProtocolError::TooLong { what: "a stream's data", limit: STREAM_WINDOW_BYTES });
        }
        state.window -= bytes;
        Ok(true)
    }

    /// The other end sends nothing more. Says whether anybody cares.
    pub(crate) fn receive_finish(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else { return Ok(false) };
        Ok(!std::mem::replace(&mut state.finished_there, true))
    }

    /// The other end takes `bytes` more. Says whether anybody cares.
    pub(crate) fn receive_credit(&mut self, id: StreamId, bytes: u64) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else { return Ok(false) };
        let under_way = STREAM_WINDOW_BYTES - state.credit - state.queued;
        if bytes > under_way {
            return Err(ProtocolError::TooLong { what: "a stream's credit", limit: STREAM_WINDOW_BYTES });
        }
        state.credit += bytes;
        Ok(true)
    }

    /// The other end closes a stream. Says whether anybody cares.
    pub(crate) fn receive_close(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        Ok(self.known(id)?.is_some() && self.close(id))
    }

    /// The reader here has taken `bytes`. Returns the credit to announce, if it is time to. A narrow stream gets wider by
    /// that, while there is room.
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

    /// Whether a stream that the other end names is open still.
    pub(crate) fn is_known(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        Ok(self.known(id)?.is_some())
    }

    /// The state of a stream, nothing if it was closed here, an error if it never was.
    fn known(&mut self, id: StreamId) -> Result<Option<&mut State>, ProtocolError> {
        match self.open.get_mut(&id) {
            None if id.count() >= self.next => Err(ProtocolError::UnknownStream(id)),
            state => Ok(state),
        }
    }
}
