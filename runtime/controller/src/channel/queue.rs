//! The queue in the middle of a channel: bounded, for any number of threads and tasks at either end.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

use super::end::{ChannelEnd, SendError};

/// Items that wait for the receiver: enough to keep both ends busy.
const MAX_ITEMS: usize = 1024;

/// Bytes they may have together; one alone may have more. What a receiver that stops costs, beside the window of its
/// stream.
const MAX_BYTES: usize = 1 << 20;

pub(super) struct Item<T> {
    pub(super) value: T,
    /// Where it comes from.
    pub(super) host: Arc<str>,
    /// As it was encoded, or in memory if it never was.
    pub(super) bytes: usize,
}

pub(super) struct Queue<T>(Mutex<State<T>>);

struct State<T> {
    items: VecDeque<Item<T>>,
    bytes: usize,
    senders: usize,
    receiver_gone: bool,
    end: Option<ChannelEnd>,
    /// Who waits for an item.
    receiving: Vec<Waker>,
    /// Who waits for room, or for the receiver's end.
    sending: Vec<Waker>,
}

/// With one sender and a receiver.
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

    fn why(&self) -> ChannelEnd {
        self.end.clone().unwrap_or(ChannelEnd::Closed)
    }
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item when there is room for it.
    pub(super) fn poll_send(
        &self,
        context: &mut Context<'_>,
        item: &mut Option<Item<T>>,
    ) -> Poll<Result<(), SendError<T>>> {
        let Some(wanted) = item else { return Poll::Ready(Ok(())) };
        let mut state = self.lock();
        if !state.receiver_gone && !state.has_room(wanted.bytes) {
            wait(&mut state.sending, context);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(item.take().map_or(Ok(()), |item| self.push(item)))
    }

    /// Waits for room for one item of usual size.
    pub(super) fn poll_room(&self, context: &mut Context<'_>) -> Poll<Result<(), ChannelEnd>> {
        let mut state = self.lock();
        if state.receiver_gone {
            return Poll::Ready(Err(state.why()));
        }
        if state.has_room(0) {
            return Poll::Ready(Ok(()));
        }
        wait(&mut state.sending, context);
        Poll::Pending
    }

    /// Adds an item, whatever else waits.
    pub(super) fn push(&self, item: Item<T>) -> Result<(), SendError<T>> {
        let mut state = self.lock();
        if state.receiver_gone {
            return Err(SendError { item: item.value, end: state.why() });
        }
        state.bytes += item.bytes;
        state.items.push_back(item);
        wake_after(state, |state| &mut state.receiving);
        Ok(())
    }

    /// Takes the next item, or says why there will be none.
    pub(super) fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Item<T>, ChannelEnd>> {
        let mut state = self.lock();
        if let Some(item) = state.items.pop_front() {
            state.bytes -= item.bytes;
            // Not for each item: those who wait are many where a fleet sends.
            if state.items.len() <= MAX_ITEMS / 2 && state.bytes <= MAX_BYTES / 2 {
                wake_after(state, |state| &mut state.sending);
            }
            return Poll::Ready(Ok(item));
        }
        if state.senders == 0 {
            return Poll::Ready(Err(state.why()));
        }
        wait(&mut state.receiving, context);
        Poll::Pending
    }

    /// Waits until nobody receives any more.
    pub(super) fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.receiver_gone {
            return Poll::Ready(());
        }
        wait(&mut state.sending, context);
        Poll::Pending
    }

    pub(super) fn receiver_gone(&self) -> bool {
        self.lock().receiver_gone
    }

    /// Why it is over, once there is nothing left to receive.
    pub(super) fn end_if_over(&self) -> Option<ChannelEnd> {
        let state = self.lock();
        (state.senders == 0 && state.items.is_empty()).then(|| state.why())
    }

    /// Notes why it will be over. A failure counts more than what is none, and the first one most.
    pub(super) fn end(&self, end: ChannelEnd) {
        let mut state = self.lock();
        if state.end.as_ref().is_none_or(|earlier| earlier.is_regular() && !matches!(end, ChannelEnd::Closed)) {
            state.end = Some(end);
        }
    }

    pub(super) fn add_sender(&self) {
        self.lock().senders += 1;
    }

    pub(super) fn drop_sender(&self) {
        let mut state = self.lock();
        state.senders -= 1;
        if state.senders == 0 {
            wake_after(state, |state| &mut state.receiving);
        }
    }

    pub(super) fn drop_receiver(&self) {
        let mut state = self.lock();
        state.receiver_gone = true;
        state.bytes = 0;
        // Items may have code of their own to run, such as a sender of this very channel.
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

/// Wakes them when the queue is free for them.
fn wake_after<T>(mut state: MutexGuard<'_, State<T>>, which: impl FnOnce(&mut State<T>) -> &mut Vec<Waker>) {
    let waiting = std::mem::take(which(&mut state));
    drop(state);
    waiting.into_iter().for_each(Waker::wake);
}

/// Blocks this thread until `poll` is ready, or `deadline` has passed.
pub(super) fn block_on<R>(deadline: Option<Instant>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> Option<R> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    // The same each time, so that who gives up waiting and comes again is known.
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
