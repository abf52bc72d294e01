//! The transfers of one host, and their sum.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use wxec::{Transfer, TransferError, TransferErrorKind, Transferred};

use crate::{base::sync::lock, terminal::interrupt};

/// Transfers of one host at once: enough that a short one does not wait for the link.
const MAX_AT_ONCE: usize = 8;

/// The outcome of the transfers of one host.
#[derive(Default)]
pub(crate) struct Total {
    /// The sum of all that was transferred, if anything was.
    pub(crate) done: Option<Transferred>,
    pub(crate) errors: Vec<TransferError>,
}

impl Total {
    fn add(&mut self, result: Result<Transferred, TransferError>) {
        match result {
            Ok(done) => self.add_done(done),
            Err(error) => {
                // Reports the part of a tree that was transferred, even if another part was not.
                if let TransferErrorKind::Incomplete { done, .. } = &error.kind {
                    self.add_done(done.clone());
                }
                self.errors.push(error);
            }
        }
    }

    fn add_done(&mut self, done: Transferred) {
        let Some(all) = &mut self.done else {
            self.done = Some(done);
            return;
        };
        all.files += done.files;
        all.bytes += done.bytes;
        all.resumed_bytes += done.resumed_bytes;
        all.skipped += done.skipped;
        all.deleted += done.deleted;
        all.warnings.extend(done.warnings);
        // A digest is of one file, so a sum has none.
        all.sha256 = None;
    }
}

/// Runs the transfers of one host, some at once, and sums up their results in order. Transfers that
/// an interrupt cut off have no result.
pub(crate) fn run_all(transfers: Vec<Transfer>) -> Total {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(transfer) = transfers.get(index).filter(|_| !interrupt::happened()) else {
                return;
            };
            if let Ok(result) = interrupt::block_on(transfer.clone().run()) {
                lock(&results).insert(index, result);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..transfers.len().min(MAX_AT_ONCE) {
            scope.spawn(work);
        }
        work();
    });
    let mut total = Total::default();
    results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_values()
        .for_each(|result| total.add(result));
    total
}
