//! The transfers of one host, and their sum.

use wxec::transfer::{TransferError, TransferErrorKind, Transferred};

/// The outcome of the transfers of one host.
#[derive(Default)]
pub(crate) struct Total {
    /// The sum of all that was transferred, if anything was.
    pub(crate) done: Option<Transferred>,
    pub(crate) errors: Vec<TransferError>,
}

impl FromIterator<Result<Transferred, TransferError>> for Total {
    fn from_iter<I>(results: I) -> Self
    where
        I: IntoIterator<Item = Result<Transferred, TransferError>>,
    {
        let mut total = Self::default();
        results.into_iter().for_each(|result| total.add(result));
        total
    }
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
