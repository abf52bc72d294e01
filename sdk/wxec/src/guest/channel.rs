//! Channels, as the controlling side has them: the ends that a task was given lead to its caller.
//!
//! A task has one thread, which waits in `send` and `recv`. A channel of its own is a queue in its memory.

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

/// What is read at once.
const PART_BYTES: usize = 64 << 10;

/// Makes a channel within this task.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let local =
        Arc::new(Local { items: Mutex::default(), senders: AtomicUsize::new(1), closed: AtomicBool::new(false) });
    (Sender(Out::Here(local.clone())), Receiver(In::Here(local)))
}

/// The end of a [`channel`] that items go into. Clones send into the same one, which ends with the last of them.
pub struct Sender<T>(Out<T>);

enum Out<T> {
    Caller(Arc<Stream>),
    Here(Arc<Local<T>>),
}

struct Local<T> {
    items: Mutex<VecDeque<T>>,
    senders: AtomicUsize,
    /// Nobody receives any more.
    closed: AtomicBool,
}

impl<T> Local<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Serialize> Sender<T> {
    /// Sends an item, and waits while too much waits for the receiver. Fails once nobody receives any more.
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

    /// The same for async code.
    pub async fn send_async(&self, item: T) -> Result<(), SendError<T>> {
        self.send(item)
    }
}

impl<T> Sender<T> {
    /// Whether nobody receives any more. A task that has nothing to send for a while may ask, and give up.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            // The caller sends nothing here: there is an end to read, or nothing yet.
            Out::Caller(stream) => {
                stream.set_read_timeout(Some(Duration::ZERO));
                matches!(stream.read(&mut [0]), Ok(0))
            }
            Out::Here(local) => local.closed.load(SeqCst),
        }
    }

    /// Sends nothing more, as dropping it does.
    pub fn close(self) {}
}

fn write(stream: &Stream, item: &(impl Serialize + ?Sized)) -> Result<(), ChannelEnd> {
    let bytes =
        encode_item_as(form::current(), item).map_err(|error| ChannelEnd::Broken(format!("an item {error}")))?;
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

/// The end of a [`channel`] that items come out of: `for item in receiver`.
pub struct Receiver<T>(In<T>);

enum In<T> {
    Caller(Mutex<Incoming>),
    Here(Arc<Local<T>>),
    Lazy(Mutex<Box<dyn Iterator<Item = T> + Send>>),
}

/// What the caller sends.
struct Incoming {
    stream: Stream,
    items: Items,
    part: Vec<u8>,
    /// Why nothing more comes, once that was noticed.
    end: Option<ChannelEnd>,
}

impl Incoming {
    fn next<T: DeserializeOwned + 'static>(&mut self, within: Option<Duration>) -> Result<T, RecvError> {
        let next = self.take(within);
        if let Err(RecvError::Ended(end)) = &next {
            self.end.get_or_insert_with(|| end.clone());
        }
        next
    }

    fn take<T: DeserializeOwned + 'static>(&mut self, within: Option<Duration>) -> Result<T, RecvError> {
        let broken = |reason: String| RecvError::Ended(ChannelEnd::Broken(reason));
        self.stream.set_read_timeout(within);
        loop {
            if let Some(item) = self.items.next_item().map_err(|error| broken(error.to_string()))? {
                return cbor::decode_shared_as(form::current(), item).map_err(|error| broken(error.to_string()));
            }
            self.part.resize(PART_BYTES, 0);
            match self.stream.read(&mut self.part) {
                Ok(0) => {
                    self.items.finish().map_err(|error| broken(error.to_string()))?;
                    return Err(RecvError::Ended(ChannelEnd::Closed));
                }
                Ok(length) => self.items.push(&self.part[..length]),
                Err(error) if error.kind() == ErrorKind::TimedOut => return Err(RecvError::Timeout),
                Err(error) => return Err(broken(error.to_string())),
            }
        }
    }
}

impl<T> Receiver<T> {
    /// Makes a receiver of any iterator, which is asked for an item when one is wanted. It is what a task returns that
    /// sends as long as its caller takes.
    #[expect(
        clippy::should_implement_trait,
        reason = "the trait would not ask for `Send`, which takes no more than this"
    )]
    pub fn from_iter<I: IntoIterator<Item = T, IntoIter: Send + 'static>>(items: I) -> Self {
        Self(In::Lazy(Mutex::new(Box::new(items.into_iter()))))
    }

    /// Why it is over, if it is and the last item was taken: a loop over its items does not tell whether all of them came.
    pub fn end(&self) -> Option<ChannelEnd> {
        match &self.0 {
            In::Caller(incoming) => incoming.lock().unwrap_or_else(PoisonError::into_inner).end.clone(),
            In::Here(_) | In::Lazy(_) => None,
        }
    }

    /// Takes nothing more, as dropping it does.
    pub fn close(self) {}
}

