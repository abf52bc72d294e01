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

/// Room that is made at a time, in terms of what has arrived. A length that is a lie costs no more
/// than this; one that is true is reached in few steps, and growing by doubling would take many.
const ROOM_TIMES_ARRIVED: usize = 16;

/// Appends a part to the bytes that have arrived, of `length` in all.
fn append(bytes: &mut Vec<u8>, part: &[u8], length: u64) {
    let arrived = bytes.len() + part.len();
    if bytes.capacity() < arrived {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let room = arrived.saturating_mul(ROOM_TIMES_ARRIVED).min(length);
        let _ = bytes.try_reserve_exact(room.saturating_sub(bytes.len()));
    }
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_what_arrives_and_not_for_what_is_announced() {
        let part = [7; 64 << 10];
        let length = 64 << 20;
        let (mut bytes, mut steps) = (Vec::new(), 0);
        while bytes.len() < length {
            let before = bytes.capacity();
            append(&mut bytes, &part, length as u64);
            steps += usize::from(bytes.capacity() != before);
            assert!(bytes.capacity() <= bytes.len() * ROOM_TIMES_ARRIVED);
        }
        assert_eq!((bytes.len(), bytes.capacity()), (length, length));
        assert_eq!(steps, 3);
    }
}
