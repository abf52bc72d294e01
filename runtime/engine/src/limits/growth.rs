//! Limits on what a guest makes the host allocate, and a record of the last refusal.

use wasmtime::ResourceLimiter;
use wxec_protocol::{Fault, LimitKind, Limits};

use crate::{limits::budget::Portion, limits::refusal::Refusal};

/// Elements of all tables of a guest together, at 8 bytes each. A table holds the functions whose
/// address is taken: some hundreds in a Rust guest, some ten thousand in an interpreter such as
/// CPython.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 100_000;

/// A call asked for more than its limits allow. Travels through wasmtime as the error of a host
/// function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {which} limit of {limit} {} does not allow {asked}", which.unit())]
pub(crate) struct LimitHit {
    pub(crate) which: LimitKind,
    pub(crate) limit: u64,
    pub(crate) asked: u64,
}

impl From<LimitHit> for Fault {
    fn from(
        LimitHit {
            which,
            limit,
            asked,
        }: LimitHit,
    ) -> Self {
        Self::Limit {
            which,
            limit,
            asked,
        }
    }
}

/// Decides how far a guest's memory and tables may grow.
///
/// A refused guest only sees that `memory.grow` answered -1, and most guests then abort without
/// saying why. So the last refusal is kept, until the guest is granted something again.
#[derive(Debug)]
pub(crate) struct Growth {
    memory_limit: u64,
    /// The memory's portion of the budget of all calls: for its size, or the size it was about to
    /// have when growing failed.
    memory: Portion,
    table_elements: usize,
    memory_granted: bool,
    refused: Option<Refusal>,
}

impl Growth {
    pub(crate) fn new(limits: &Limits, memory: Portion) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            memory,
            table_elements: 0,
            memory_granted: false,
            refused: None,
        }
    }

    /// Returns the last refusal, unless the guest was granted something since.
    pub(crate) fn into_refusal(self) -> Option<Refusal> {
        self.refused
    }

    /// Forgets the last refusal.
    pub(crate) fn forget(&mut self) {
        self.refused = None;
    }

    fn decide(&mut self, which: LimitKind, limit: u64, asked: u64) -> bool {
        let hit = (asked > limit).then_some(LimitHit {
            which,
            limit,
            asked,
        });
        self.refused = hit.map(Refusal::Limit);
        hit.is_none()
    }
}

impl ResourceLimiter for Growth {
    /// Also called for the memory a module starts with. `maximum` is the module's own.
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let possible = maximum.is_none_or(|maximum| desired <= maximum);
        let mut granted = self.decide(LimitKind::Memory, self.memory_limit, desired as u64);
        if granted
            && possible
            && let Err(hit) = self.memory.hold(desired as u64)
        {
            self.refused = Some(Refusal::Limit(hit));
            granted = false;
        }
        self.memory_granted = granted && possible;
        Ok(granted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        if std::mem::take(&mut self.memory_granted) {
            self.refused = Some(Refusal::Host(format!("{error:#}")));
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let asked = self.table_elements + desired.saturating_sub(current);
        let granted = self.decide(LimitKind::Table, MAX_TABLE_ELEMENTS as u64, asked as u64);
        if granted {
            self.table_elements = asked;
        }
        Ok(granted)
    }
}
