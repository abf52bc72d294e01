//! Guests that have streams: programs, whose stdin, stdout and stderr they are, and tasks that send and receive.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, DuplexStream, ReadBuf, duplex},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};
use wxec_engine::{Completion, Duplex, Reader, Writer};
use wxec_protocol::{CallId, ProcessStreams, StreamId};

use crate::{
    streams::{Drained, Events, StreamEvent, Streams},
    task_streams,
};

/// What a guest's pipe holds, as Linux' pipes do.
const PIPE_BYTES: usize = 64 << 10;

/// The streams of guests that run.
#[derive(Default)]
pub(crate) struct Guests(HashMap<CallId, Vec<StreamId>>);

/// A program's ends of its streams.
pub(crate) struct GuestPipes {
    pub(crate) stdin: Reader,
    pub(crate) stdout: Writer,
    pub(crate) stderr: Writer,
    pub(crate) drains: Drains,
}

/// What carries a guest's output to the controller. It is to be kept until the guest is gone.
pub(crate) struct Drains {
    call: CallId,
    tasks: Vec<JoinHandle<Drained>>,
    events: Events,
    _runs: watch::Sender<Option<Instant>>,
}

impl Guests {
    /// Joins a program to the streams of its call.
    pub(crate) fn join_program(&mut self, call: CallId, ids: ProcessStreams, streams: &mut Streams) -> GuestPipes {
        // Of each pair one direction is used: dropping one end of it ends the other.
        let (stdin, writer) = duplex(PIPE_BYTES);
        let stdin = Stdin { reader: stdin, cut: streams.cut(ids.stdio) };
        let (out_reader, stdout) = duplex(PIPE_BYTES);
        let (err_reader, stderr) = duplex(PIPE_BYTES);
        let (runs, exit) = watch::channel(None);
        streams.feed(ids.stdio, writer);
        let tasks =
            vec![streams.drain(ids.stdio, out_reader, exit.clone()), streams.drain(ids.stderr, err_reader, exit)];
        self.0.insert(call, ids.ids().collect());
        let drains = Drains { call, tasks, events: streams.events().clone(), _runs: runs };
        GuestPipes { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), drains }
    }

    /// Joins a task to the streams of its call, if it has any.
    pub(crate) fn join_task(
        &mut self,
        call: CallId,
        ids: Vec<StreamId>,
        streams: &mut Streams,
    ) -> Option<(Vec<Duplex>, Drains)> {
        if ids.is_empty() {
            return None;
        }
        let (runs, exit) = watch::channel(None);
        let (ends, tasks) =
            ids.iter().map(|id| task_streams::join(*id, streams, exit.clone())).unzip::<_, _, Vec<_>, _>();
        let ends = ends.into_iter().map(|end| Box::new(end) as Duplex).collect();
        self.0.insert(call, ids);
        Some((ends, Drains { call, tasks, events: streams.events().clone(), _runs: runs }))
    }

    /// A guest is gone: so are its pipes.
    pub(crate) fn gone(&mut self, call: CallId, streams: &mut Streams) {
        if let Some(ids) = self.0.remove(&call) {
            ids.into_iter().for_each(|id| streams.ended(id));
        }
    }
}

impl Drains {
    /// Tells how the guest ended, once everything it wrote has been told. That takes as long as the controller does.
    pub(crate) async fn finish(self, completion: Completion) {
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = self.events.send(StreamEvent::Returned { call: self.call, completion });
    }
}

/// What a guest reads. Where the controller closed the stream in the middle, that is no end of a file.
struct Stdin {
    reader: DuplexStream,
    cut: Arc<AtomicBool>,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.reader).poll_read(context, buffer));
        let at_end = buffer.filled().len() == before && buffer.remaining() > 0;
        Poll::Ready(if at_end && self.cut.load(SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { read })
    }
}
