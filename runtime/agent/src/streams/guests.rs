//! Guests that have streams: programs with their stdin, stdout and stderr, and tasks that send and
//! receive items.

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

use super::{Drained, Events, StreamEvent, Streams, task_streams};

/// Size of a guest's pipe, as in Linux.
const PIPE_BYTES: usize = 64 << 10;

/// The streams of guests that run, by call.
#[derive(Default)]
pub(crate) struct GuestStreams(HashMap<CallId, Vec<StreamId>>);

/// A program's ends of its streams.
pub(crate) struct GuestPipes {
    pub(crate) stdin: Reader,
    pub(crate) stdout: Writer,
    pub(crate) stderr: Writer,
    pub(crate) drains: Drains,
}

/// Tasks that carry a guest's output to the controller. Keep them until the guest is gone.
pub(crate) struct Drains {
    call: CallId,
    tasks: Vec<JoinHandle<Drained>>,
    events: Events,
    _runs: watch::Sender<Option<Instant>>,
}

impl GuestStreams {
    /// Connects a program to the streams of its call.
    pub(crate) fn connect_program(
        &mut self,
        call: CallId,
        ids: ProcessStreams,
        streams: &mut Streams,
    ) -> GuestPipes {
        // Each pair is used in one direction: dropping one end ends the other.
        let (stdin, writer) = duplex(PIPE_BYTES);
        let stdin = Stdin {
            reader: stdin,
            closed: streams.closed_flag(ids.stdio),
        };
        let (out_reader, stdout) = duplex(PIPE_BYTES);
        let (err_reader, stderr) = duplex(PIPE_BYTES);
        let (runs, exit) = watch::channel(None);
        streams.feed(ids.stdio, writer);
        let tasks = vec![
            streams.drain(ids.stdio, out_reader, exit.clone()),
            streams.drain(ids.stderr, err_reader, exit),
        ];
        self.0.insert(call, ids.ids().collect());
        let drains = Drains {
            call,
            tasks,
            events: streams.events().clone(),
            _runs: runs,
        };
        GuestPipes {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            drains,
        }
    }

    /// Connects a task to the streams of its call, if it has any.
    pub(crate) fn connect_task(
        &mut self,
        call: CallId,
        ids: Vec<StreamId>,
        streams: &mut Streams,
    ) -> Option<(Vec<Duplex>, Drains)> {
        if ids.is_empty() {
            return None;
        }
        let (runs, exit) = watch::channel(None);
        let (ends, tasks) = ids
            .iter()
            .map(|id| task_streams::connect(*id, streams, exit.clone()))
            .unzip::<_, _, Vec<_>, _>();
        let ends = ends
            .into_iter()
            .map(|end| Box::new(end) as Duplex)
            .collect();
        self.0.insert(call, ids);
        Some((
            ends,
            Drains {
                call,
                tasks,
                events: streams.events().clone(),
                _runs: runs,
            },
        ))
    }

    /// Forgets a guest that is gone, with its pipes.
    pub(crate) fn remove(&mut self, call: CallId, streams: &mut Streams) {
        if let Some(ids) = self.0.remove(&call) {
            ids.into_iter().for_each(|id| streams.ended(id));
        }
    }
}

impl Drains {
    /// Reports the guest's end after everything it wrote was reported. That takes as long as the
    /// controller takes to read.
    pub(crate) async fn finish(self, completion: Completion) {
        for task in self.tasks {
            let _ = task.await;
        }
        let _ = self.events.send(StreamEvent::Returned {
            call: self.call,
            completion,
        });
    }
}

/// A guest's stdin. If the controller closes the stream in the middle, reading fails instead of
/// reporting the end.
struct Stdin {
    reader: DuplexStream,
    closed: Arc<AtomicBool>,
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
        Poll::Ready(if at_end && self.closed.load(SeqCst) {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            read
        })
    }
}
