//! The plan: wanted files and ends of directories, in the order of their announcements.

use std::collections::VecDeque;

use super::group::DirectoryEnd;
use crate::{
    TransferEnd,
    disk::{Attributes, PartialFile},
};

#[derive(Default)]
pub(super) struct Plan(VecDeque<Planned>);

/// A step to take when all steps before it are done.
enum Planned {
    File(Box<Wanted>),
    DirectoryEnd(DirectoryEnd),
}

/// A file that is wanted and has not begun to arrive.
pub(super) struct Wanted {
    pub(super) number: u64,
    pub(super) directory: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
    pub(super) attributes: Attributes,
    /// The part of it that an earlier transfer has left.
    pub(super) part: Option<PartialFile>,
}

impl Plan {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add_file(&mut self, wanted: Wanted) {
        self.0.push_back(Planned::File(Box::new(wanted)));
    }

    pub(super) fn add_end(&mut self, end: DirectoryEnd) {
        self.0.push_back(Planned::DirectoryEnd(end));
    }

    /// Takes the next step, which must be the file of this number.
    pub(super) fn next_file(&mut self, number: u64) -> Result<Wanted, TransferEnd> {
        match self.0.pop_front() {
            Some(Planned::File(wanted)) if wanted.number == number => Ok(*wanted),
            _ => Err(TransferEnd::Malformed("it sent what was not wanted")),
        }
    }

    /// Takes the next step if it is the end of a directory.
    pub(super) fn next_end(&mut self) -> Option<DirectoryEnd> {
        match self.0.pop_front()? {
            Planned::DirectoryEnd(end) => Some(end),
            file => {
                self.0.push_front(file);
                None
            }
        }
    }

    /// Returns the number of files whose parts are held open.
    pub(super) fn parts(&self) -> usize {
        self.0
            .iter()
            .filter(|step| matches!(step, Planned::File(wanted) if wanted.part.is_some()))
            .count()
    }

    /// Leaves all parts for the next transfer.
    pub(super) fn leave_parts(&mut self) {
        for step in self.0.drain(..) {
            if let Planned::File(wanted) = step {
                wanted.part.map(PartialFile::leave);
            }
        }
    }
}
