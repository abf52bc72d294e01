//! Output of guests that the event loop has not taken yet. It is little unless the controller reads
//! slowly.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Notify;
use wxec_engine::Room;

/// Limit on that output: above it, guests that print wait. Each may exceed it by one piece of at
/// most 64 KiB. Without a limit, a thousand calls may print 3 GiB while the controller reads
/// nothing.
const MAX_BYTES: usize = 8 << 20;

/// Memory that a piece of output takes beside its bytes, which may be as few as one.
const PIECE_BYTES: usize = 128;

/// Bytes of output in flight, all calls together.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    bytes: AtomicUsize,
    room: Notify,
}

impl Backlog {
    pub(crate) fn add(&self, piece: &[u8]) {
        self.bytes.fetch_add(PIECE_BYTES + piece.len(), SeqCst);
    }

    pub(crate) fn remove(&self, piece: &[u8]) {
        let cost = PIECE_BYTES + piece.len();
        let before = self.bytes.fetch_sub(cost, SeqCst);
        if (MAX_BYTES..MAX_BYTES + cost).contains(&before) {
            self.room.notify_waiters();
        }
    }

    /// Returns a future that ends when there is room, if there is none now.
    pub(crate) fn room(self: &Arc<Self>) -> Option<Room> {
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
