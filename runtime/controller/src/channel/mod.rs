//! Channels: they carry items between tasks that run and other code of this program.
//!
//! A channel is a queue in this process. [`bridge`] joins its ends to streams of calls.

mod bridge;
mod end;
mod queue;

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_core::Stream;
use futures_sink::Sink;

pub(crate) use self::bridge::{Bridges, Incoming};
use self::queue::{Item, Queue, block_on};
pub use self::{
    bridge::{Arguments, ChannelEnds, ReturnedStream},
    end::{ChannelEnd, RecvError, SendError},
};
use crate::base::sync::lock;

/// Makes a channel. Items come out in the order in which they were sent. A sender waits while 1024
/// items or a mebibyte wait for the receiver.
///
/// An end that is an argument of a task moves to the task's host; the other end stays here. A task
/// that is called as a plain function uses the channel as it is.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// let (numbers, received) = wxec::channel();
/// std::thread::spawn(move || (1..4).try_for_each(|n| numbers.send(n)));
/// assert_eq!(received.into_iter().sum::<i32>(), 6);
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let queue = Arc::<Queue<T>>::default();
    let sender = Sender {
        queue: queue.clone(),
        host: HERE.into(),
        closed: false,
    };
    (
        sender,
        Receiver {
            source: Arc::new(Source::Queue(queue)),
            given: AtomicBool::new(false),
        },
    )
}

/// The name that stands for this program as a host.
const HERE: &str = "local";

/// The sending end of a [`channel`]. Clones send into the same channel, which ends when the last of
/// them is dropped.
pub struct Sender<T> {
    queue: Arc<Queue<T>>,
    /// The host that items come from.
    host: Arc<str>,
    closed: bool,
}

impl<T> Sender<T> {
    /// Sends an item, and blocks while too much waits for the receiver. Fails once the receiver is
    /// gone, and returns the item with the reason.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        let mut item = Some(self.item(item, size_of::<T>()));
        block_on(None, |context| self.queue.poll_send(context, &mut item))
            .expect("it waits without a deadline")
    }

    /// Sends an item like [`send`](Self::send), for async code.
    pub async fn send_async(&self, item: T) -> Result<(), SendError<T>> {
        self.send_sized(item, size_of::<T>()).await
    }

    async fn send_sized(&self, item: T, bytes: usize) -> Result<(), SendError<T>> {
        let mut item = Some(self.item(item, bytes));
        std::future::poll_fn(|context| self.queue.poll_send(context, &mut item)).await
    }

    fn item(&self, value: T, bytes: usize) -> Item<T> {
        Item {
            value,
            host: self.host.clone(),
            bytes,
        }
    }

    /// Returns true if the receiver is gone. A task that has nothing to send for a while may check,
    /// and give up.
    pub fn is_closed(&self) -> bool {
        self.queue.receiver_gone()
    }

    /// Closes this sender, as dropping it does: the receiver's iteration ends when all its senders
    /// are closed.
    pub fn close(self) {}
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.queue.add_sender();
        Self {
            queue: self.queue.clone(),
            host: self.host.clone(),
            closed: false,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if !self.closed {
            self.queue.drop_sender();
        }
    }
}

impl<T> Unpin for Sender<T> {}

