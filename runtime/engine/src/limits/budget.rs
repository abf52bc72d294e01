//! The memory budget: bytes that all guests of a sandbox may hold together, whatever the limit of
//! each.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use wxec_protocol::LimitKind;

use crate::limits::growth::LimitHit;

/// Bytes that calls share: the memories of their guests, and the results of guests until they have
/// been sent.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    held: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            held: AtomicU64::new(0),
        }
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

impl Default for Budget {
    /// Sets no limit.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

/// Bytes of a budget that one owner holds, and gives back when this is dropped.
#[derive(Debug)]
pub(crate) struct Portion {
    budget: Arc<Budget>,
    held: u64,
}

impl Portion {
    /// Holds nothing yet.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0 }
    }

    /// Changes the portion to `bytes` in all, if the other portions leave so much.
    pub(crate) fn hold(&mut self, bytes: u64) -> Result<(), LimitHit> {
        let more = bytes.saturating_sub(self.held);
        let limit = self.budget.limit;
        let sum = |held: u64| held.saturating_add(more);
        // `Relaxed` suffices: this number orders nothing else, and it is never below what is really
        // held.
        self.budget
            .held
            .fetch_update(Relaxed, Relaxed, |held| {
                (sum(held) <= limit).then(|| sum(held))
            })
            .map_err(|held| LimitHit {
                which: LimitKind::TotalMemory,
                limit,
                asked: sum(held),
            })?;
        self.budget
            .held
            .fetch_sub(self.held.saturating_sub(bytes), Relaxed);
        self.held = bytes;
        Ok(())
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.held, Relaxed);
    }
}

/// Bytes that a guest has written, and their portion of the budget.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    portion: Portion,
}

impl Body {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            bytes: Vec::new(),
            portion: Portion::new(budget),
        }
    }

    /// Adds `bytes`, unless there would be more than `limit` of them in all.
    pub(crate) fn append(&mut self, bytes: &[u8], limit: u64) -> Result<(), LimitHit> {
        let asked = self.bytes.len() as u64 + bytes.len() as u64;
        if asked > limit {
            return Err(LimitHit {
                which: LimitKind::Output,
                limit,
                asked,
            });
        }
        self.make_room(asked)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes room for `bytes` in all. It grows by a quarter rather than doubling as vectors do,
    /// because spare room counts too.
    fn make_room(&mut self, bytes: u64) -> Result<(), LimitHit> {
        let capacity = self.bytes.capacity() as u64;
        if bytes <= capacity {
            return Ok(());
        }
        let ample = bytes.max(capacity + capacity / 4);
        let capacity = match self.portion.hold(ample) {
            Ok(()) => ample,
            Err(_) => self.portion.hold(bytes).map(|()| bytes)?,
        };
        let more = capacity - self.bytes.len() as u64;
        self.bytes
            .reserve_exact(usize::try_from(more).expect("it is within the budget"));
        Ok(())
    }

    /// Returns the bytes, and leaves none.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(self.portion.budget.clone());
        std::mem::replace(self, empty)
    }

    /// Returns the bytes without their portion: a fault is small, and is on its way at once.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the bytes. Their portion is given back when the last of them is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        if self.bytes.is_empty() {
            Bytes::new()
        } else {
            Bytes::from_owner(self)
        }
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_add_up_and_are_given_back() {
        let budget = Arc::new(Budget::new(100));
        let (mut one, mut other) = (Portion::new(budget.clone()), Portion::new(budget.clone()));
        one.hold(60).unwrap();
        let hit = LimitHit {
            which: LimitKind::TotalMemory,
            limit: 100,
            asked: 101,
        };
        assert_eq!(other.hold(41), Err(hit));
        other.hold(40).unwrap();
        one.hold(10).unwrap();
        other.hold(90).unwrap();
        drop(other);
        one.hold(100).unwrap();
        drop(one);
        assert_eq!(budget.held.load(Relaxed), 0);
    }

    #[test]
    fn a_body_holds_its_portion_until_its_last_byte_is_gone() {
        let budget = Arc::new(Budget::new(10));
        let mut body = Body::new(budget.clone());
        body.append(b"1234", 10).unwrap();
        body.append(b"5678", 10).unwrap();
        let mut bytes = body.into_bytes();
        let part = bytes.split_off(6);
        drop(bytes);
        assert_eq!(Portion::new(budget.clone()).hold(3).unwrap_err().asked, 11);
        drop(part);
        Portion::new(budget).hold(10).unwrap();
    }
}
