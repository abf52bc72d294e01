//! Polls of the driver: by the session's task, for which the runtime watches the pipes, and by
//! threads, which look at the pipes themselves.

use std::{
    io,
    os::fd::OwnedFd,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Driver, End};
use crate::{
    base::waiter::Ready,
    session::{
        pipe::Pipe,
        transport::{Reader, Transport, Writer},
    },
};

impl Driver {
    /// Returns the two pipes of the transport, unless it is a stream of an agent.
    pub(in crate::session) fn pipes(&mut self) -> Option<[&mut Pipe; 2]> {
        match &mut self.transport {
            Transport {
                reader: Reader::Pipe(reader),
                writer: Writer::Pipe(writer),
                ..
            } => Some([reader, writer]),
            _ => None,
        }
    }

    /// Drives the session on, until it has to wait or has ended.
    pub(in crate::session) fn poll_watched(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        match self
            .each_pipe(Pipe::watch)
            .and_then(|()| self.advance(context))
        {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does the same for a thread. The end is kept for the task.
    pub(in crate::session) fn poll_unwatched(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.end.is_none() {
            let unwatched = self.each_pipe(Pipe::unwatch);
            self.end = unwatched.and_then(|()| self.advance(context)).err();
        }
        match self.end {
            None => Poll::Pending,
            Some(_) => Poll::Ready(()),
        }
    }

    fn each_pipe(&mut self, change: fn(&mut Pipe) -> io::Result<()>) -> Result<(), End> {
        let mut pipes = self.pipes().into_iter().flatten();
        Ok(pipes.try_for_each(change)?)
    }

    /// Returns the pipes that have to become ready: the one to read, and the one to write.
    pub(in crate::session) fn awaited(&mut self) -> [Option<Arc<OwnedFd>>; 2] {
        let is_writing = !self.outgoing.is_empty();
        match self.pipes() {
            Some([reader, writer]) => [reader.awaited(), writer.awaited().filter(|_| is_writing)],
            None => [None, None],
        }
    }

    /// Notes that pipes are ready.
    pub(in crate::session) fn note_ready(&mut self, ready: Ready) {
        if let Some([reader, writer]) = self.pipes() {
            if ready.read {
                reader.note_ready();
            }
            if ready.write {
                writer.note_ready();
            }
        }
    }
}
