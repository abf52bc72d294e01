//! The queue in the middle of a channel: bounded, for any number of threads and tasks at either
//! end.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

use super::end::{ChannelEnd, SendError};
use crate::base::sync::lock;

/// Items that may wait for the receiver: enough to keep both ends busy.
const MAX_ITEMS: usize = 1024;

/// Bytes that these items may have together; a single item may have more. A receiver that stops
/// costs this much, beside the window of its stream.
const MAX_BYTES: usize = 1 << 20;

pub(super) struct Item<T> {
    pub(super) value: T,
    /// The name of the host that the item comes from.
    pub(super) host: Arc<str>,
    /// The length of its encoding, or its size in memory if it never was encoded.
    pub(super) bytes: usize,
}

pub(super) struct Queue<T>(Mutex<State<T>>);

struct State<T> {
    items: VecDeque<Item<T>>,
    bytes: usize,
    senders: usize,
    receiver_gone: bool,
    end: Option<ChannelEnd>,
    /// Receivers that wait for an item.
    receiving: Vec<Waker>,
    /// Senders that wait for room, or for the receiver's end.
    sending: Vec<Waker>,
}

/// Starts with one sender and a receiver.
impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(Mutex::new(State {
            items: VecDeque::new(),
            bytes: 0,
            senders: 1,
            receiver_gone: false,
            end: None,
            receiving: Vec::new(),
            sending: Vec::new(),
        }))
    }
}

impl<T> State<T> {
    fn has_room(&self, bytes: usize) -> bool {
        self.items.is_empty() || (self.items.len() < MAX_ITEMS && self.bytes + bytes <= MAX_BYTES)
    }

    fn end_reason(&self) -> ChannelEnd {
        self.end.clone().unwrap_or(ChannelEnd::Closed)
    }
}

impl<T> Queue<T> {
    /// Adds an item when there is room for it.
    pub(super) fn poll_send(
        &self,
        context: &mut Context<'_>,
        item: &mut Option<Item<T>>,
    ) -> Poll<Result<(), SendError<T>>> {
        let Some(wanted) = item else {
            return Poll::Ready(Ok(()));
        };
        let mut state = lock(&self.0);
        if !state.receiver_gone && !state.has_room(wanted.bytes) {
            wait(&mut state.sending, context);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(item.take().map_or(Ok(()), |item| self.push(item)))
    }

    /// Waits for room for one item of ordinary size.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<Result<(), ChannelEnd>> {
        let mut state = lock(&self.0);
        if state.receiver_gone {
            return Poll::Ready(Err(state.end_reason()));
        }
        if state.has_room(0) {
            return Poll::Ready(Ok(()));
        }
        wait(&mut state.sending, context);
        Poll::Pending
    }

    /// Adds an item, even if there is no room.
    pub(super) fn push(&self, item: Item<T>) -> Result<(), SendError<T>> {
        let mut state = lock(&self.0);
        if state.receiver_gone {
            return Err(SendError {
                item: item.value,
                end: state.end_reason(),
            });
        }
        state.bytes += item.bytes;
        state.items.push_back(item);
        wake_after(state, |state| &mut state.receiving);
        Ok(())
    }

    /// Takes the next item, or returns why there will be none.
    pub(super) fn poll_receive(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Item<T>, ChannelEnd>> {
        let mut state = lock(&self.0);
        if let Some(item) = state.items.pop_front() {
            state.bytes -= item.bytes;
            // Wakes the senders when half is free, not for each item: where a fleet sends, many
            // wait.
            if state.items.len() <= MAX_ITEMS / 2 && state.bytes <= MAX_BYTES / 2 {
                wake_after(state, |state| &mut state.sending);
            }
            return Poll::Ready(Ok(item));
        }
        if state.senders == 0 {
            return Poll::Ready(Err(state.end_reason()));
        }
        wait(&mut state.receiving, context);
        Poll::Pending
    }

    /// Waits until the receiver is gone.
    pub(super) fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.receiver_gone {
            return Poll::Ready(());
        }
        wait(&mut state.sending, context);
        Poll::Pending
    }

    pub(super) fn receiver_gone(&self) -> bool {
        lock(&self.0).receiver_gone
    }

    /// Returns why the channel is over, once there is nothing left to receive.
    pub(super) fn end_if_over(&self) -> Option<ChannelEnd> {
        let state = lock(&self.0);
        (state.senders == 0 && state.items.is_empty()).then(|| state.end_reason())
    }

    /// Records why the channel ends. A regular end gives way to any later end but `Closed`; the
    /// first failure stays.
    pub(super) fn end(&self, end: ChannelEnd) {
        let mut state = lock(&self.0);
        if state
            .end
            .as_ref()
            .is_none_or(|earlier| earlier.is_regular() && !matches!(end, ChannelEnd::Closed))
        {
            state.end = Some(end);
        }
    }

    pub(super) fn add_sender(&self) {
        lock(&self.0).senders += 1;
    }

    pub(super) fn drop_sender(&self) {
        let mut state = lock(&self.0);
        state.senders -= 1;
        if state.senders == 0 {
            wake_after(state, |state| &mut state.receiving);
        }
    }

    pub(super) fn drop_receiver(&self) {
        let mut state = lock(&self.0);
        state.receiver_gone = true;
        state.bytes = 0;
        // Drops the items after unlocking: they may run code of their own, such as a sender of this
        // channel.
        let items = std::mem::take(&mut state.items);
        wake_after(state, |state| &mut state.sending);
        drop(items);
    }
}

fn wait(waiting: &mut Vec<Waker>, context: &Context<'_>) {
    if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
        waiting.push(context.waker().clone());
    }
}

/// Wakes the waiting tasks after unlocking the queue.
fn wake_after<T>(
    mut state: MutexGuard<'_, State<T>>,
    which: impl FnOnce(&mut State<T>) -> &mut Vec<Waker>,
) {
    let waiting = std::mem::take(which(&mut state));
    drop(state);
    waiting.into_iter().for_each(Waker::wake);
}

/// Blocks this thread until `poll` is ready, or `deadline` has passed.
pub(super) fn block_on<R>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> Option<R> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    // One waker per thread, so that `will_wake` recognises a thread that gives up waiting and comes
    // again.
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }

    let waker = WAKER.with(Waker::clone);
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(ready) = poll(&mut context) {
            return Some(ready);
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}