impl<T> Sink<T> for Sender<T> {
    type Error = ChannelEnd;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), ChannelEnd>> {
        self.queue.poll_room(context)
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), ChannelEnd> {
        self.queue
            .push(self.item(item, size_of::<T>()))
            .map_err(|error| error.end)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ChannelEnd>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ChannelEnd>> {
        if !std::mem::replace(&mut self.closed, true) {
            self.queue.drop_sender();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

/// The receiving end of a [`channel`]: `for item in receiver`, or a `Stream` in async code. It ends
/// when all senders are closed, or the calls they were given to have ended; [`end`](Self::end)
/// tells the reason. Dropping it ends the other side: sending fails from then on, and a call that
/// [returned](Self::from_iter) it is cancelled.
pub struct Receiver<T> {
    source: Arc<Source<T>>,
    /// The source has moved to a port, which belongs to a call.
    given: AtomicBool,
}

enum Source<T> {
    Queue(Arc<Queue<T>>),
    Lazy(Mutex<Box<dyn Iterator<Item = T> + Send>>),
}

impl<T> Receiver<T> {
    /// Makes a receiver of any iterator, which is asked for an item when one is wanted. A task
    /// returns it to send for as long as its caller receives.
    ///
    /// ```
    /// # use wxec_controller::__docs as wxec;
    /// let received = wxec::Receiver::from_iter(1..4);
    /// assert_eq!(received.into_iter().sum::<i32>(), 6);
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait would not ask for `Send`, which takes no more than this"
    )]
    pub fn from_iter<I: IntoIterator<Item = T, IntoIter: Send + 'static>>(items: I) -> Self {
        let source = Source::Lazy(Mutex::new(Box::new(items.into_iter())));
        Self {
            source: Arc::new(source),
            given: AtomicBool::new(false),
        }
    }

    /// Returns the next item. Blocks until there is one.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.next_by(None).map(|item| item.value)
    }

    /// Returns the next item, if it comes in time. A receiver [made of an
    /// iterator](Self::from_iter) waits for the iterator, however long that takes.
    pub fn recv_timeout(&self, within: Duration) -> Result<T, RecvError> {
        // An instant beyond the range of the clock is never reached: waits without a deadline.
        self.next_by(Instant::now().checked_add(within))
            .map(|item| item.value)
    }

    /// Returns the next item, if it is here already.
    pub fn try_recv(&self) -> Result<T, RecvError> {
        self.recv_timeout(Duration::ZERO)
    }

    /// Returns the next item, for async code.
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        std::future::poll_fn(|context| self.poll_item(context))
            .await
            .map(|item| item.value)
            .map_err(RecvError::Ended)
    }

    /// Returns items with the names of the hosts they came from; `local` is this program.
    ///
    /// ```
    /// # use wxec_controller::__docs as wxec;
    /// let (sender, received) = wxec::channel();
    /// sender.send("here").unwrap();
    /// drop(sender);
    /// for (host, item) in received.tagged() {
    ///     assert_eq!((&*host, item), ("local", "here"));
    /// }
    /// ```
    pub fn tagged(&self) -> Tagged<'_, T> {
        Tagged(self)
    }

    /// Iterates over the items as they come, until the end.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// Returns why the channel is over, if it is over and the last item was taken. If several calls
    /// sent into it, the first failure counts.
    pub fn end(&self) -> Option<ChannelEnd> {
        match &*self.source {
            Source::Queue(queue) => queue.end_if_over(),
            Source::Lazy(_) => None,
        }
    }

    /// Closes this receiver, as dropping it does.
    pub fn close(self) {}

    fn next_by(&self, deadline: Option<Instant>) -> Result<Item<T>, RecvError> {
        match block_on(deadline, |context| self.poll_item(context)) {
            Some(item) => item.map_err(RecvError::Ended),
            None => Err(RecvError::Timeout),
        }
    }

    fn poll_item(&self, context: &mut Context<'_>) -> Poll<Result<Item<T>, ChannelEnd>> {
        match &*self.source {
            Source::Queue(queue) => queue.poll_receive(context),
            Source::Lazy(items) => {
                let value = lock(items).next();
                let item = |value| Item {
                    value,
                    host: HERE.into(),
                    bytes: size_of::<T>(),
                };
                Poll::Ready(value.map(item).ok_or(ChannelEnd::Closed))
            }
        }
    }

    /// Records why nothing more is received.
    fn end_with(&self, end: ChannelEnd) {
        if let Source::Queue(queue) = &*self.source {
            queue.end(end);
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let (Source::Queue(queue), false) = (&*self.source, self.given.load(SeqCst)) {
            queue.drop_receiver();
        }
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(ready!(self.poll_item(context)).ok().map(|item| item.value))
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

/// The items of a [`Receiver`], which blocks for each of them.
#[derive(Debug)]
pub struct IntoIter<T>(Receiver<T>);

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// The items of a borrowed [`Receiver`], which blocks for each of them.
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// Items with the names of the hosts they came from, made by [`Receiver::tagged`]: an iterator, or
/// a `Stream`.
#[derive(Debug)]
pub struct Tagged<'a, T>(&'a Receiver<T>);

impl<'a, T> IntoIterator for Tagged<'a, T> {
    type Item = (Arc<str>, T);
    type IntoIter = TaggedIter<'a, T>;

    fn into_iter(self) -> TaggedIter<'a, T> {
        TaggedIter(self.0)
    }
}

impl<T> Stream for Tagged<'_, T> {
    type Item = (Arc<str>, T);

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(
            ready!(self.0.poll_item(context))
                .ok()
                .map(|item| (item.host, item.value)),
        )
    }
}

/// The items of [`Receiver::tagged`], which blocks for each of them.
#[derive(Debug)]
pub struct TaggedIter<'a, T>(&'a Receiver<T>);

impl<T> Iterator for TaggedIter<'_, T> {
    type Item = (Arc<str>, T);

    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .next_by(None)
            .ok()
            .map(|item| (item.host, item.value))
    }
}

#[cfg(test)]
mod tests;
