//! The driver's ends of streams.

use std::sync::Arc;

use tokio::sync::oneshot;
use wxec_protocol::{ProcessStreams, StreamEnd, StreamId};

use super::Driver;
use crate::session::{
    command::{StreamCommand, StreamCommands},
    loss::Loss,
    process::{Process, ProcessHandle},
    stream::{Inbox, StreamHandle, StreamReader, StreamWriter, Window},
};

/// The driver's ends of a stream.
pub(super) struct OpenStream {
    pub(super) inbox: Arc<Inbox>,
    pub(super) window: Arc<Window>,
    ended: Option<oneshot::Sender<Result<StreamEnd, Loss>>>,
}

impl OpenStream {
    /// Tells the part that waits for the end of the stream, if there is one.
    pub(super) fn end(&mut self, end: Result<StreamEnd, Loss>) {
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(end);
        }
    }
}

/// Wakes the reader and the writer of the stream: without the driver, nothing would serve them.
impl Drop for OpenStream {
    fn drop(&mut self) {
        self.window.close();
        self.inbox.lose();
    }
}

impl Driver {
    pub(super) fn open(
        &mut self,
        id: StreamId,
        ended: Option<oneshot::Sender<Result<StreamEnd, Loss>>>,
    ) -> (StreamReader, StreamWriter) {
        let (inbox, window) = (Arc::<Inbox>::default(), Arc::<Window>::default());
        window.add(id.window_bytes());
        let stream = OpenStream {
            inbox: inbox.clone(),
            window: window.clone(),
            ended,
        };
        self.streams.insert(id, stream);
        let commands = StreamCommands(self.commands.clone());
        (
            StreamReader::new(id, commands.clone(), inbox),
            StreamWriter::new(id, commands, window),
        )
    }

    /// Opens a stream to a service, for the part that asked for it.
    pub(super) fn open_service(
        &mut self,
        id: StreamId,
    ) -> (StreamReader, StreamWriter, StreamHandle) {
        let (reader, writer) = self.open(id, None);
        let commands = StreamCommands(self.commands.clone());
        (reader, writer, StreamHandle { id, commands })
    }

    /// Opens the streams of a new process, for the part that started it.
    pub(super) fn process(&mut self, streams: ProcessStreams) -> Process {
        let commands = StreamCommands(self.commands.clone());
        let (ended, end) = oneshot::channel();
        let (reader, writer) = self.open(streams.stdio, Some(ended));
        let (stderr_ended, end_of_stderr) = oneshot::channel();
        let (stderr, _) = self.open(streams.stderr, Some(stderr_ended));
        let terminal = streams.terminal.map(|id| self.open(id, None));
        let handle = ProcessHandle {
            streams,
            commands,
            ended: Some(end),
            stderr_ended: end_of_stderr,
        };
        Process {
            reader,
            writer,
            stderr,
            terminal,
            handle,
        }
    }

    pub(super) fn handle_stream_command(&mut self, command: StreamCommand) {
        match command {
            StreamCommand::Data { id, bytes } => self.connection.send(id, bytes),
            StreamCommand::Splice { id, splice } => self.connection.splice(id, splice),
            StreamCommand::Left { id, done } if self.streams.contains_key(&id) => {
                self.leaving.push((id, done));
            }
            // Dropping the sender tells that the stream is closed.
            StreamCommand::Left { .. } => {}
            StreamCommand::Finish { id } => self.connection.finish_stream(id),
            StreamCommand::Taken { id, bytes } => self.connection.taken(id, bytes),
            StreamCommand::Signal { id, signal } => self.connection.signal(id, signal),
            StreamCommand::Resize { id, size } => self.connection.resize(id, size),
            StreamCommand::Close { id } => {
                self.forget_stream(id);
                self.connection.close_stream(id);
            }
        }
    }

    /// Forgets a stream that is closed. Writers that wait for its data to leave are told.
    pub(super) fn forget_stream(&mut self, id: StreamId) -> Option<OpenStream> {
        self.leaving.retain(|(stream, _)| *stream != id);
        self.streams.remove(&id)
    }

    /// Tells writers whose data has left for the pipe.
    pub(super) fn tell_of_left(&mut self) {
        let is_sending = |id| self.connection.is_sending(id);
        for (_, done) in self.leaving.extract_if(.., |(id, _)| !is_sending(*id)) {
            let _ = done.send(());
        }
    }
}
