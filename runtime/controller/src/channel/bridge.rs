//! Joins an end of a channel to a stream of a call.
//!
//! The ends that go with a call are found while its arguments are encoded: each becomes the index
//! of its stream. When the call is made, one task per end carries items, until either side ends.
//! The other end then learns how the call ended.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned, ser};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{oneshot, watch},
};
use wxec_protocol::{
    StreamEnd,
    cbor::{self, DecodeError, EncodeError},
    encode_item,
};

use super::{ChannelEnd, Receiver, Sender, Source, channel};
use crate::{
    base::{runtime, sync::lock},
    connect::Link,
    error::{CallError, CallErrorKind},
    session::{
        Loss,
        task_stream::{Broken, TaskStream},
    },
};

/// The end of the call that some bridges belong to. Its sender is dropped without a value if the
/// call was dropped.
type Outcome = watch::Receiver<Option<ChannelEnd>>;

async fn ended(mut outcome: Outcome) -> ChannelEnd {
    let ended = outcome.wait_for(Option::is_some).await;
    ended
        .ok()
        .and_then(|end| end.clone())
        .unwrap_or(ChannelEnd::Cancelled)
}

/// Waits until the call is dropped before its end.
async fn dropped(mut outcome: Outcome) {
    if outcome.wait_for(Option::is_some).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// One end of a channel that goes to a task.
trait Port: Send + Sync {
    /// Returns true if each host of a fleet can have it.
    fn is_shared(&self) -> bool;
    /// Takes it for one call; `None` if another call has it.
    fn bridge(&self, host: &Arc<str>) -> Option<Box<dyn Bridge>>;
}

/// Carries the items of one stream.
pub(crate) trait Bridge: Send {
    /// Carries items until either side ends.
    fn run(
        self: Box<Self>,
        stream: TaskStream,
        outcome: Outcome,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Ends the channel; there will be no stream.
    fn give_up(self: Box<Self>, end: ChannelEnd);
}

/// The channel ends among the arguments of a call.
#[derive(Clone, Default)]
pub struct Ports(Vec<Arc<dyn Port>>);

/// A task's arguments: a CBOR array, and the channel ends that stay in use during the call.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The CBOR.
    pub input: Vec<u8>,
    /// The channel ends among the arguments.
    pub ports: Ports,
}

thread_local! {
    /// Collects channel ends while arguments are encoded, and only then.
    static FOUND: RefCell<Option<Ports>> = const { RefCell::new(None) };
}

impl Ports {
    /// Runs `encode`, and adds the channel ends that it encodes.
    pub fn during<R>(&mut self, encode: impl FnOnce() -> R) -> R {
        FOUND.set(Some(std::mem::take(self)));
        let encoded = encode();
        *self = FOUND.take().unwrap_or_default();
        encoded
    }

    /// Joins them with the encoded arguments.
    pub fn beside(self, input: Vec<u8>) -> Arguments {
        Arguments { input, ports: self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if each host of a fleet can have them.
    pub(crate) fn are_shared(&self) -> bool {
        self.0.iter().all(|port| port.is_shared())
    }

    /// Takes them for a call on `host`.
    pub(crate) fn bridges<E>(&self, link: &Link) -> Result<Bridges, CallErrorKind<E>> {
        let waiting = self
            .0
            .iter()
            .map(|port| port.bridge(link.name()))
            .collect::<Option<_>>();
        let given =
            || CallErrorKind::Encode(EncodeError::new("a `Receiver` that another call has"));
        Ok(Bridges {
            waiting: waiting.ok_or_else(given)?,
            link: link.clone(),
            outcome: watch::channel(None).0,
        })
    }

    /// Adds a port; returns its index.
    fn add(port: impl Port + 'static) -> Option<u32> {
        FOUND.with_borrow_mut(|found| {
            let Self(ports) = found.as_mut()?;
            ports.push(Arc::new(port));
            u32::try_from(ports.len() - 1).ok()
        })
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ports").field(&self.0.len()).finish()
    }
}

/// The bridges of one call. Dropping them before the call has ended marks the call as dropped.
pub(crate) struct Bridges {
    waiting: Vec<Box<dyn Bridge>>,
    /// Kept, so that the host stays connected until all that was sent has been received.
    link: Link,
    outcome: watch::Sender<Option<ChannelEnd>>,
}

impl Bridges {
    /// The number of streams that they need.
    pub(crate) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Begins to carry items.
    pub(crate) fn start(&mut self, streams: Vec<TaskStream>) {
        for (bridge, stream) in self.waiting.drain(..).zip(streams) {
            let (running, link) = (
                bridge.run(stream, self.outcome.subscribe()),
                self.link.clone(),
            );
            runtime::spawn(async move {
                running.await;
                drop(link);
            });
        }
    }

    /// Starts one more bridge, which is over when the future is.
    pub(crate) fn carry(
        &self,
        bridge: Box<dyn Bridge>,
        stream: TaskStream,
    ) -> impl Future<Output = ()> + Send + use<> {
        bridge.run(stream, self.outcome.subscribe())
    }

    /// Tells how the call ended.
    pub(crate) fn end(mut self, end: ChannelEnd) {
        self.waiting
            .drain(..)
            .for_each(|bridge| bridge.give_up(end.clone()));
        self.outcome.send_replace(Some(end));
    }
}

impl Drop for Bridges {
    fn drop(&mut self) {
        self.waiting
            .drain(..)
            .for_each(|bridge| bridge.give_up(ChannelEnd::Cancelled));
    }
}

/// A returned value that goes on sending after its task has returned: a [`Receiver`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream that a function returns",
    note = "it is a `wxec::Receiver<T>`, and what it brings implements `serde::Serialize` and `serde::Deserialize`"
)]
pub trait ReturnedStream: Sized {
    /// Makes the receiver, and the part that will feed it.
    #[doc(hidden)]
    fn open(host: &Arc<str>) -> (Self, Incoming);
}

/// Feeds the receiver that a task returned.
#[doc(hidden)]
pub struct Incoming(pub(crate) Box<dyn Bridge>);

impl<T: DeserializeOwned + Send + 'static> ReturnedStream for Receiver<T> {
    fn open(host: &Arc<str>) -> (Self, Incoming) {
        let (sender, receiver) = channel();
        let incoming = Incoming(Box::new(Delivery(sender.named(host))));
        (receiver, incoming)
    }
}

