//! Room in a sandbox: how many guests may exist, stay, wait for other hosts or have streams at
//! once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use wxec_protocol::LimitKind;

use crate::{limits::budget::Budget, limits::growth::LimitHit};

/// Memory that a guest usually takes: a Rust program begins with 1.1 MiB, and most programs work
/// with little more.
const USUAL_GUEST_BYTES: u64 = 2 << 20;

/// Resident instances. Each has a place that no other call can have, however rarely it is called.
const MAX_RESIDENTS: usize = 100;

pub(crate) struct Capacity {
    pub(crate) budget: Arc<Budget>,
    slots: Arc<Semaphore>,
    residents: Arc<Semaphore>,
    max_residents: usize,
    /// Guests that may wait for tasks on other hosts at once. Those tasks may run here and need
    /// places too: if guests that wait took all places, all would wait for ever.
    pub(crate) askers: Arc<Semaphore>,
    /// Places of calls with streams. Such a call may wait for its caller without end, and other
    /// calls must not wait with it.
    streaming: Arc<Semaphore>,
}

impl Capacity {
    /// Makes room for `slots` guests, or for fewer if the budget does not give each the usual
    /// amount.
    pub(crate) fn new(slots: usize, budget: Budget) -> Self {
        let fit =
            usize::try_from((budget.limit() / USUAL_GUEST_BYTES).max(1)).unwrap_or(usize::MAX);
        let slots = slots.min(fit);
        // At least half of the slots are for calls that come and go.
        let max_residents = MAX_RESIDENTS.min(slots / 2);
        Self {
            budget: Arc::new(budget),
            slots: Arc::new(Semaphore::new(slots)),
            residents: Arc::new(Semaphore::new(max_residents)),
            max_residents,
            askers: Arc::new(Semaphore::new(slots / 2)),
            // At least half of the rest is for calls that come and go.
            streaming: Arc::new(Semaphore::new(((slots - max_residents) / 2).max(1))),
        }
    }

    /// Waits until one more guest may exist.
    pub(crate) async fn slot(&self) -> SemaphorePermit<'_> {
        // Awaiting takes from tokio's budget of the polling task; a long row of fast calls in one
        // poll would use it up.
        match self.slots.try_acquire() {
            Ok(slot) => slot,
            Err(_) => self
                .slots
                .acquire()
                .await
                .expect("the semaphore is never closed"),
        }
    }

    /// Waits until one more call may have streams.
    pub(crate) async fn streaming_place(&self) -> SemaphorePermit<'_> {
        self.streaming
            .acquire()
            .await
            .expect("the semaphore is never closed")
    }

    /// Waits like `slot`, for a resident guest.
    pub(crate) async fn owned_slot(&self) -> OwnedSemaphorePermit {
        self.slots
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }

    /// Takes the place of a resident instance.
    pub(crate) fn resident(&self) -> Result<OwnedSemaphorePermit, LimitHit> {
        self.residents.clone().try_acquire_owned().map_err(|_| {
            let limit = self.max_residents as u64;
            LimitHit {
                which: LimitKind::Instances,
                limit,
                asked: limit + 1,
            }
        })
    }
}
