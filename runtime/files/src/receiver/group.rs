//! Groups of files that go into their places together. Waiting for the disk is most of the work of
//! a small file, and the disk serves many files at once as fast as one.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustix::io::Errno;

use super::{destination::Destination, names::Names};
use crate::{
    Failure, Options, Step,
    disk::{Attributes, PartialFile, metadata, names, remove},
    path::is_temporary,
};

/// Files in a group, each of which is open, and their bytes. A transfer that breaks off loses at
/// most this much.
const MAX_FILES: usize = 256;
const MAX_BYTES: u64 = 16 << 20;

/// Directories in a group.
const MAX_DIRECTORIES: usize = 256;

/// Threads that wait for the disk.
const THREADS: usize = 16;

/// Enough, because these threads do nothing else.
const STACK_BYTES: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Group {
    members: Vec<Member>,
    files: usize,
    bytes: u64,
    directories: usize,
    /// Directories whose names changed, to be synced once their files are in place.
    changed: Vec<(Arc<OwnedFd>, Vec<u8>)>,
}

enum Member {
    File(NewFile),
    DirectoryEnd(DirectoryEnd),
}

/// A file that has arrived.
pub(super) struct NewFile {
    pub(super) directory: Arc<OwnedFd>,
    pub(super) partial: PartialFile,
    pub(super) name: Vec<u8>,
    pub(super) attributes: Attributes,
    /// Its path for messages.
    pub(super) path: Vec<u8>,
    /// True if a directory in its way may be removed.
    pub(super) clear: bool,
}

/// A directory in which everything has arrived.
pub(super) struct DirectoryEnd {
    pub(super) path: Vec<u8>,
    /// `None` if the directory does not exist, in a dry run.
    pub(super) attributes: Option<Attributes>,
    pub(super) changes: bool,
    pub(super) names: Option<Names>,
}

/// An entry that was deleted, with everything in it.
pub(super) struct Removed {
    pub(super) path: Vec<u8>,
    pub(super) count: u64,
}

