//! The receiving end of a channel, and the iterators over its items.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::SeqCst},
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{
    end::{ChannelEnd, RecvError},
    items::Incoming,
    local::Local,
};

/// The receiving end of a [`channel`](super::channel): `for item in receiver`.
pub struct Receiver<T>(pub(super) In<T>);

pub(super) enum In<T> {
    Caller(Mutex<Incoming>),
    Here(Arc<Local<T>>),
    Lazy(Mutex<Box<dyn Iterator<Item = T> + Send>>),
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
                (None, _) if local.has_no_sender() => Err(over()),
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
