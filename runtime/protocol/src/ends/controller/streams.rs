//! The controller's end of streams and processes.

use bytes::Bytes;

use super::{ControllerConnection, event::ControllerEvent, upload::Upload};
use crate::{
    ProtocolError,
    ends::streams::Width,
    ids::StreamId,
    wire::message::ToAgent,
    wire::outbox::Piece,
    wire::stream::{Command, ProcessStreams, Service, Splice, StreamEnd, WindowSize},
};

impl ControllerConnection {
    /// Starts a process. With `terminal` the process gets a controlling terminal, where programs
    /// ask for passwords.
    pub fn start(&mut self, command: Command, terminal: bool) -> ProcessStreams {
        let streams = ProcessStreams {
            stdio: self.streams.open_next(Width::Wide),
            stderr: self.streams.open_next(Width::Narrow),
            terminal: terminal.then(|| self.streams.open_next(Width::Narrow)),
        };
        self.outbox.say(&ToAgent::Start { streams, command });
        streams
    }

    /// Sends a signal to a process and its process group; `id` is the stream of its stdin and
    /// stdout. Does nothing if that stream is closed.
    pub fn signal(&mut self, id: StreamId, signal: i32) {
        if self.streams.is_open(id) {
            self.outbox.say(&ToAgent::Signal { id, signal });
        }
    }

    /// Sets the size of a process' terminal; `id` is the stream that is the terminal's other side.
    pub fn resize(&mut self, id: StreamId, size: WindowSize) {
        if self.streams.is_open(id) {
            self.outbox.say(&ToAgent::Resize { id, size });
        }
    }

    /// Opens the streams of a program that is about to be called.
    pub fn open_streams(&mut self) -> ProcessStreams {
        ProcessStreams {
            stdio: self.streams.open_next(Width::Wide),
            stderr: self.streams.open_next(Width::Narrow),
            terminal: None,
        }
    }

    /// Opens a stream to a service of the agent.
    pub fn open(&mut self, service: Service) -> StreamId {
        let id = self.streams.open_next(Width::Wide);
        self.outbox.say(&ToAgent::Open { id, service });
        id
    }

    /// Opens `count` streams, at most [`MAX_CALL_STREAMS`](crate::MAX_CALL_STREAMS), for the items
    /// of a task that is about to be called.
    pub fn open_call_streams(&mut self, count: usize) -> Vec<StreamId> {
        (0..count)
            .map(|_| self.streams.open_next(Width::Narrow))
            .collect()
    }

    /// Sends on a stream. The caller keeps within the credit: one window, plus each
    /// [`ControllerEvent::Credit`]. Does nothing if the stream is closed.
    pub fn send(&mut self, id: StreamId, bytes: Bytes) {
        if self.streams.is_open(id) && !bytes.is_empty() {
            self.streams.spend(id, bytes.len() as u64);
            self.outbox.append(Upload::Stream(id), Piece::Bytes(bytes));
        }
    }

    /// Returns true if some of what was sent on a stream waits to be transmitted.
    pub fn is_sending(&self, id: StreamId) -> bool {
        self.outbox
            .is_sending(|upload| *upload == Upload::Stream(id))
    }

    /// Makes the agent put a part of a blob that it holds into a stream. This costs credit as
    /// sending does.
    pub fn splice(&mut self, id: StreamId, splice: Splice) {
        if self.streams.is_open(id) && splice.length > 0 {
            self.streams.spend(id, splice.length);
            self.outbox
                .append(Upload::Stream(id), Piece::Splice(splice));
        }
    }

    /// Tells the agent that nothing more follows on a stream.
    pub fn finish_stream(&mut self, id: StreamId) {
        if self.streams.is_open(id) {
            self.outbox.append(Upload::Stream(id), Piece::Finish);
        }
    }

    /// Reports that `bytes` of a stream's data were taken, and announces credit when enough has
    /// accumulated.
    pub fn taken(&mut self, id: StreamId, bytes: u64) {
        if let Some(bytes) = self.streams.take(id, bytes) {
            self.outbox.say(&ToAgent::Credit { id, bytes });
        }
    }

    /// Closes a stream; no more events about it follow. Does nothing if the stream is closed.
    pub fn close_stream(&mut self, id: StreamId) {
        if self.streams.close(id) {
            self.outbox
                .drop_payloads(|upload| *upload == Upload::Stream(id));
            self.outbox.say(&ToAgent::Close { id });
        }
    }

    pub(super) fn handle_data(&mut self, id: StreamId, bytes: &[u8]) -> Result<(), ProtocolError> {
        if self.streams.receive(id, bytes.len() as u64)? {
            let bytes = Bytes::copy_from_slice(bytes);
            self.events.push_back(ControllerEvent::Data { id, bytes });
        }
        Ok(())
    }

    pub(super) fn handle_credit(&mut self, id: StreamId, bytes: u64) -> Result<(), ProtocolError> {
        if self.streams.receive_credit(id, bytes)? {
            self.events.push_back(ControllerEvent::Credit { id, bytes });
        }
        Ok(())
    }

    pub(super) fn handle_finish(&mut self, id: StreamId) -> Result<(), ProtocolError> {
        if self.streams.receive_finish(id)? {
            self.events.push_back(ControllerEvent::Finished { id });
        }
        Ok(())
    }

    pub(super) fn handle_close(
        &mut self,
        id: StreamId,
        end: StreamEnd,
    ) -> Result<(), ProtocolError> {
        if self.streams.receive_close(id)? {
            self.outbox
                .drop_payloads(|upload| *upload == Upload::Stream(id));
            self.events
                .push_back(ControllerEvent::StreamClosed { id, end });
        }
        Ok(())
    }
}
