//! The announced names of a directory, to know which others to delete.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

/// Names in a directory that are remembered; eight bytes each.
pub(super) const MAX_NAMES: usize = 1 << 21;

/// Names, as hashes with a random key. If two names have the same hash, a file that should be
/// deleted stays; nothing worse can happen.
#[derive(Default)]
pub(super) struct Names {
    key: RandomState,
    hashes: HashSet<u64>,
}

impl Names {
    /// Adds a name. Returns false if there are too many.
    pub(super) fn add(&mut self, name: &[u8]) -> bool {
        self.hashes.insert(self.key.hash_one(name));
        self.hashes.len() <= MAX_NAMES
    }

    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.hashes.contains(&self.key.hash_one(name))
    }
}
