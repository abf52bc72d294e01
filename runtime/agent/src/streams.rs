//! The agent's ends of streams: what the controller sends goes into a writer, what a reader brings goes to the
//! controller, each no faster than the other end takes it. What they belong to, a process or a guest, is not known here.

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

/// Who wrote it is gone, and its output seems to have ended: another process may hold it open and write no more, as daemons do
/// for as long as they live. Half a second is enough for the last words of a pipeline, and too little to annoy.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// What can still be in a pipe then, at most: unprivileged programs cannot make a pipe larger. More comes from others.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// What is read at once, until a stream shows that it brings more: there may be thousands that bring nothing.
const FIRST_READ_BYTES: usize = 4 << 10;

/// What happens on streams, in order for each of them.
pub(crate) enum StreamEvent {
    /// Something is to be sent.
    Output { id: StreamId, bytes: Bytes },
    /// What was received was taken.
    Taken { id: StreamId, bytes: u64 },
    /// Nothing more is to be sent.
    Finished { id: StreamId },
    /// It is over.
    End { id: StreamId, end: StreamEnd },
    /// A guest with streams has ended, and all it sent there was told before.
    Returned { call: CallId, completion: Completion },
}

pub(crate) type Events = mpsc::UnboundedSender<StreamEvent>;

/// How an output ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Everybody has closed it, or nobody wants more.
    Ended,
    /// Others than the process that it belonged to hold it, and were not waited for.
    Cut,
}

/// All streams that something is joined to.
pub(crate) struct Streams {
    events: Events,
    joined: HashMap<StreamId, Joined>,
}

#[derive(Default)]
struct Joined {
    /// What was received. The window bounds what is in it.
    input: Option<mpsc::UnboundedSender<Bytes>>,
    /// How much more the controller takes now.
    credit: Option<Arc<Semaphore>>,
    /// Says that the controller closed the stream, which did not end by itself.
    cut: Arc<AtomicBool>,
}

/// Whoever waits for credit need not any more.
impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(credit) = &self.credit {
            credit.close();
        }
    }
}

/// When the process behind an output was gone, if it is. An output that only its writer's end ends has nobody to tell.
pub(crate) type Exit = watch::Receiver<Option<Instant>>;

impl Streams {
    pub(crate) fn new(events: Events) -> Self {
        Self { events, joined: HashMap::new() }
    }

    /// Where to tell what happens.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Has `writer` get what the controller sends on a stream.
    pub(crate) fn feed(&mut self, id: StreamId, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.joined.entry(id).or_default().input = Some(sender);
        tokio::spawn(feed(writer, receiver, id, self.events.clone()));
    }

    /// Has the controller get what `reader` brings.
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

    /// What becomes true if the controller closes a stream before that has ended.
    pub(crate) fn cut(&mut self, id: StreamId) -> Arc<AtomicBool> {
        self.joined.entry(id).or_default().cut.clone()
    }

    /// The controller sends something.
    pub(crate) fn data(&self, id: StreamId, bytes: Bytes) {
        if let Some(input) = self.joined.get(&id).and_then(|joined| joined.input.as_ref()) {
            let _ = input.send(bytes);
        }
    }

    /// The controller sends nothing more.
    pub(crate) fn finish(&mut self, id: StreamId) {
        if let Some(joined) = self.joined.get_mut(&id) {
            joined.input = None;
        }
    }

    /// The controller takes `bytes` more.
    pub(crate) fn credit(&self, id: StreamId, bytes: u64) {
        if let Some(credit) = self.joined.get(&id).and_then(|joined| joined.credit.as_ref()) {
            credit.add_permits(usize::try_from(bytes).unwrap_or(0));
        }
    }

    /// The controller wants a stream no more.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(joined) = self.joined.remove(&id) {
            // Before what was received seems to end.
            joined.cut.store(true, SeqCst);
        }
    }

    /// A stream is over by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.joined.remove(&id);
    }

    /// All of them are over.
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
        // A process may stop reading and go on all the same: what it does not want is as good as taken.
        broken = broken || writer.write_all(&bytes).await.is_err();
        let _ = events.send(StreamEvent::Taken { id, bytes: bytes.len() as u64 });
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
        // Nobody else takes from it.
        if let Ok(more) = credit.try_acquire_many(u32::try_from(more).unwrap_or(0)) {
            more.forget();
        }
        let read = tokio::select! {
            // What is there comes first, however long it had to wait for credit.
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
                let _ = events.send(StreamEvent::Output { id, bytes: Bytes::copy_from_slice(&buffer[..length]) });
                if length == buffer.len() && length < CHUNK_BYTES {
                    buffer.resize(CHUNK_BYTES.min(4 * length), 0);
                }
                since_exit += if exit.borrow().is_some() { length } else { 0 };
                if since_exit > MAX_PIPE_BYTES {
                    drained_as = Drained::Cut;
                    break;
                }
            }
            // A terminal that nobody has open any more says so by an error.
            Ok(0) | Err(_) => break,
        }
    }
    let _ = events.send(StreamEvent::Finished { id });
    drained_as
}

/// Waits until the process has been gone for a while.
async fn drained(exit: &mut Exit) {
    let exited = exit.wait_for(Option::is_some).await.ok().and_then(|exited| *exited);
    tokio::time::sleep_until(exited.unwrap_or_else(Instant::now) + DRAIN_WITHIN).await;
}
