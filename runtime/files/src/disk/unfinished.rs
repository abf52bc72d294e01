//! The register of files that are not whole yet, so that all of them can be removed at once.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{AtFlags, fstat, renameat, unlinkat},
    io::Errno,
};

use super::Metadata;

/// The files of a transfer that are not whole yet. The code that starts a transfer keeps a clone,
/// to remove them at once even while the transfer waits for something.
#[derive(Debug, Clone, Default)]
pub struct Unfinished(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    given_up: bool,
    next: u64,
    files: HashMap<u64, (Arc<OwnedFd>, Vec<u8>)>,
    /// Parts that are left for the next transfer.
    left: Vec<(Arc<OwnedFd>, Vec<u8>)>,
}

impl Unfinished {
    /// Removes all of them, including parts that were left after a cut. From now on the transfer
    /// puts nothing into its place.
    pub fn give_up(&self) {
        let mut state = self.lock();
        state.given_up = true;
        let State { files, left, .. } = &mut *state;
        for (directory, name) in files.drain().map(|(_, file)| file).chain(left.drain(..)) {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }

    /// Keeps parts that were left after a cut, for another transfer to resume. Returns true if
    /// there are any.
    pub fn keep(&self) -> bool {
        !std::mem::take(&mut self.lock().left).is_empty()
    }

    pub(super) fn add(&self, directory: &Arc<OwnedFd>, name: &[u8]) -> io::Result<Registered> {
        let mut state = self.lock();
        if state.given_up {
            let _ = unlinkat(directory, name, AtFlags::empty());
            return Err(Errno::CANCELED.into());
        }
        // A left part with this name belongs to this transfer again. Other parts stay left.
        state
            .left
            .retain(|(other, left)| left != name || !is_same(other, directory));
        let number = state.next;
        state.next += 1;
        state
            .files
            .insert(number, (directory.clone(), name.to_vec()));
        Ok(Registered {
            unfinished: self.clone(),
            number,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes its file when it is dropped, unless the file has been renamed or left by then.
#[derive(Debug)]
pub(super) struct Registered {
    unfinished: Unfinished,
    number: u64,
}

impl Registered {
    pub(super) fn rename(&self, target: &[u8]) -> io::Result<()> {
        let mut state = self.unfinished.lock();
        let (directory, name) = state.files.get(&self.number).ok_or(Errno::CANCELED)?;
        renameat(directory, name, directory, target)?;
        state.files.remove(&self.number);
        Ok(())
    }

    pub(super) fn leave(&self) {
        let mut state = self.unfinished.lock();
        if let Some(file) = state.files.remove(&self.number) {
            state.left.push(file);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some((directory, name)) = self.unfinished.lock().files.remove(&self.number) {
            let _ = unlinkat(directory, name, AtFlags::empty());
        }
    }
}

/// Registers a link that was made under a temporary name, and renames it to its place.
pub(crate) fn place_link(
    unfinished: &Unfinished,
    directory: &Arc<OwnedFd>,
    name: &[u8],
    to: &[u8],
) -> io::Result<()> {
    unfinished.add(directory, name)?.rename(to)
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    matches!((fstat(one), fstat(other)), (Ok(one), Ok(other)) if Metadata(one).identity() == Metadata(other).identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        disk::{MIN_PART_BYTES, PartialFile, open_named},
        fingerprint::ContentHasher,
    };

    #[test]
    fn what_was_left_stays_known_until_it_is_gone_on_with() {
        let place = tempfile::tempdir().unwrap();
        let directory = Arc::new(open_named(place.path()).unwrap());
        let unfinished = Unfinished::default();
        for name in [b"a", b"b"] {
            let mut partial = PartialFile::create(
                &unfinished,
                &directory,
                name,
                MIN_PART_BYTES,
                &ContentHasher::default(),
            )
            .unwrap();
            partial.write(&[1; 1 << 20]).unwrap();
            assert!(partial.leave());
        }
        let again = Arc::new(open_named(place.path()).unwrap());
        let part = PartialFile::resume(
            &unfinished,
            &again,
            b"a",
            MIN_PART_BYTES,
            false,
            &ContentHasher::default(),
        )
        .unwrap();
        assert_eq!(unfinished.lock().left.len(), 1);
        drop(part);
        unfinished.give_up();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