impl<T> Sender<T> {
    /// A clone whose items come from `host`.
    fn named(&self, host: &Arc<str>) -> Self {
        let mut sender = self.clone();
        sender.host = host.clone();
        sender
    }
}

impl<T: Send + 'static> Receiver<T> {
    /// Moves an iterator behind a queue: it may block, on a thread where that harms no other code.
    fn queued(self) -> Self {
        if matches!(*self.source, Source::Queue(_)) {
            return self;
        }
        let (sender, receiver) = channel();
        runtime::spawn(runtime::blocking(move || {
            _ = self.into_iter().try_for_each(|item| sender.send(item))
        }));
        receiver
    }
}

impl<T: DeserializeOwned + Send + 'static> Port for Sender<T> {
    fn is_shared(&self) -> bool {
        true
    }

    fn bridge(&self, host: &Arc<str>) -> Option<Box<dyn Bridge>> {
        Some(Box::new(Delivery(self.named(host))))
    }
}

impl<T: Serialize + Send + 'static> Port for Mutex<Option<Receiver<T>>> {
    fn is_shared(&self) -> bool {
        false
    }

    fn bridge(&self, host: &Arc<str>) -> Option<Box<dyn Bridge>> {
        let receiver = lock(self).take()?;
        Some(Box::new(Supply {
            receiver,
            host: host.clone(),
        }))
    }
}

/// Delivers what a task sends into a channel.
struct Delivery<T>(Sender<T>);

impl<T: DeserializeOwned + Send + 'static> Bridge for Delivery<T> {
    fn run(
        self: Box<Self>,
        stream: TaskStream,
        outcome: Outcome,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let end = tokio::select! {
                end = self.deliver(stream, outcome.clone()) => end,
                () = dropped(outcome) => ChannelEnd::Cancelled,
            };
            self.0.queue.end(end);
        })
    }

    fn give_up(self: Box<Self>, end: ChannelEnd) {
        self.0.queue.end(end);
    }
}

