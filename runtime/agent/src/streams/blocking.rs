//! The two ends of a stream for threads that may block: what travels wakes the event loop and the
//! thread, and nothing between them.

use std::{
    io::{self, Read, Write},
    mem,
    sync::Arc,
};

use bytes::{Buf, Bytes};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};
use wxec_protocol::{CHUNK_BYTES, StreamId};

use super::{Events, StreamEvent, carry::take_credit};

/// The thread tells of what it has taken in shares of the window: no less is announced as credit.
const TAKEN_SHARE: u64 = 4;

/// Reads what the controller sends, until it finishes or closes the stream.
pub(crate) struct Input {
    id: StreamId,
    events: Events,
    received: mpsc::UnboundedReceiver<Bytes>,
    /// The rest of what was received last.
    rest: Bytes,
    /// Bytes that were taken, and that the event loop does not know of.
    taken: u64,
}

/// Writes to the controller, no faster than it takes that. Dropping this finishes the stream.
pub(crate) struct Output {
    id: StreamId,
    events: Events,
    credit: Arc<Semaphore>,
    runtime: Handle,
}

impl Input {
    pub(super) fn new(
        id: StreamId,
        events: Events,
        received: mpsc::UnboundedReceiver<Bytes>,
    ) -> Self {
        Self {
            id,
            events,
            received,
            rest: Bytes::new(),
            taken: 0,
        }
    }

    fn note_taken(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        if self.taken >= self.id.window_bytes() / TAKEN_SHARE {
            let _ = self.events.send(StreamEvent::Taken {
                id: self.id,
                bytes: mem::take(&mut self.taken),
            });
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.received.blocking_recv().unwrap_or_default();
        }
        let length = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        self.note_taken(length);
        Ok(length)
    }
}

impl Output {
    pub(super) fn new(id: StreamId, events: Events, credit: Arc<Semaphore>) -> Self {
        let runtime = Handle::current();
        Self {
            id,
            events,
            credit,
            runtime,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let most = bytes.len().min(CHUNK_BYTES);
        let length = self.runtime.block_on(take_credit(&self.credit, most));
        let length = length.ok_or(io::ErrorKind::BrokenPipe)?;
        let _ = self.events.send(StreamEvent::Output {
            id: self.id,
            bytes: Bytes::copy_from_slice(&bytes[..length]),
        });
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.events.send(StreamEvent::Finished { id: self.id });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use wxec_protocol::cbor;

    use super::{super::Streams, *};

    const WINDOW: usize = 1 << 20;

    /// The first stream of a session, as the controller numbers it.
    fn id() -> StreamId {
        let number = cbor::encode(&0_u64).unwrap();
        cbor::decode(&number).unwrap()
    }

    /// A wide stream, as a thread and as the event loop have it.
    fn stream() -> (Input, Output, Streams, UnboundedReceiver<StreamEvent>) {
        let (events, received) = unbounded_channel();
        let mut streams = Streams::new(events);
        let (input, output) = streams.blocking(id());
        (input, output, streams, received)
    }

    #[tokio::test]
    async fn what_was_taken_is_told_of_in_shares() {
        let (mut input, _output, streams, mut events) = stream();
        streams.data(id(), vec![1; WINDOW / 2].into());
        drop(streams);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; 100_000];
            let mut lengths = vec![input.read(&mut bytes).unwrap()];
            while lengths.last() != Some(&0) {
                lengths.push(input.read(&mut bytes).unwrap());
            }
            lengths.iter().sum::<usize>()
        });
        assert_eq!(read.await.unwrap(), WINDOW / 2);
        let StreamEvent::Taken { bytes, .. } = events.recv().await.unwrap() else {
            panic!("something else happened");
        };
        assert_eq!(bytes, 300_000);
    }

    #[tokio::test]
    async fn a_writer_has_the_credit_of_the_window_and_ends_with_the_stream() {
        let (_input, mut output, mut streams, mut events) = stream();
        let wrote = tokio::task::spawn_blocking(move || {
            output.write_all(&vec![1; WINDOW]).unwrap();
            output.write_all(&[1]).map_err(|error| error.kind())
        });
        let mut sent = 0;
        while sent < WINDOW {
            match events.recv().await.unwrap() {
                StreamEvent::Output { bytes, .. } => sent += bytes.len(),
                _ => panic!("something else happened"),
            }
        }
        streams.close(id());
        assert_eq!(wrote.await.unwrap(), Err(io::ErrorKind::BrokenPipe));
        assert!(matches!(
            events.recv().await,
            Some(StreamEvent::Finished { .. })
        ));
    }
}
