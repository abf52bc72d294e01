//! The sending end of a channel.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use serde::Serialize;

use super::super::stream::Stream;
use super::{
    end::{ChannelEnd, SendError},
    items::write,
    local::Local,
};

/// The sending end of a [`channel`](super::channel). Clones send into the same channel, which ends
/// when the last of them is dropped.
pub struct Sender<T>(pub(super) Out<T>);

pub(super) enum Out<T> {
    Caller(Arc<Stream>),
    Here(Arc<Local<T>>),
}

impl<T: Serialize> Sender<T> {
    /// Sends an item, and blocks while too many bytes wait for the receiver. Fails once the
    /// receiver is gone.
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        let sent = match &self.0 {
            Out::Caller(stream) => write(stream, &item),
            Out::Here(local) if local.is_closed() => Err(ChannelEnd::Closed),
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
            Out::Here(local) => local.is_closed(),
        }
    }

    /// Closes this end, as dropping it does.
    pub fn close(self) {}
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
