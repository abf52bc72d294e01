//! Output of guests on its way to the controller.
//!
//! A line that a guest prints passes four limits, in this order. The sandbox drops what exceeds the
//! call's own limit, `Limits::stdio_bytes`. The rest counts in the *backlog* until the connection
//! gets it: above [`MAX_BYTES`], all guests together, guests that print wait. The connection gets
//! it while the session has credit for output, [`OUTPUT_WINDOW_BYTES`], which the controller renews
//! once its listener has taken output. Without credit it stays in the [`OutputQueue`], where later
//! output and the return of its own call wait behind it, and nothing else. At last the controller
//! cuts output into lines of at most `MAX_LINE_BYTES`.
//!
//! [`OUTPUT_WINDOW_BYTES`]: wxec_protocol::OUTPUT_WINDOW_BYTES

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::sync::{Notify, mpsc};
use wxec_engine::{Output, Room};
use wxec_protocol::{CallId, LogRecord, OutputStream};

use super::event::CallEvent;

/// Limit on the backlog. Each guest may exceed it by one piece of at most 64 KiB. Without a limit, a
/// thousand calls may print 3 GiB while the controller reads nothing.
const MAX_BYTES: usize = 8 << 20;

/// Memory that a piece of output takes beside its bytes, which may be as few as one.
const PIECE_BYTES: usize = 128;

/// Events of calls in the order in which they may go to the connection.
#[derive(Default)]
pub(crate) struct OutputQueue {
    /// Events that need no credit.
    ready: VecDeque<CallEvent>,
    /// Output, and returns of calls whose output waits.
    waiting: VecDeque<CallEvent>,
    /// Number of waiting events of each call.
    by_call: HashMap<CallId, usize>,
    backlog: Arc<Backlog>,
}

impl OutputQueue {
    /// Returns the sender for guests, which send their output on `events`, to be pushed here.
    pub(crate) fn sender(&self, events: mpsc::UnboundedSender<CallEvent>) -> OutputSender {
        OutputSender {
            events,
            backlog: self.backlog.clone(),
        }
    }

    /// Appends an event of a call.
    pub(crate) fn push(&mut self, event: CallEvent) {
        let call = event.call();
        let waits = match &event {
            CallEvent::Output { .. } | CallEvent::Log { .. } => true,
            CallEvent::Done { .. } => self.by_call.contains_key(&call),
            // An ask prints nothing.
            CallEvent::Ask { .. } => false,
        };
        if waits {
            *self.by_call.entry(call).or_default() += 1;
            self.waiting.push_back(event);
        } else {
            self.ready.push_back(event);
        }
    }

    /// Removes and returns the next event that may go, given whether the session has credit for
    /// output.
    pub(crate) fn pop_ready(&mut self, has_credit: bool) -> Option<CallEvent> {
        match self.ready.pop_front() {
            None if has_credit => self.pop_waiting(),
            ready => ready,
        }
    }

    /// Removes all waiting events of a cancelled call.
    pub(crate) fn remove(&mut self, call: CallId) {
        if self.by_call.remove(&call).is_none() {
            return;
        }
        let Self {
            waiting, backlog, ..
        } = self;
        waiting.retain(|event| {
            let stays = event.call() != call;
            if !stays {
                backlog.remove(cost(event));
            }
            stays
        });
    }

    fn pop_waiting(&mut self) -> Option<CallEvent> {
        let event = self.waiting.pop_front()?;
        if let Entry::Occupied(mut left) = self.by_call.entry(event.call()) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
        self.backlog.remove(cost(&event));
        Some(event)
    }
}

/// Returns the share of the backlog that an event takes.
fn cost(event: &CallEvent) -> usize {
    match event {
        CallEvent::Output { bytes, .. } => PIECE_BYTES + bytes.len(),
        CallEvent::Log { message, .. } => PIECE_BYTES + message.len(),
        CallEvent::Ask { .. } | CallEvent::Done { .. } => 0,
    }
}

/// The guests' end of an [`OutputQueue`].
#[derive(Clone)]
pub(crate) struct OutputSender {
    events: mpsc::UnboundedSender<CallEvent>,
    backlog: Arc<Backlog>,
}

impl OutputSender {
    /// Returns the output of one call.
    pub(crate) fn of_call(&self, id: CallId) -> Arc<CallOutput> {
        let sender = self.clone();
        Arc::new(CallOutput { id, sender })
    }

    fn send(&self, event: CallEvent) {
        self.backlog.add(cost(&event));
        let _ = self.events.send(event);
    }
}

/// Carries the output of one call to the event loop.
pub(crate) struct CallOutput {
    id: CallId,
    sender: OutputSender,
}

impl Output for CallOutput {
    fn write(&self, stream: OutputStream, bytes: &[u8]) {
        self.sender.send(CallEvent::Output {
            id: self.id,
            stream,
            bytes: bytes.to_vec(),
        });
    }

