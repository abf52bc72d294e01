//! Channels with the interface of the controlling side. The ends that a task was given lead to its
//! caller.
//!
//! A task has one thread, which waits in `send` and `recv`. A channel that a task makes itself is a
//! queue in its memory.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, ErrorKind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned, ser};
use wxec_protocol::{Items, abi, cbor, encode_item_as};

use super::{ask, imports, stream::Stream};
use crate::abi::form;

/// Bytes that are read at once.
const PART_BYTES: usize = 64 << 10;

/// Makes a channel within this task.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let local = Arc::new(Local {
        items: Mutex::default(),
        senders: AtomicUsize::new(1),
        closed: AtomicBool::new(false),
    });
    (Sender(Out::Here(local.clone())), Receiver(In::Here(local)))
}

/// The sending end of a [`channel`]. Clones send into the same channel, which ends when the last of
/// them is dropped.
pub struct Sender<T>(Out<T>);

enum Out<T> {
    Caller(Arc<Stream>),
    Here(Arc<Local<T>>),
}

struct Local<T> {
    items: Mutex<VecDeque<T>>,
    senders: AtomicUsize,
    /// True once the receiver is gone.
    closed: AtomicBool,
}

impl<T> Local<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends an item, and blocks while too many bytes wait for the receiver. Fails once the
    /// receiver is gone.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        let sent = match &self.0 {
            Out::Caller(stream) => write(stream, &item),
            Out::Here(local) if local.closed.load(SeqCst) => Err(ChannelEnd::Closed),
            Out::Here(local) => {
                local.lock().push_back(item);
                return Ok(());
            }
        };
        sent.map_err(|end| SendError { item, end })
    }

    /// Does the same as [`send`](Self::send) for async code.
    pub async fn send_async(&self, item: T) -> Result<(), SendError<T>> {
        self.send(item)
    }
}

impl<T> Sender<T> {
    /// Returns true if the receiver is gone. A task that has nothing to send for a while may check
    /// this, and give up.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            // The caller sends nothing on this stream: a read finds its end, or nothing yet.
            Out::Caller(stream) => {
                stream.set_read_timeout(Some(Duration::ZERO));
                matches!(stream.read(&mut [0]), Ok(0))
            }
            Out::Here(local) => local.closed.load(SeqCst),
        }
    }

    /// Closes this end, as dropping it does.
    pub fn close(self) {}
}

fn write(stream: &Stream, item: &(impl Serialize + ?Sized)) -> Result<(), ChannelEnd> {
    let bytes = encode_item_as(form::current(), item)
        .map_err(|error| ChannelEnd::Broken(format!("an item {error}")))?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[stream.write(rest).map_err(|error| end(&error))?..];
    }
    Ok(())
}

fn end(error: &io::Error) -> ChannelEnd {
    match error.kind() {
        ErrorKind::BrokenPipe => ChannelEnd::Closed,
        _ => ChannelEnd::Broken(error.to_string()),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Out::Caller(stream) => Out::Caller(stream.clone()),
            Out::Here(local) => {
                local.senders.fetch_add(1, SeqCst);
                Out::Here(local.clone())
            }
        })
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Out::Here(local) = &self.0 {
            local.senders.fetch_sub(1, SeqCst);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

/// The receiving end of a [`channel`]: `for item in receiver`.
pub struct Receiver<T>(In<T>);

enum In<T> {
    Caller(Mutex<Incoming>),
    Here(Arc<Local<T>>),
    Lazy(Mutex<Box<dyn Iterator<Item = T> + Send>>),
}

/// Items that the caller sends.
struct Incoming {
    stream: Stream,
    items: Items,
    part: Vec<u8>,
    /// The reason why no more items come, once a read has found it.
    end: Option<ChannelEnd>,
}

impl Incoming {
    fn next<T: DeserializeOwned + 'static>(
        &mut self,
        within: Option<Duration>,
    ) -> Result<T, RecvError> {
        let next = self.take(within);
        if let Err(RecvError::Ended(end)) = &next {
            self.end.get_or_insert_with(|| end.clone());
        }
        next
    }

    fn take<T: DeserializeOwned + 'static>(
        &mut self,
        within: Option<Duration>,
    ) -> Result<T, RecvError> {
        let broken = |reason: String| RecvError::Ended(ChannelEnd::Broken(reason));
        self.stream.set_read_timeout(within);
        loop {
            if let Some(item) = self
                .items
                .next_item()
                .map_err(|error| broken(error.to_string()))?
            {
                return cbor::decode_shared_as(form::current(), item)
                    .map_err(|error| broken(error.to_string()));
            }
            self.part.resize(PART_BYTES, 0);
            match self.stream.read(&mut self.part) {
                Ok(0) => {
                    self.items
                        .finish()
                        .map_err(|error| broken(error.to_string()))?;
                    return Err(RecvError::Ended(ChannelEnd::Closed));
                }
                Ok(length) => self.items.push(&self.part[..length]),
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(RecvError::Timeout);
                }
                Err(error) => return Err(broken(error.to_string())),
            }
        }
    }
}

