//! The agent's ends of streams: data from the controller goes into a writer, data from a reader
//! goes to the controller, each no faster than the other end takes it. [`Streams`] does not know
//! whether a process, a guest or a transfer is behind them.

/// The tasks that carry data between a stream and its end.
mod carry;
/// Streams for threads that may block.
mod blocking;
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
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use wxec_engine::Completion;
use wxec_protocol::{CallId, StreamEnd, StreamId};

pub(crate) use self::{
    blocking::{Input, Output},
    carry::{DRAIN_WITHIN, Drained, Exit},
};
use crate::tasks::boxed;

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

/// All streams that are connected to something.
pub(crate) struct Streams {
    events: Events,
    open: HashMap<StreamId, OpenStream>,
}

#[derive(Default)]
struct OpenStream {
    /// Takes received bytes. The window bounds how many are queued.
    input: Option<mpsc::UnboundedSender<Bytes>>,
    /// Bytes that the controller takes now.
    credit: Option<Arc<Semaphore>>,
    /// True if the controller closed the stream before it ended by itself.
    closed: Arc<AtomicBool>,
}

/// Wakes a reader that waits for credit: it need not wait any more.
impl Drop for OpenStream {
    fn drop(&mut self) {
        if let Some(credit) = &self.credit {
            credit.close();
        }
    }
}

impl Streams {
    pub(crate) fn new(events: Events) -> Self {
        Self {
            events,
            open: HashMap::new(),
        }
    }

    /// Returns the sender for events.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Writes the controller's data on a stream to `writer`.
    pub(crate) fn feed(&mut self, id: StreamId, writer: impl AsyncWrite + Send + Unpin + 'static) {
        let received = self.received(id);
        tokio::spawn(boxed(carry::feed(
            writer,
            received,
            id,
            self.events.clone(),
        )));
    }

    /// Sends the data of `reader` to the controller.
    pub(crate) fn drain(
        &mut self,
        id: StreamId,
        reader: impl AsyncRead + Send + Unpin + 'static,
        exit: Exit,
    ) -> JoinHandle<Drained> {
        let credit = self.new_credit(id);
        tokio::spawn(boxed(carry::drain(
            reader,
            exit,
            credit,
            id,
            self.events.clone(),
        )))
    }

    /// Returns both ends of a stream, for threads that may block.
    pub(crate) fn blocking(&mut self, id: StreamId) -> (Input, Output) {
        let input = Input::new(id, self.events.clone(), self.received(id));
        let output = Output::new(id, self.events.clone(), self.new_credit(id));
        (input, output)
    }

    /// Returns the queue of what is received from now on.
    fn received(&mut self, id: StreamId) -> mpsc::UnboundedReceiver<Bytes> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.open.entry(id).or_default().input = Some(sender);
        receiver
    }

    /// Returns the credit of a new stream, which is a window.
    fn new_credit(&mut self, id: StreamId) -> Arc<Semaphore> {
        let window = usize::try_from(id.window_bytes()).unwrap_or(usize::MAX);
        let credit = Arc::new(Semaphore::new(window));
        self.open.entry(id).or_default().credit = Some(credit.clone());
        credit
    }

    /// Returns a flag that becomes true if the controller closes a stream before the stream has
    /// ended.
    pub(crate) fn closed_flag(&mut self, id: StreamId) -> Arc<AtomicBool> {
        self.open.entry(id).or_default().closed.clone()
    }

    /// Passes on data from the controller.
    pub(crate) fn data(&self, id: StreamId, bytes: Bytes) {
        if let Some(input) = self.open.get(&id).and_then(|stream| stream.input.as_ref()) {
            let _ = input.send(bytes);
        }
    }

    /// Ends the input: the controller sends nothing more.
    pub(crate) fn finish(&mut self, id: StreamId) {
        if let Some(stream) = self.open.get_mut(&id) {
            stream.input = None;
        }
    }

    /// Adds credit: the controller takes `bytes` more.
    pub(crate) fn credit(&self, id: StreamId, bytes: u64) {
        if let Some(credit) = self.open.get(&id).and_then(|stream| stream.credit.as_ref()) {
            credit.add_permits(usize::try_from(bytes).unwrap_or(0));
        }
    }

    /// Closes a stream for the controller.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(stream) = self.open.remove(&id) {
            // Set before the input seems to end.
            stream.closed.store(true, SeqCst);
        }
    }

    /// Forgets a stream that has ended by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.open.remove(&id);
    }

    /// Ends all streams.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }
}
