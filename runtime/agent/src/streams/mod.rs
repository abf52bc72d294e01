//! The agent's ends of streams: data from the controller goes into a writer, data from a reader
//! goes to the controller, each no faster than the other end takes it. This module does not know
//! whether a process, a guest or a transfer is behind them.

/// Guests that have streams, by call.
pub(crate) mod guests;
/// A task's ends of its call's streams.
mod task_streams;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
    time::Instant,
};
use wxec_engine::Completion;
use wxec_protocol::{CHUNK_BYTES, CallId, StreamEnd, StreamId};

/// Time to read on after the writing process has ended. Another process may hold its output open
/// and write nothing more, as daemons do for as long as they live. Half a second is enough for the
/// last output of a pipeline, and too short to annoy.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// Most bytes that can still be in a pipe then: unprivileged programs cannot make a pipe larger.
/// More must come from other processes.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// Size of the first read buffer, until a stream brings more: thousands of streams may bring
/// nothing.
const FIRST_READ_BYTES: usize = 4 << 10;

/// Events of streams, in order for each stream.
pub(crate) enum StreamEvent {
    /// Bytes to send.
    Output { id: StreamId, bytes: Bytes },
    /// Received bytes were taken.
    Taken { id: StreamId, bytes: u64 },
    /// Nothing more follows.
    Finished { id: StreamId },
    /// The stream has ended.
    End { id: StreamId, end: StreamEnd },
    /// A guest with streams has ended, and the events for everything it sent came before.
    Returned {
        call: CallId,
        completion: Completion,
    },
}

pub(crate) type Events = mpsc::UnboundedSender<StreamEvent>;

/// The way an output ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Every writer has closed it, or the controller wants no more.
    Ended,
    /// Other processes than its own hold it, and were not waited for.
    Cut,
}

/// All streams that are connected to something.
pub(crate) struct Streams {
    events: Events,
    joined: HashMap<StreamId, Joined>,
}

#[derive(Default)]
struct Joined {
    /// Takes received bytes. The window bounds how many are queued.
    input: Option<mpsc::UnboundedSender<Bytes>>,
    /// Bytes that the controller takes now.
    credit: Option<Arc<Semaphore>>,
    /// True if the controller closed the stream before it ended by itself.
    cut: Arc<AtomicBool>,
}

/// Wakes a reader that waits for credit: it need not wait any more.
impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(credit) = &self.credit {
            credit.close();
        }
    }
}

/// Tells when the process behind an output ended; `None` until then. It stays `None` if only the
/// writer's end shall end the output.
pub(crate) type Exit = watch::Receiver<Option<Instant>>;

impl Streams {
    pub(crate) fn new(events: Events) -> Self {
        Self {
            events,
            joined: HashMap::new(),
        }
    }

    /// Returns the sender for events.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Writes the controller's data on a stream to `writer`.
    pub(crate) fn feed(&mut self, id: StreamId, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.joined.entry(id).or_default().input = Some(sender);
        tokio::spawn(feed(writer, receiver, id, self.events.clone()));
    }

    /// Sends the data of `reader` to the controller.
    pub(crate) fn drain(
        &mut self,
        id: StreamId,
        reader: impl AsyncRead + Send + Unpin + 'static,
        exit: Exit,
    ) -> JoinHandle<Drained> {
        let window = usize::try_from(id.window_bytes()).unwrap_or(usize::MAX);
        let credit = Arc::new(Semaphore::new(window));
        self.joined.entry(id).or_default().credit = Some(credit.clone());
        tokio::spawn(drain(reader, exit, credit, id, self.events.clone()))
    }

    /// Returns a flag that becomes true if the controller closes a stream before the stream has
    /// ended.
    pub(crate) fn cut(&mut self, id: StreamId) -> Arc<AtomicBool> {
        self.joined.entry(id).or_default().cut.clone()
    }

    /// Passes on data from the controller.
    pub(crate) fn data(&self, id: StreamId, bytes: Bytes) {
        if let Some(input) = self
            .joined
            .get(&id)
            .and_then(|joined| joined.input.as_ref())
        {
            let _ = input.send(bytes);
        }
    }

    /// Ends the input: the controller sends nothing more.
    pub(crate) fn finish(&mut self, id: StreamId) {
        if let Some(joined) = self.joined.get_mut(&id) {
            joined.input = None;
        }
    }

    /// Adds credit: the controller takes `bytes` more.
    pub(crate) fn credit(&self, id: StreamId, bytes: u64) {
        if let Some(credit) = self
            .joined
            .get(&id)
            .and_then(|joined| joined.credit.as_ref())
        {
            credit.add_permits(usize::try_from(bytes).unwrap_or(0));
        }
    }

    /// Closes a stream for the controller.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(joined) = self.joined.remove(&id) {
            // Set before the input seems to end.
            joined.cut.store(true, SeqCst);
        }
    }

    /// Forgets a stream that has ended by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.joined.remove(&id);
    }

    /// Ends all streams.
    pub(crate) fn clear(&mut self) {
        self.joined.clear();
    }
}

async fn feed(
    mut writer: impl AsyncWrite + Unpin,
    mut input: mpsc::UnboundedReceiver<Bytes>,
    id: StreamId,
    events: Events,
) {
    let mut broken = false;
    while let Some(bytes) = input.recv().await {
        // A process may stop reading and continue all the same: data that it does not want counts
        // as taken.
        broken = broken || writer.write_all(&bytes).await.is_err();
        let _ = events.send(StreamEvent::Taken {
            id,
            bytes: bytes.len() as u64,
        });
    }
    if !broken {
        let _ = writer.shutdown().await;
    }
}

/// Reads no more than the controller takes.
async fn drain(
    mut reader: impl AsyncRead + Unpin,
    mut exit: Exit,
    credit: Arc<Semaphore>,
    id: StreamId,
    events: Events,
) -> Drained {
    let mut buffer = vec![0; FIRST_READ_BYTES];
    let (mut since_exit, mut drained_as) = (0, Drained::Ended);
    while let Ok(first) = credit.acquire().await {
        first.forget();
        let more = credit.available_permits().min(buffer.len() - 1);
        // This task is the only one that takes from the semaphore.
        if let Ok(more) = credit.try_acquire_many(u32::try_from(more).unwrap_or(0)) {
            more.forget();
        }
        let read = tokio::select! {
            // Available output comes first, however long it waited for credit.
            biased;
            read = reader.read(&mut buffer[..=more]) => read,
            () = drained(&mut exit) => {
                drained_as = Drained::Cut;
                break;
            }
        };
        match read {
            Ok(length @ 1..) => {
                credit.add_permits(more + 1 - length);
                let _ = events.send(StreamEvent::Output {
                    id,
                    bytes: Bytes::copy_from_slice(&buffer[..length]),
                });
                if length == buffer.len() && length < CHUNK_BYTES {
                    buffer.resize(CHUNK_BYTES.min(4 * length), 0);
                }
                since_exit += if exit.borrow().is_some() { length } else { 0 };
                if since_exit > MAX_PIPE_BYTES {
                    drained_as = Drained::Cut;
                    break;
                }
            }
            // A terminal that no program has open any more reports this by an error.
            Ok(0) | Err(_) => break,
        }
    }
    let _ = events.send(StreamEvent::Finished { id });
    drained_as
}

/// Waits until the process has been gone for [`DRAIN_WITHIN`].
async fn drained(exit: &mut Exit) {
    let exited = exit
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|exited| *exited);
    tokio::time::sleep_until(exited.unwrap_or_else(Instant::now) + DRAIN_WITHIN).await;
}
