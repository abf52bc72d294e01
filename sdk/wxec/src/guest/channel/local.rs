//! The queue of a channel within a task.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

/// Items between two ends of one task.
pub(super) struct Local<T> {
    items: Mutex<VecDeque<T>>,
    pub(super) senders: AtomicUsize,
    /// True once the receiver is gone.
    pub(super) closed: AtomicBool,
}

impl<T> Local<T> {
    /// Creates an empty queue with one sender and a receiver.
    pub(super) fn new() -> Self {
        Self {
            items: Mutex::default(),
            senders: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true once the receiver is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Returns true once all senders are gone.
    pub(super) fn has_no_sender(&self) -> bool {
        self.senders.load(SeqCst) == 0
    }
}