impl<T> Receiver<T> {
    /// Makes a receiver of any iterator, which is asked for an item when the receiver's user wants
    /// one. A task returns such a receiver to send items for as long as its caller takes them.
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait would not ask for `Send`, which takes no more than this"
    )]
    pub fn from_iter<I: IntoIterator<Item = T, IntoIter: Send + 'static>>(items: I) -> Self {
        Self(In::Lazy(Mutex::new(Box::new(items.into_iter()))))
    }

    /// Returns why the channel is over, once it is over and the last item was taken: a loop over
    /// its items does not tell if all of them came.
    pub fn end(&self) -> Option<ChannelEnd> {
        match &self.0 {
            In::Caller(incoming) => incoming
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .end
                .clone(),
            In::Here(_) | In::Lazy(_) => None,
        }
    }

    /// Closes this end, as dropping it does.
    pub fn close(self) {}
}

impl<T: DeserializeOwned + 'static> Receiver<T> {
    /// Returns the next item. Blocks until there is one; fails if an empty channel within the task
    /// would block for ever.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.next(None)
    }

    /// Returns the next item, if it comes in time.
    pub fn recv_timeout(&self, within: Duration) -> Result<T, RecvError> {
        self.next(Some(within))
    }

    /// Returns the next item, if it is here already.
    pub fn try_recv(&self) -> Result<T, RecvError> {
        self.next(Some(Duration::ZERO))
    }

    /// Returns the next item, for async code.
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        self.recv()
    }

    /// Iterates over the items as they come, until the end.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    fn next(&self, within: Option<Duration>) -> Result<T, RecvError> {
        let over = || RecvError::Ended(ChannelEnd::Closed);
        match &self.0 {
            In::Caller(incoming) => incoming
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next(within),
            In::Lazy(items) => items
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next()
                .ok_or_else(over),
            In::Here(local) => match (local.lock().pop_front(), within) {
                (Some(item), _) => Ok(item),
                (None, _) if local.senders.load(SeqCst) == 0 => Err(over()),
                (None, Some(_)) => Err(RecvError::Timeout),
                (None, None) => {
                    let reason =
                        "it is empty, and the one thread of this task would wait for itself";
                    Err(RecvError::Ended(ChannelEnd::Broken(reason.into())))
                }
            },
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let In::Here(local) = &self.0 {
            local.closed.store(true, SeqCst);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

impl<T: DeserializeOwned + 'static> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

impl<'a, T: DeserializeOwned + 'static> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

/// The items of a [`Receiver`].
#[derive(Debug)]
pub struct IntoIter<T>(Receiver<T>);

impl<T: DeserializeOwned + 'static> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// The items of a borrowed [`Receiver`].
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

impl<T: DeserializeOwned + 'static> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// The reason why a channel is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// The other end was closed or dropped.
    Closed,
    /// The channel cannot be used any more, for this reason.
    Broken(String),
}

impl ChannelEnd {
    /// Returns true if the end is no failure.
    pub fn is_regular(&self) -> bool {
        *self == Self::Closed
    }
}

impl fmt::Display for ChannelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the other end of the channel was closed"),
            Self::Broken(reason) => write!(f, "the channel is broken: {reason}"),
        }
    }
}

impl std::error::Error for ChannelEnd {}

/// An item could not be sent, because the receiver is gone or the channel is broken.
pub type SendError<T> = wxec_protocol::SendError<T, ChannelEnd>;

/// No item was received.
pub type RecvError = wxec_protocol::RecvError<ChannelEnd>;

/// Takes the stream of the call whose index stands in an argument.
fn taken<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stream, D::Error> {
    let index = i32::try_from(u32::deserialize(deserializer)?).map_err(de::Error::custom)?;
    ask::done(imports::call_stream(index))
        .map(Stream::of)
        .map_err(de::Error::custom)
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Out::Caller(Arc::new(taken(deserializer)?))))
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let incoming = Incoming {
            stream: taken(deserializer)?,
            items: Items::default(),
            part: Vec::new(),
            end: None,
        };
        Ok(Self(In::Caller(Mutex::new(incoming))))
    }
}

/// Error for an end of a channel that a task tries to send to another host.
const STAYS: &str = "an end of a channel does not travel from a task to another host";

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(STAYS))
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(STAYS))
    }
}

/// A stream that a task returns, which sends after the function has returned: a [`Receiver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream that a function returns",
    note = "it is a `wxec::Receiver<T>`, and what it brings implements `serde::Serialize` and `serde::Deserialize`"
)]
pub trait ReturnedStream {
    /// Sends all its items to the task's caller, after a first item that says that the function has
    /// returned.
    #[doc(hidden)]
    fn send_to_caller(self) -> Result<(), Unsent>;
}

/// The reason why not everything was sent.
#[doc(hidden)]
#[derive(Debug)]
pub enum Unsent {
    NoStream,
    Broken(String),
}

impl<T: Serialize + DeserializeOwned + 'static> ReturnedStream for Receiver<T> {
    fn send_to_caller(self) -> Result<(), Unsent> {
        let stream =
            ask::done(imports::call_stream(abi::LAST_STREAM)).map_err(|_| Unsent::NoStream)?;
        let stream = Stream::of(stream);
        let sent = write(&stream, &()).and_then(|()| {
            loop {
                match self.recv() {
                    Ok(item) => write(&stream, &item)?,
                    Err(RecvError::Ended(ChannelEnd::Broken(reason))) => {
                        break Err(ChannelEnd::Broken(reason));
                    }
                    Err(_) => break Ok(()),
                }
            }
        });
        // Leaves the stream open, so that its end tells the caller how the call ended, not that the
        // task closed the stream.
        std::mem::forget(stream);
        match sent {
            Err(ChannelEnd::Broken(reason)) => Err(Unsent::Broken(reason)),
            // A receiver that is gone is no failure.
            Ok(()) | Err(ChannelEnd::Closed) => Ok(()),
        }
    }
}