impl<T: DeserializeOwned + Send + 'static> Delivery<T> {
    async fn deliver(&self, mut stream: TaskStream, outcome: Outcome) -> ChannelEnd {
        let queue = &self.0.queue;
        let failed = |kind| ChannelEnd::Failed(Box::new(CallError::new(self.0.host.clone(), kind)));
        loop {
            let next = tokio::select! {
                next = stream.next_item() => next,
                () = std::future::poll_fn(|context| queue.poll_gone(context)) => {
                    stream.reader.close();
                    return ChannelEnd::Closed;
                }
            };
            let broken = match next {
                Ok(Some(item)) => {
                    let length = item.len();
                    match cbor::decode_shared(item) {
                        Ok(item) => {
                            // If the receiver is gone, the next round finds out.
                            let _ = self.0.send_sized(item, length).await;
                            continue;
                        }
                        Err(error) => CallErrorKind::Decode(error),
                    }
                }
                Ok(None) => return how(stream.ended, ended(outcome)).await,
                Err(Broken::Item(reason)) => CallErrorKind::Decode(DecodeError::Type(reason)),
                Err(Broken::Lost(reason)) => match ended(outcome).await {
                    // The task finished, but not all that it sent has arrived.
                    end if end.is_regular() => {
                        return failed(CallErrorKind::Lost {
                            reason,
                            stderr_tail: String::new(),
                        });
                    }
                    end => return end,
                },
            };
            stream.reader.close();
            return failed(broken);
        }
    }
}

/// Returns why a stream ended: the guest closed it, or the call ended.
async fn how(
    stream_ended: oneshot::Receiver<Result<StreamEnd, Loss>>,
    call_ended: impl Future<Output = ChannelEnd>,
) -> ChannelEnd {
    match stream_ended.await {
        Ok(Ok(StreamEnd::Closed)) => ChannelEnd::Closed,
        _ => call_ended.await,
    }
}

/// Announces an item that never comes: the receiver learns that something is missing.
const UNFINISHED_ITEM: [u8; 4] = 1_u32.to_le_bytes();

/// Supplies a task with what is in a channel.
struct Supply<T> {
    receiver: Receiver<T>,
    host: Arc<str>,
}

impl<T: Serialize + Send + 'static> Bridge for Supply<T> {
    fn run(
        self: Box<Self>,
        stream: TaskStream,
        outcome: Outcome,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Self { receiver, host } = *self;
            let receiver = receiver.queued();
            let TaskStream {
                mut reader,
                mut writer,
                ended: stream_ended,
                ..
            } = stream;
            let supply = async {
                while let Ok(item) = receiver.recv_async().await {
                    let item = encode_item(&item).map_err(CallErrorKind::Encode)?;
                    if writer.write_all(&item).await.is_err() {
                        // The stream is over; the branch that reads it tells why.
                        std::future::pending::<()>().await;
                    }
                }
                Ok::<_, CallErrorKind>(())
            };
            let call_ended = ended(outcome.clone());
            let over = async {
                let mut ignored = vec![0; 64];
                while let Ok(1..) = reader.read(&mut ignored).await {}
                how(stream_ended, call_ended).await
            };
            let end = tokio::select! {
                supplied = supply => match supplied {
                    // All items were sent; the end of the stream follows them.
                    Ok(()) => {
                        let _ = writer.shutdown().await;
                        return;
                    }
                    Err(kind) => {
                        receiver.end_with(ChannelEnd::Failed(Box::new(CallError::new(host, kind))));
                        // The task must not mistake the items it got for all of them.
                        let _ = writer.write_all(&UNFINISHED_ITEM).await;
                        let _ = writer.shutdown().await;
                        return;
                    }
                },
                end = over => end,
                () = dropped(outcome) => ChannelEnd::Cancelled,
            };
            receiver.end_with(end);
            reader.close();
        })
    }

    fn give_up(self: Box<Self>, end: ChannelEnd) {
        self.receiver.end_with(end);
    }
}

/// Error for a channel end that is serialised outside of a call's arguments.
const NO_ARGUMENT: &str = "an end of a channel travels only as an argument of a task";

impl<T: DeserializeOwned + Send + 'static> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = Ports::add(self.clone()).ok_or_else(|| ser::Error::custom(NO_ARGUMENT))?;
        serializer.serialize_u32(index)
    }
}

impl<T: Serialize + Send + 'static> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let taken = Self {
            source: self.source.clone(),
            given: false.into(),
        };
        let already = self.given.swap(true, SeqCst);
        let port = Mutex::new((!already).then_some(taken));
        let index = Ports::add(port).ok_or_else(|| ser::Error::custom(NO_ARGUMENT))?;
        serializer.serialize_u32(index)
    }
}

/// Error for a channel end that is deserialised here: only a task in its module gets any.
const NO_TASK: &str = "an end of a channel arrives only in a task";

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(NO_TASK))
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(NO_TASK))
    }
}
