//! The looks of one prefab in one step, behind a trait object: the code of steps is part of guests,
//! and compiled once for all types of prefabs.

use std::path::PathBuf;

use wxec::{cbor, module::Digest};

use crate::{action::Change, fault::Fault, look::Look, prefab::Prefab, record::Made};

/// A prefab, and the states that it has seen, by their numbers.
pub(super) trait Looks {
    /// The name of the step.
    fn name(&self) -> String;
    fn secret_files(&self) -> Vec<PathBuf>;
    /// Looks, and keeps what is seen.
    fn look(&mut self, look: &Look<'_>) -> Result<usize, Fault>;
    /// Looks, and compares what is seen with an earlier look.
    fn sees_still(&self, look: &Look<'_>, seen: usize) -> Result<bool, Fault>;
    fn are_equal(&self, one: usize, other: usize) -> bool;
    fn plan(&self, seen: usize) -> Change;
    fn made(&self, seen: usize) -> Vec<Made>;
    fn keeps(&self) -> bool;
    fn digest(&self, seen: usize) -> Result<Digest, Fault>;
}

/// The looks of a prefab of one type.
pub(super) struct LooksOf<'a, P: Prefab + ?Sized> {
    prefab: &'a P,
    seen: Vec<P::Seen>,
}

impl<'a, P: Prefab + ?Sized> LooksOf<'a, P> {
    pub(super) fn new(prefab: &'a P) -> Self {
        Self {
            prefab,
            seen: Vec::new(),
        }
    }
}

impl<P: Prefab + ?Sized> Looks for LooksOf<'_, P> {
    fn name(&self) -> String {
        self.prefab.name()
    }

    fn secret_files(&self) -> Vec<PathBuf> {
        self.prefab.secret_files()
    }

    fn look(&mut self, look: &Look<'_>) -> Result<usize, Fault> {
        self.seen.push(self.prefab.look(look)?);
        Ok(self.seen.len() - 1)
    }

    fn sees_still(&self, look: &Look<'_>, seen: usize) -> Result<bool, Fault> {
        Ok(self.prefab.look(look)? == self.seen[seen])
    }

    fn are_equal(&self, one: usize, other: usize) -> bool {
        self.seen[one] == self.seen[other]
    }

    fn plan(&self, seen: usize) -> Change {
        self.prefab.plan(&self.seen[seen])
    }

    fn made(&self, seen: usize) -> Vec<Made> {
        if self.keeps() {
            return Vec::new();
        }
        self.prefab.made(&self.seen[seen])
    }

    fn keeps(&self) -> bool {
        self.prefab.keeps()
    }

    fn digest(&self, seen: usize) -> Result<Digest, Fault> {
        let encoded = cbor::encode(&self.seen[seen]);
        let encoded = encoded
            .map_err(|error| Fault::new(format_args!("what the prefab has seen {error}")))?;
        Ok(Digest::of(&encoded))
    }
}
