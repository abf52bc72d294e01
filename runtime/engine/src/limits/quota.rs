//! Quotas: how many of a thing one call may have at once, within what all calls have together.

use std::sync::{Arc, OnceLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wxec_protocol::LimitKind;

use crate::{limits::growth::LimitHit, limits::refusal::Refusal};

/// Limits a thing that one call takes and gives back, such as open files or processes.
pub(crate) struct Quota {
    which: LimitKind,
    limit: u32,
    /// Made for the first thing that the call takes: most calls take none.
    own: OnceLock<Arc<Semaphore>>,
    common: Arc<Semaphore>,
}

/// One thing that a call took from a quota. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    _own: OwnedSemaphorePermit,
    _common: OwnedSemaphorePermit,
}

impl Quota {
    /// Lets a call have `limit` at once, as long as `common` lasts.
    pub(crate) fn new(which: LimitKind, limit: u32, common: Arc<Semaphore>) -> Self {
        Self {
            which,
            limit,
            own: OnceLock::new(),
            common,
        }
    }

    /// Takes one.
    pub(crate) fn take(&self) -> Result<Share, Refusal> {
        let own = self
            .own
            .get_or_init(|| Arc::new(Semaphore::new(self.limit as usize)))
            .clone()
            .try_acquire_owned()
            .map_err(|_| self.limit_hit())?;
        let common = self
            .common
            .clone()
            .try_acquire_owned()
            .map_err(|_| self.shortage())?;
        Ok(Share {
            _own: own,
            _common: common,
        })
    }

    fn limit_hit(&self) -> Refusal {
        let limit = u64::from(self.limit);
        Refusal::Limit(LimitHit {
            which: self.which,
            limit,
            asked: limit + 1,
        })
    }

    fn shortage(&self) -> Refusal {
        Refusal::Busy(format!(
            "all {} this host has for guests are in use",
            self.which.unit()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back_to_the_call_and_to_all() {
        let common = Arc::new(Semaphore::new(3));
        let quota = || Quota::new(LimitKind::OpenFiles, 2, common.clone());
        let (first, second) = (quota(), quota());

        let taken = [first.take().unwrap(), first.take().unwrap()];
        let hit = LimitHit {
            which: LimitKind::OpenFiles,
            limit: 2,
            asked: 3,
        };
        assert!(matches!(first.take(), Err(Refusal::Limit(it)) if it == hit));

        let _third = second.take().unwrap();
        assert!(
            matches!(second.take(), Err(Refusal::Busy(reason)) if reason.starts_with("all files"))
        );
        drop(taken);
        assert!(first.take().is_ok() && second.take().is_ok());
    }
}