/// The result of a group.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) removed: Vec<Removed>,
    /// Failures of single members.
    pub(super) failures: Vec<Failure>,
    /// Files that are not in their places because of these failures, and their bytes.
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Outcome {
    fn failed(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    fn without(&mut self, partial: &PartialFile, failure: Failure) {
        (self.files, self.bytes) = (self.files + 1, self.bytes + partial.length());
        self.failed(failure);
    }
}

impl Group {
    pub(super) fn add_file(&mut self, file: NewFile) {
        self.files += 1;
        self.bytes += file.partial.length();
        self.members.push(Member::File(file));
    }

    pub(super) fn add_end(&mut self, end: DirectoryEnd) {
        self.directories += 1;
        self.members.push(Member::DirectoryEnd(end));
    }

    pub(super) fn is_full(&self) -> bool {
        self.files >= MAX_FILES || self.bytes >= MAX_BYTES || self.directories >= MAX_DIRECTORIES
    }

    /// Puts everything into its place that can be put there, and returns the failures.
    pub(super) fn finish(
        &mut self,
        destination: &mut Destination,
        options: &Options,
    ) -> Result<Outcome, Failure> {
        let members = std::mem::take(&mut self.members);
        (self.files, self.bytes, self.directories) = (0, 0, 0);
        let unsettled = for_each_parallel(&members, |member| match member {
            Member::File(file) => file.settle(),
            Member::DirectoryEnd(_) => Ok(()),
        });
        let mut unsettled: HashMap<_, _> = unsettled.into_iter().collect();
        let mut outcome = Outcome::default();
        for (index, member) in members.into_iter().enumerate() {
            match member {
                Member::File(file) => {
                    let placed = match unsettled.remove(&index) {
                        Some(failure) => Err(failure),
                        None => file.place(),
                    };
                    match placed {
                        Ok(()) if destination.is_single() => {
                            self.sync_later(file.directory, file.path);
                        }
                        Ok(()) => {}
                        Err(failure) => outcome.without(&file.partial, failure),
                    }
                }
                Member::DirectoryEnd(end) => {
                    self.finish_directory(end, destination, options, &mut outcome);
                }
            }
        }
        self.sync_directories()?;
        Ok(outcome)
    }

    fn finish_directory(
        &mut self,
        DirectoryEnd {
            path,
            attributes,
            changes,
            names,
        }: DirectoryEnd,
        destination: &mut Destination,
        options: &Options,
        outcome: &mut Outcome,
    ) {
        let Some(attributes) = attributes else { return };
        let directory = match destination.directory(&path) {
            Ok(Some(directory)) => directory,
            Ok(None) => return,
            Err(failure) => return outcome.failed(failure),
        };
        let before = outcome.removed.len();
        if let Some(names) = names {
            delete_others(
                &directory,
                &names,
                options,
                |name| destination.full_path(&path, name),
                outcome,
            );
        }
        if options.dry_run {
            return;
        }
        let settled = destination
            .settle(&path, &directory, attributes)
            .unwrap_or_else(|failure| {
                outcome.failed(failure);
                false
            });
        if changes || settled || outcome.removed.len() > before {
            self.sync_later(directory, destination.full_path(&path, b""));
        }
    }

    /// Adds a directory to be synced with the others.
    pub(super) fn sync_later(&mut self, directory: Arc<OwnedFd>, path: Vec<u8>) {
        self.changed.push((directory, path));
    }

    /// Waits until the changed names would survive a loss of power.
    pub(super) fn sync_directories(&mut self) -> Result<(), Failure> {
        let failed = for_each_parallel(&std::mem::take(&mut self.changed), |(directory, path)| {
            match rustix::fs::fsync(directory) {
                // Some file systems cannot sync directories.
                Ok(()) | Err(Errno::INVAL) => Ok(()),
                Err(error) => Err(Failure::io(Step::Syncing, &**path, error)),
            }
        });
        failed
            .into_iter()
            .next()
            .map_or(Ok(()), |(_, failure)| Err(failure))
    }
}

impl NewFile {
    /// Gives the file its attributes, and waits until it would survive a loss of power.
    fn settle(&self) -> Result<(), Failure> {
        self.partial
            .settle(&self.attributes)
            .map_err(|(step, error)| Failure::io(step, &*self.path, error))
    }

    fn place(&self) -> Result<(), Failure> {
        make_room(&self.directory, &self.name, self.clear)
            .and_then(|()| self.partial.place(&self.name))
            .map_err(|error| Failure::io(Step::Replacing, &*self.path, error))
    }
}

/// Removes a directory in the place of a file, if `clear` allows it.
fn make_room(directory: &OwnedFd, name: &[u8], clear: bool) -> io::Result<()> {
    if clear
        && metadata(directory, name)?
            .is_some_and(|found| found.kind() == rustix::fs::FileType::Directory)
    {
        remove(directory, name)?;
    }
    Ok(())
}

fn delete_others(
    directory: &OwnedFd,
    keep: &Names,
    options: &Options,
    full_path: impl Fn(&[u8]) -> Vec<u8>,
    outcome: &mut Outcome,
) {
    let failed = |name: &[u8], error: Errno| Failure::io(Step::Deleting, full_path(name), error);
    let others = names(directory).and_then(|names| {
        // A temporary file may belong to another transfer.
        let is_other = |name: &Vec<u8>| !keep.contains(name) && !is_temporary(name);
        names
            .filter(|name| name.as_ref().map_or(true, is_other))
            .collect::<Result<Vec<_>, _>>()
    });
    let others = others.unwrap_or_else(|error| {
        outcome.failed(failed(b"", error));
        Vec::new()
    });
    for name in others {
        match if options.dry_run {
            Ok(1)
        } else {
            remove(directory, &name)
        } {
            Ok(count) => outcome.removed.push(Removed {
                path: full_path(&name),
                count,
            }),
            Err(error) => outcome.failed(failed(&name, error)),
        }
    }
}

/// Does `each` for all of them, some in parallel, and returns the failures with their indices.
fn for_each_parallel<T: Sync>(
    all: &[T],
    each: impl Fn(&T) -> Result<(), Failure> + Sync,
) -> Vec<(usize, Failure)> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(index) else { return };
            if let Err(failure) = each(one) {
                failed
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push((index, failure));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..all.len().min(THREADS) {
            // If no more threads can be started, this thread does all the work.
            let _ = thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work);
        }
        work();
    });
    failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
