//! A transfer, as far as announcements and arriving files share it.

use std::{io::Write, os::fd::OwnedFd, sync::Arc};

use super::{destination::Destination, plan::Plan, report::Report, settings::Settings};
use crate::{
    Failure, Step,
    disk::{MIN_PART_BYTES, PartialFile},
    fingerprint::ContentHasher,
};

/// Parts of cut transfers that are held open for files still to come. A cut leaves one.
const MAX_PARTS: usize = 4;

pub(super) struct Transfer<'a, 'r, W: Write> {
    pub(super) settings: &'r Settings<'a>,
    pub(super) report: &'r mut Report<'a, W>,
    pub(super) destination: Destination,
    pub(super) plan: Plan,
}

impl<W: Write> Transfer<'_, '_, W> {
    /// Leaves out something of a tree. Fails for a single file, and for a failure that would affect
    /// all files.
    pub(super) fn leave_out(&mut self, failure: Failure) -> Result<(), Failure> {
        if self.destination.is_single() || !failure.concerns_one_path() {
            return Err(failure);
        }
        self.report.leave_out(failure);
        Ok(())
    }

    /// Makes a hasher for the next file.
    pub(super) fn new_hasher(&self) -> ContentHasher {
        if self.destination.is_single() {
            ContentHasher::with_sha256()
        } else {
            ContentHasher::default()
        }
    }

    /// Opens the part that a cut transfer has left of a file.
    pub(super) fn open_part(
        &self,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        size: u64,
        full_path: &[u8],
    ) -> Result<Option<PartialFile>, Failure> {
        if self.plan.parts() >= MAX_PARTS {
            return Ok(None);
        }
        let Settings {
            unfinished,
            resuming,
            ..
        } = *self.settings;
        let hasher = self.new_hasher();
        let part = PartialFile::resume(unfinished, directory, name, size, resuming, &hasher)
            .map_err(|error| Failure::io(Step::Reading, full_path, error))?;
        // A part that is of no use any more is dropped here, which removes it.
        Ok(part.filter(|_| size >= MIN_PART_BYTES))
    }
}