    fn log(&self, record: LogRecord<'_>) {
        self.sender.send(CallEvent::Log {
            id: self.id,
            level: record.level,
            target: record.target.into(),
            message: record.message.into(),
        });
    }

    fn room(&self) -> Option<Room> {
        self.sender.backlog.room()
    }
}

/// Bytes of output between guests and the connection, all calls together. They are few unless the
/// controller reads slowly.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    room: Notify,
}

impl Backlog {
    fn add(&self, cost: usize) {
        self.bytes.fetch_add(cost, SeqCst);
    }

    fn remove(&self, cost: usize) {
        let before = self.bytes.fetch_sub(cost, SeqCst);
        if (MAX_BYTES..MAX_BYTES + cost).contains(&before) {
            self.room.notify_waiters();
        }
    }

    /// Returns a future that ends when there is room, if there is none now.
    fn room(self: &Arc<Self>) -> Option<Room> {
        self.is_full().then(|| {
            let backlog = self.clone();
            Box::pin(async move {
                loop {
                    // Register before checking, so that room made in between is noticed.
                    let room = backlog.room.notified();
                    if !backlog.is_full() {
                        return;
                    }
                    room.await;
                }
            }) as Room
        })
    }

    fn is_full(&self) -> bool {
        self.bytes.load(SeqCst) >= MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use wxec_engine::Completion;
    use wxec_protocol::{CallRequest, ControllerConnection, Digest, LogLevel, Usage};

    use super::*;

    /// Returns the ids of three calls.
    fn calls() -> [CallId; 3] {
        let mut controller = ControllerConnection::new();
        [(); 3].map(|()| controller.call(CallRequest::new(Digest::of(b""), "", "")))
    }

    fn output(id: CallId) -> CallEvent {
        CallEvent::Output {
            id,
            stream: OutputStream::Stdout,
            bytes: b"line".to_vec(),
        }
    }

    fn log(id: CallId) -> CallEvent {
        CallEvent::Log {
            id,
            level: LogLevel::Info,
            target: String::new(),
            message: "line".into(),
        }
    }

    fn done(id: CallId) -> CallEvent {
        let completion = Completion {
            outcome: Ok(bytes::Bytes::new()),
            usage: Usage::default(),
        };
        CallEvent::Done { id, completion }
    }

    /// Returns a queue with these events, which count in its backlog as if guests had sent them.
    fn queue(events: impl IntoIterator<Item = CallEvent>) -> OutputQueue {
        let mut queue = OutputQueue::default();
        for event in events {
            queue.backlog.add(cost(&event));
            queue.push(event);
        }
        queue
    }

    /// Returns the calls of the events that may go, with `true` for returns.
    fn popped(queue: &mut OutputQueue, has_credit: bool) -> Vec<(CallId, bool)> {
        std::iter::from_fn(|| queue.pop_ready(has_credit))
            .map(|event| (event.call(), matches!(event, CallEvent::Done { .. })))
            .collect()
    }

    #[test]
    fn without_credit_only_calls_that_printed_wait() {
        let [a, b, c] = calls();
        let mut queue = queue([output(a), done(b), log(a), done(a), output(c)]);
        assert_eq!(popped(&mut queue, false), [(b, true)]);
        queue.push(done(c));
        assert_eq!(popped(&mut queue, false), []);
        let rest = [(a, false), (a, false), (a, true), (c, false), (c, true)];
        assert_eq!(popped(&mut queue, true), rest);
        queue.push(done(a));
        let last = [(a, true)];
        assert_eq!(popped(&mut queue, false), last, "nothing is before it");
    }

    #[test]
    fn a_cancelled_call_leaves_nothing_behind() {
        let [a, b, c] = calls();
        let mut queue = queue([output(a), output(b), done(a), log(a)]);
        queue.remove(a);
        queue.remove(c);
        assert_eq!(popped(&mut queue, true), [(b, false)]);
        assert_eq!(queue.backlog.bytes.load(SeqCst), 0);
        assert!(queue.by_call.is_empty());
    }

    #[tokio::test]
    async fn a_guest_waits_while_the_backlog_is_full() {
        let mut queue = OutputQueue::default();
        let (events, mut sent) = mpsc::unbounded_channel();
        let guest = queue.sender(events).of_call(calls()[0]);
        while guest.room().is_none() {
            guest.write(OutputStream::Stderr, &[0; 1 << 16]);
        }
        let room = tokio::spawn(guest.room().expect("the backlog is full"));
        while let Ok(event) = sent.try_recv() {
            queue.push(event);
        }
        assert!(queue.pop_ready(false).is_none());
        assert!(guest.room().is_some(), "what is queued counts");
        assert!(queue.pop_ready(true).is_some());
        room.await.unwrap();
        assert!(guest.room().is_none());
    }
}
