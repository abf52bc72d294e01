//! The open streams of one end, and the credit of each.

use std::collections::HashMap;

use crate::{
    ProtocolError,
    ids::StreamId,
    wire::bounds::{ANNOUNCED_SHARE, MAX_WIDE_STREAMS, STREAM_WINDOW_BYTES},
};

/// Bytes that narrow streams may have beyond [`NARROW_WINDOW_BYTES`], all together, when their
/// readers take much.
const GROWTH_BYTES: u64 = 64 << 20;

/// Number of bytes that may be under way on a new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// The full window, unless too many wide streams are open.
    Wide,
    /// A small window, for streams that seldom carry more.
    Narrow,
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
        let next =
            Some(id.count() + 1).filter(|next| id.count() >= self.next && *next < StreamId::NARROW);
        self.next = next.ok_or(ProtocolError::UnknownStream(id))?;
        if id.is_wide() {
            self.wide += 1;
            if self.wide > MAX_WIDE_STREAMS {
                return Err(ProtocolError::TooManyWideStreams);
            }
        }
        let [credit, window, width] = [id.window_bytes(); 3];
        self.open.insert(
            id,
            State {
                credit,
                queued: 0,
                window,
                width,
                taken: 0,
                finished_there: false,
            },
        );
        Ok(())
    }

    /// Returns true if the stream was open.
    pub(crate) fn close(&mut self, id: StreamId) -> bool {
        let Some(state) = self.open.remove(&id) else {
            return false;
        };
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
        let Some(state) = self.known(id)? else {
            return Ok(false);
        };
        if state.finished_there {
            return Err(ProtocolError::StreamFinished(id));
        }
        // An empty message costs no credit; reject it, or a peer could flood us.
        if bytes == 0 {
            return Err(ProtocolError::Malformed);
        }
        if bytes > state.window {
            return Err(ProtocolError::TooLong {
                what: "a stream's data",
                limit: state.width,
            });
        }
        state.window -= bytes;
        Ok(true)
    }

    /// Records that the other end sends nothing more. Returns false if that was known, or the
    /// stream was closed here.
    pub(crate) fn receive_finish(&mut self, id: StreamId) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else {
            return Ok(false);
        };
        Ok(!std::mem::replace(&mut state.finished_there, true))
    }

    /// Records that the other end takes `bytes` more. Returns false if the stream was closed here.
    pub(crate) fn receive_credit(
        &mut self,
        id: StreamId,
        bytes: u64,
    ) -> Result<bool, ProtocolError> {
        let Some(state) = self.known(id)? else {
            return Ok(false);
        };
        let under_way = STREAM_WINDOW_BYTES - state.credit - state.queued;
        if bytes > under_way {
            return Err(ProtocolError::TooLong {
                what: "a stream's credit",
                limit: STREAM_WINDOW_BYTES,
            });
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
        let growth = state
            .width
            .min(STREAM_WINDOW_BYTES - state.width)
            .min(GROWTH_BYTES - self.grown);
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
