//! Delivers what a task sends into a channel.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use wxec_protocol::cbor::{self, DecodeError};

use super::{
    outcome::{Outcome, dropped, ended, reason_of_end},
    running::Bridge,
};
use crate::{
    channel::{ChannelEnd, Receiver, Sender, channel},
    error::{CallError, CallErrorKind},
    session::task_stream::{Broken, TaskStream},
};

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
        let incoming = Incoming(Box::new(Delivery::new(&sender, host)));
        (receiver, incoming)
    }
}

impl<T> Delivery<T> {
    /// Makes a bridge into the channel of `sender`, whose items come from `host`.
    pub(super) fn new(sender: &Sender<T>, host: &Arc<str>) -> Self {
        let mut sender = sender.clone();
        sender.host = host.clone();
        Self(sender)
    }
}

/// Delivers what a task sends into a channel.
pub(super) struct Delivery<T>(Sender<T>);

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
    /// Delivers all items. Returns why no more come.
    async fn deliver(&self, mut stream: TaskStream, outcome: Outcome) -> ChannelEnd {
        let queue = &self.0.queue;
        loop {
            let next = tokio::select! {
                next = stream.next_item() => next,
                () = poll_fn(|context| queue.poll_gone(context)) => {
                    stream.reader.close();
                    return ChannelEnd::Closed;
                }
            };
            let broken = match next {
                Ok(Some(item)) => match self.send(item).await {
                    Ok(()) => continue,
                    Err(error) => CallErrorKind::Decode(error),
                },
                Ok(None) => return reason_of_end(stream.ended, ended(outcome)).await,
                Err(Broken::Item(reason)) => CallErrorKind::Decode(DecodeError::Type(reason)),
                Err(Broken::Lost(reason)) => return self.lost(reason, ended(outcome).await),
            };
            stream.reader.close();
            return self.failed(broken);
        }
    }

    async fn send(&self, item: Bytes) -> Result<(), DecodeError> {
        let length = item.len();
        let item = cbor::decode_shared(item)?;
        // If the receiver is gone, the next round finds out.
        let _ = self.0.send_sized(item, length).await;
        Ok(())
    }

    /// Returns the end of a stream that broke off, by how the call ended.
    fn lost(&self, reason: String, call_ended: ChannelEnd) -> ChannelEnd {
        // A task may have finished though not all that it sent has arrived.
        if !call_ended.is_regular() {
            return call_ended;
        }
        self.failed(CallErrorKind::Lost {
            reason,
            stderr_tail: String::new(),
        })
    }

    fn failed(&self, kind: CallErrorKind) -> ChannelEnd {
        ChannelEnd::Failed(Box::new(CallError::new(self.0.host.clone(), kind)))
    }
}
