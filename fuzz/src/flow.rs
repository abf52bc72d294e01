//! One end's view of a stream, counted independently of its connection.

use bytes::Bytes;
use wxec_protocol::{STREAM_WINDOW_BYTES, StreamId};

use crate::{Peer, payload::payload};

#[derive(Debug)]
pub(crate) struct Flow {
    peer: Peer,
    credit: u64,
    sent: u64,
    received: u64,
    taken: u64,
    pub(crate) finished_here: bool,
    finished_there: bool,
}

impl Flow {
    pub(crate) fn new(peer: Peer, id: StreamId) -> Self {
        let [sent, received, taken] = [0; 3];
        Self {
            peer,
            credit: id.window_bytes(),
            sent,
            received,
            taken,
            finished_here: false,
            finished_there: false,
        }
    }

    /// Returns the next bytes to send: up to `length`, within the credit, and none after the end.
    pub(crate) fn send(&mut self, length: usize) -> Bytes {
        let length = if self.finished_here {
            0
        } else {
            length.min(usize::try_from(self.credit).expect("a window fits"))
        };
        let bytes = payload(self.sent, length);
        self.sent += length as u64;
        self.credit -= length as u64;
        bytes
    }

    /// Returns how many of the received bytes to take now: up to `length`.
    pub(crate) fn take(&mut self, length: usize) -> u64 {
        let length = (self.received - self.taken).min(length as u64);
        self.taken += length;
        length
    }

    pub(crate) fn hear_data(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "data that is none");
        assert!(
            self.peer == Peer::Any || bytes == payload(self.received, bytes.len()),
            "other data than was sent"
        );
        self.hear_length(bytes.len() as u64);
    }

    pub(crate) fn hear_length(&mut self, length: u64) {
        assert!(!self.finished_there, "data after the end");
        self.received += length;
        assert!(
            self.received - self.taken <= STREAM_WINDOW_BYTES,
            "more than was asked for"
        );
    }

    pub(crate) fn hear_credit(&mut self, bytes: u64) {
        self.credit += bytes;
        assert!(
            self.credit <= STREAM_WINDOW_BYTES,
            "credit for what was never sent"
        );
    }

    pub(crate) fn hear_finish(&mut self) {
        assert!(!self.finished_there, "the end was told twice");
        self.finished_there = true;
    }
}
