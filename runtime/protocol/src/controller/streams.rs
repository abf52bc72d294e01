//! The controller's end of streams, of blobs, and of what else a chain needs.

use bytes::Bytes;

use super::{ControllerConnection, Upload};
use crate::{
    Digest,
    message::ToAgent,
    outbox::Piece,
    stream::{Command, ProcessStreams, Service, Splice, StreamId, Width, WindowSize},
};

impl ControllerConnection {
    /// Starts a process. A terminal of its own is where programs ask for passwords.
    pub fn start(&mut self, command: Command, terminal: bool) -> ProcessStreams {
        let streams = ProcessStreams {
            stdio: self.streams.open_next(Width::Wide),
            stderr: self.streams.open_next(Width::Narrow),
            terminal: terminal.then(|| self.streams.open_next(Width::Narrow)),
        };
        self.outbox.say(&ToAgent::Start { streams, command });
        streams
    }

    /// Sends a signal to a process and its group; `id` is its stdin and stdout. Harmless if it has ended.
    pub fn signal(&mut self, id: StreamId, signal: i32) {
        if self.streams.is_open(id) {
            self.outbox.say(&ToAgent::Signal { id, signal });
        }
    }

    /// Tells the size of a process' terminal; `id` is its other side.
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

    /// Opens `count` streams, no more than [`MAX_CALL_STREAMS`](crate::MAX_CALL_STREAMS), for what a task sends and
    /// receives that is about to be called.
    pub fn open_call_streams(&mut self, count: usize) -> Vec<StreamId> {
        (0..count).map(|_| self.streams.open_next(Width::Narrow)).collect()
    }

    /// Sends on a stream, no more than the agent takes: one window, and what each [`ControllerEvent::Credit`](crate::ControllerEvent::Credit) adds to it.
    /// Harmless if it is closed.
    pub fn send(&mut self, id: StreamId, bytes: Bytes) {
        if self.streams.is_open(id) && !bytes.is_empty() {
            self.streams.spend(id, bytes.len() as u64);
            self.outbox.append(Upload::Stream(id), Piece::Bytes(bytes));
        }
    }

    /// Has the agent put a part of a blob it holds into a stream. It needs credit as sending does.
    pub fn splice(&mut self, id: StreamId, splice: Splice) {
        if self.streams.is_open(id) && splice.length > 0 {
            self.streams.spend(id, splice.length);
            self.outbox.append(Upload::Stream(id), Piece::Splice(splice));
        }
    }

    /// Sends nothing more on a stream.
    pub fn finish_stream(&mut self, id: StreamId) {
        if self.streams.is_open(id) {
            self.outbox.append(Upload::Stream(id), Piece::Finish);
        }
    }

    /// What a stream brought was taken, `bytes` of it.
    pub fn taken(&mut self, id: StreamId, bytes: u64) {
        if let Some(bytes) = self.streams.take(id, bytes) {
            self.outbox.say(&ToAgent::Credit { id, bytes });
        }
    }

    /// Closes a stream; nothing more is heard of it. Harmless if it is closed.
    pub fn close_stream(&mut self, id: StreamId) {
        if self.streams.close(id) {
            self.outbox.drop_payloads(|upload| *upload == Upload::Stream(id));
            self.outbox.say(&ToAgent::Close { id });
        }
    }

    /// Asks whether the agent holds a blob, or is it; [`ControllerEvent::Blob`](crate::ControllerEvent::Blob) answers.
    pub fn ask_blob(&mut self, digest: Digest) {
        if self.blobs.insert(digest) {
            self.outbox.say(&ToAgent::AskBlob { digest });
        }
    }

    /// Sends a blob to hold; [`ControllerEvent::Blob`](crate::ControllerEvent::Blob) answers.
    pub fn send_blob(&mut self, digest: Digest, blob: Bytes) {
        if self.blobs.insert(digest) {
            let length = blob.len() as u64;
            self.outbox.send(Upload::Blob { digest, length }, blob);
        }
    }

    /// Asks what sort of place the agent is in; [`ControllerEvent::Description`](crate::ControllerEvent::Description) answers.
    pub fn describe(&mut self) {
        self.describing += 1;
        self.outbox.say(&ToAgent::Describe);
    }
}
