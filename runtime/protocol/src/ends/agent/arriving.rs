//! Calls and blobs that have arrived in part.

use super::event::AgentEvent;
use crate::{
    ProtocolError,
    digest::Hasher,
    ids::StreamId,
    wire::bounds::MAX_CALL_STREAMS,
    wire::call::{CallRequest, Entry},
    wire::message::MAX_MODULE_BYTES,
    wire::stream::{ProcessStreams, StreamEnd},
};

#[derive(Debug)]
pub(super) struct ArrivingCall {
    /// The call, without its input.
    pub(super) request: CallRequest,
    pub(super) input_length: u64,
    pub(super) input: Vec<u8>,
    /// Events of its streams that arrived before the call was complete, bounded by their windows.
    pub(super) early: Vec<AgentEvent>,
}

impl ArrivingCall {
    pub(super) fn new(request: CallRequest, input_length: u64) -> Self {
        Self {
            request,
            input_length,
            input: Vec::new(),
            early: Vec::new(),
        }
    }

    pub(super) fn has_streams(&self) -> bool {
        self.streams_as_opened().next().is_some()
    }

    pub(super) fn has(&self, id: StreamId) -> bool {
        self.streams_as_opened().any(|stream| stream == id)
    }

    /// Returns the call's streams in the order in which to end them, each with the end it gets if
    /// it is still open then.
    pub(super) fn streams(&self) -> Result<Vec<(StreamId, StreamEnd)>, ProtocolError> {
        let CallRequest { entry, streams, .. } = &self.request;
        if streams.len() > MAX_CALL_STREAMS {
            return Err(ProtocolError::TooManyStreams(streams.len()));
        }
        let of_program = match *entry {
            Entry::Command { streams, .. } => Some(streams),
            Entry::Function(_) | Entry::Resident { .. } => None,
        };
        let of_program = of_program
            .iter()
            .flat_map(ProcessStreams::ids)
            .map(|id| (id, StreamEnd::Closed));
        Ok(of_program
            .chain(streams.iter().map(|id| (*id, StreamEnd::CallEnded)))
            .collect())
    }

    /// Returns the same streams in the order of their numbers.
    pub(super) fn streams_as_opened(&self) -> impl Iterator<Item = StreamId> + use<'_> {
        let of_program = match self.request.entry {
            Entry::Command {
                streams: ProcessStreams { stdio, stderr, .. },
                ..
            } => Some([stdio, stderr]),
            Entry::Function(_) | Entry::Resident { .. } => None,
        };
        of_program
            .into_iter()
            .flatten()
            .chain(self.request.streams.iter().copied())
    }

    /// Adds a part of the input. Returns true if it was the last one.
    pub(super) fn receive(&mut self, part: &[u8]) -> Result<bool, ProtocolError> {
        let received = (self.input.len() + part.len()) as u64;
        if received > self.input_length {
            return Err(ProtocolError::TooLong {
                what: "an input",
                limit: self.input_length,
            });
        }
        append(&mut self.input, part, self.input_length);
        Ok(received == self.input_length)
    }
}

#[derive(Debug, Default)]
pub(super) struct ArrivingBlob {
    pub(super) hasher: Hasher,
    pub(super) bytes: Vec<u8>,
}

impl ArrivingBlob {
    /// Adds a part. Returns true if it was the last one.
    pub(super) fn receive(
        &mut self,
        what: &'static str,
        length: u64,
        part: &[u8],
    ) -> Result<bool, ProtocolError> {
        let received = (self.bytes.len() + part.len()) as u64;
        if length > MAX_MODULE_BYTES || received > length {
            return Err(ProtocolError::TooLong {
                what,
                limit: length.min(MAX_MODULE_BYTES),
            });
        }
        self.hasher.update(part);
        append(&mut self.bytes, part, length);
        Ok(received == length)
    }
}

/// Appends a part to the bytes that have arrived, of `length` in all. The first part makes room for
/// all, where there is room: growing step by step would copy the bytes again and again. A length
/// that is a lie costs address space and one page, within the bounds that were checked before.
fn append(bytes: &mut Vec<u8>, part: &[u8], length: u64) {
    if bytes.capacity() == 0
        && let Ok(length) = usize::try_from(length)
    {
        let _ = bytes.try_reserve_exact(length);
    }
    bytes.extend_from_slice(part);
}
