//! How many guests a sandbox has room for, and for how much of what is theirs.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use wxec_protocol::LimitKind;

use crate::{budget::Budget, limits::LimitHit};

/// What a guest usually takes: a Rust program begins with 1.1 MiB, and most work with little more.
const USUAL_GUEST_BYTES: u64 = 2 << 20;

/// Resident instances. Each has a place that no other call can have, however rarely it is called.
const MAX_RESIDENTS: usize = 100;

pub(crate) struct Capacity {
    pub(crate) budget: Arc<Budget>,
    slots: Arc<Semaphore>,
    residents: Arc<Semaphore>,
    max_residents: usize,
    /// Guests that may wait for tasks on other hosts at once. Those tasks may run here and need places too: were all
    /// taken by guests that wait, all would wait for ever.
    pub(crate) askers: Arc<Semaphore>,
    /// Places of calls with streams. Those may wait for their callers for as long as these like, and other calls must
    /// not wait with them.
    streaming: Arc<Semaphore>,
}

impl Capacity {
    /// Room for `slots` guests, or for as many as could all have what is usual.
    pub(crate) fn new(slots: usize, budget: Budget) -> Self {
        let fit = usize::try_from((budget.limit() / USUAL_GUEST_BYTES).max(1)).unwrap_or(usize::MAX);
        let slots = slots.min(fit);
        // At least half is for calls that come and go.
        let max_residents = MAX_RESIDENTS.min(slots / 2);
        Self {
            budget: Arc::new(budget),
            slots: Arc::new(Semaphore::new(slots)),
            residents: Arc::new(Semaphore::new(max_residents)),
            max_residents,
            askers: Arc::new(Semaphore::new(slots / 2)),
            // At least half of what is left is for calls that come and go.
            streaming: Arc::new(Semaphore::new(((slots - max_residents) / 2).max(1))),
        }
    }

    /// Waits until one guest more may exist.
    pub(crate) async fn slot(&self) -> SemaphorePermit<'_> {
        // Awaiting takes from the budget of the task that polls; a long row of fast calls in one poll would use it up.
        match self.slots.try_acquire() {
            Ok(slot) => slot,
            Err(_) => self.slots.acquire().await.expect("the semaphore is never closed"),
        }
    }

    /// Waits until one call more may have streams.
    pub(crate) async fn streaming_place(&self) -> SemaphorePermit<'_> {
        self.streaming.acquire().await.expect("the semaphore is never closed")
    }

    /// The same for a guest that stays.
    pub(crate) async fn owned_slot(&self) -> OwnedSemaphorePermit {
        self.slots.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Takes the place of a resident instance.
    pub(crate) fn resident(&self) -> Result<OwnedSemaphorePermit, LimitHit> {
        self.residents.clone().try_acquire_owned().map_err(|_| {
            let limit = self.max_residents as u64;
            LimitHit { which: LimitKind::Instances, limit, asked: limit + 1 }
        })
    }
}