impl<T: DeserializeOwned + 'static> Receiver<T> {
    /// The next item. Waits until there is one.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.next(None)
    }

    /// The next item, if it comes in time.
    pub fn recv_timeout(&self, within: Duration) -> Result<T, RecvError> {
        self.next(Some(within))
    }

    /// The next item, if it is here already.
    pub fn try_recv(&self) -> Result<T, RecvError> {
        self.next(Some(Duration::ZERO))
    }

    /// The next item, for async code.
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        self.recv()
    }

    /// Items as they come, until the end.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    fn next(&self, within: Option<Duration>) -> Result<T, RecvError> {
        let over = || RecvError::Ended(ChannelEnd::Closed);
        match &self.0 {
            In::Caller(incoming) => incoming.lock().unwrap_or_else(PoisonError::into_inner).next(within),
            In::Lazy(items) => items.lock().unwrap_or_else(PoisonError::into_inner).next().ok_or_else(over),
            In::Here(local) => match (local.lock().pop_front(), within) {
                (Some(item), _) => Ok(item),
                (None, _) if local.senders.load(SeqCst) == 0 => Err(over()),
                (None, Some(_)) => Err(RecvError::Timeout),
                (None, None) => {
                    let reason = "it is empty, and the one thread of this task would wait for itself";
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

/// Why a channel is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelEnd {
    /// The other end was closed or dropped.
    Closed,
    /// It cannot be used any more, for this reason.
    Broken(String),
}

impl ChannelEnd {
    /// Whether it is no failure.
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

/// An item could not be sent, as nobody receives it.
pub type SendError<T> = wxec_protocol::SendError<T, ChannelEnd>;

/// No item was received.
pub type RecvError = wxec_protocol::RecvError<ChannelEnd>;

/// Takes the stream of the call that stands in an argument.
fn taken<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stream, D::Error> {
    let index = i32::try_from(u32::deserialize(deserializer)?).map_err(de::Error::custom)?;
    ask::done(imports::call_stream(index)).map(Stream::of).map_err(de::Error::custom)
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Out::Caller(Arc::new(taken(deserializer)?))))
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let incoming = Incoming { stream: taken(deserializer)?, items: Items::default(), part: Vec::new(), end: None };
        Ok(Self(In::Caller(Mutex::new(incoming))))
    }
}

/// What is said where an end is encoded.
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

/// What a task returns that sends on when it has returned: a [`Receiver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream that a function returns",
    note = "it is a `wxec::Receiver<T>`, and what it brings implements `serde::Serialize` and `serde::Deserialize`"
)]
pub trait ReturnedStream {
    /// Sends all it brings to the task's caller, behind a first item that says that the task has returned.
    #[doc(hidden)]
    fn send_to_caller(self) -> Result<(), Unsent>;
}

/// Why not everything was sent.
#[doc(hidden)]
#[derive(Debug)]
pub enum Unsent {
    NoStream,
    Broken(String),
}

impl<T: Serialize + DeserializeOwned + 'static> ReturnedStream for Receiver<T> {
    fn send_to_caller(self) -> Result<(), Unsent> {
        let stream = ask::done(imports::call_stream(abi::LAST_STREAM)).map_err(|_| Unsent::NoStream)?;
        let stream = Stream::of(stream);
        let sent = write(&stream, &()).and_then(|()| {
            loop {
                match self.recv() {
                    Ok(item) => write(&stream, &item)?,
                    Err(RecvError::Ended(ChannelEnd::Broken(reason))) => break Err(ChannelEnd::Broken(reason)),
                    Err(_) => break Ok(()),
                }
            }
        });
        // How the call ends is what its caller is to hear, not that the stream was closed.
        std::mem::forget(stream);
        match sent {
            Err(ChannelEnd::Broken(reason)) => Err(Unsent::Broken(reason)),
            // That nobody wants more is no failure.
            Ok(()) | Err(ChannelEnd::Closed) => Ok(()),
        }
    }
}
