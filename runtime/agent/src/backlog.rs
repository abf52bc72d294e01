//! What guests have printed and the event loop has not taken yet, which is little unless the controller reads slowly.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Notify;
use wxec_engine::Room;

/// With so much on its way, guests that print wait. Each may have one piece more, of 64 KiB at most; without this, a
/// thousand calls may print 3 GiB while nobody reads.
const MAX_BYTES: usize = 8 << 20;

/// What a piece of output takes beside its bytes, of which there may be only one.
const PIECE_BYTES: usize = 128;

/// Bytes on their way, all calls together.
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

    /// What to wait for, if there is too much already.
    pub(crate) fn room(self: &Arc<Self>) -> Option<Room> {
        self.is_full().then(|| {
            let backlog = self.clone();
            Box::pin(async move {
                loop {
                    // Made before looking: it hears of room that is made in between.
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
