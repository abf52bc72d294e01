//! Files that are not whole yet. They have temporary names and are hashed as they are written; once
//! they are known to be right they are renamed, otherwise removed.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{
        AtFlags, FileType, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fchmod,
        fchown, flock, fstat, futimens, openat, renameat, unlinkat,
    },
    io::Errno,
    process::geteuid,
};

use crate::{
    Step,
    content::hash_file,
    fingerprint::{ContentHasher, is_zero},
    message::Time,
    path::{part_name, temporary_name},
    place::{Metadata, metadata},
};

/// Files of at least this size are resumed after a cut. To send a smaller one again takes no longer
/// than to find out how much of it is there.
pub const MIN_PART_BYTES: u64 = 1 << 20;

/// Time that an earlier receiver has to notice its cut and release the part.
const RELEASED_WITHIN: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(20);

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

    fn add(&self, directory: &Arc<OwnedFd>, name: &[u8]) -> io::Result<Registered> {
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
struct Registered {
    unfinished: Unfinished,
    number: u64,
}

impl Registered {
    fn rename(&self, target: &[u8]) -> io::Result<()> {
        let mut state = self.unfinished.lock();
        let (directory, name) = state.files.get(&self.number).ok_or(Errno::CANCELED)?;
        renameat(directory, name, directory, target)?;
        state.files.remove(&self.number);
        Ok(())
    }

    fn leave(&self) {
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

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct PartialFile {
    file: File,
    hasher: Box<ContentHasher>,
    /// True if the next transfer may resume it.
    is_part: bool,
    registered: Registered,
}

impl PartialFile {
    /// Creates a file in `directory` that is to become `target` and has about `size` bytes.
    pub(crate) fn create(
        unfinished: &Unfinished,
        directory: &Arc<OwnedFd>,
        target: &[u8],
        size: u64,
        hasher: &ContentHasher,
    ) -> io::Result<Self> {
        if size >= MIN_PART_BYTES {
            match Self::open(
                unfinished,
                directory,
                &part_name(target),
                OFlags::CREATE | OFlags::EXCL,
                true,
                hasher,
            ) {
                // The part belongs to another account, or another transfer uses it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                opened => return opened,
            }
        }
        Self::open(
            unfinished,
            directory,
            &temporary_name(target),
            OFlags::CREATE | OFlags::EXCL,
            false,
            hasher,
        )
    }

    /// Opens and hashes the part that a cut transfer has left of `target`. Returns `None` if there
    /// is no part, or another transfer still writes it.
    pub(crate) fn resume(
        unfinished: &Unfinished,
        directory: &Arc<OwnedFd>,
        target: &[u8],
        size: u64,
        wait: bool,
        hasher: &ContentHasher,
    ) -> io::Result<Option<Self>> {
        let name = part_name(target);
        let give_up = Instant::now()
            + if wait {
                RELEASED_WITHIN
            } else {
                Duration::ZERO
            };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = loop {
            let Ok(file) = openat(directory, &name, flags, Mode::empty()).map(File::from) else {
                return Ok(None);
            };
            if !is_ours(&file) {
                return Ok(None);
            }
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // The part may have been renamed or removed before this transfer locked it.
                Ok(()) if is_at(&file, directory, &name) => break file,
                Ok(()) => {}
                Err(_) if Instant::now() >= give_up => return Ok(None),
                Err(_) => thread::sleep(RETRY_EVERY),
            }
        };
        let registered = unfinished.add(directory, &name)?;
        let mut part = Self {
            file,
            hasher: Box::new(hasher.clone()),
            is_part: true,
            registered,
        };
        if fstat(&part.file).is_ok_and(|stat| Metadata(stat).size() <= size) {
            hash_file(part.file.try_clone()?, &mut part.hasher)?;
        }
        if part.length() == 0 {
            part.restart()?;
        }
        Ok(Some(part))
    }

    fn open(
        unfinished: &Unfinished,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        flags: OFlags,
        is_part: bool,
        hasher: &ContentHasher,
    ) -> io::Result<Self> {
        let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
        if is_part && !claim(&file, directory, name) {
            return Err(Errno::EXIST.into());
        }
        let registered = unfinished.add(directory, name)?;
        Ok(Self {
            file,
            hasher: Box::new(hasher.clone()),
            is_part,
            registered,
        })
    }

    /// Returns the number of bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.hasher.length()
    }

    /// Returns the hasher of the bytes so far.
    pub(crate) fn hasher(&self) -> &ContentHasher {
        &self.hasher
    }

    /// Starts again with an empty file.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.hasher.restart();
        self.file.set_len(0)
    }

    /// Appends `bytes`. Leaves a hole if all of them are zeros.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !is_zero(bytes) {
            self.file.write_all_at(bytes, self.length())?;
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// Appends `count` zeros, as a hole.
    pub(crate) fn write_zeros(&mut self, count: u64) {
        self.hasher.update_zeros(count);
    }

    /// Sets its length, mode, owner and time, and waits until all of it would survive a loss of
    /// power.
    pub(crate) fn settle(&self, attributes: &Attributes) -> Result<(), (Step, io::Error)> {
        let sync = || self.file.sync_all().map_err(|error| (Step::Syncing, error));
        self.file
            .set_len(self.length())
            .map_err(|error| (Step::Writing, error))?;
        // Syncs a large file before its mode and owner change, because that takes long: if this
        // process is killed meanwhile, the next transfer can resume the part.
        if self.is_part {
            sync()?;
        }
        attributes.apply(&self.file)?;
        sync()
    }

    /// Renames the file to `target`.
    pub(crate) fn place(&self, target: &[u8]) -> io::Result<()> {
        self.registered.rename(target)
    }

    /// Leaves the file for the next transfer after a cut, if it is large enough. Returns true if it
    /// was left.
    pub(crate) fn leave(self) -> bool {
        let worth = self.is_part
            && self.length() >= MIN_PART_BYTES
            && self.file.set_len(self.length()).is_ok();
        if worth {
            self.registered.leave();
        }
        worth
    }
}

/// Locks a part that was just made. Returns false if another transfer was faster: that one would
/// resume the part, or remove it.
fn claim(file: &File, directory: &OwnedFd, name: &[u8]) -> bool {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => false,
        Ok(()) => is_at(file, directory, name),
        // Where files cannot be locked, no transfer resumes a part.
        Err(_) => true,
    }
}

/// Returns true if this account wrote the file, and no other account can have changed or may read
/// it. Only such a part is resumed.
fn is_ours(file: &File) -> bool {
    fstat(file).is_ok_and(|stat| {
        let found = Metadata(stat);
        found.kind() == FileType::RegularFile
            && stat.st_uid == geteuid().as_raw()
            && found.mode() & 0o077 == 0
            && stat.st_nlink == 1
    })
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> bool {
    matches!((fstat(one), fstat(other)), (Ok(one), Ok(other)) if Metadata(one).identity() == Metadata(other).identity())
}

fn is_at(file: &File, directory: &OwnedFd, name: &[u8]) -> bool {
    let (Ok(file), Ok(Some(found))) = (fstat(file), metadata(directory, name)) else {
        return false;
    };
    Metadata(file).identity() == found.identity()
}

/// Mode, owner and time to give to a file or directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    /// `None` if the mode is to stay.
    pub(crate) mode: Option<u32>,
    /// The bits of the mode that count. Other bits are the target's own, unless a mode was asked
    /// for.
    pub(crate) mode_bits: u32,
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) modified: Option<Time>,
}

impl Attributes {
    /// Sets them on an open file or directory.
    pub(crate) fn apply(&self, file: impl rustix::fd::AsFd) -> Result<(), (Step, io::Error)> {
        use rustix::fs::{Gid, Uid};
        if self.user.is_some() || self.group.is_some() {
            let (user, group) = (self.user.map(Uid::from_raw), self.group.map(Gid::from_raw));
            fchown(&file, user, group).map_err(|error| (Step::SettingOwner, error.into()))?;
        }
        // Sets the mode after the owner, because a change of owner clears bits.
        if let Some(mode) = self.mode {
            fchmod(&file, Mode::from_raw_mode(mode))
                .map_err(|error| (Step::SettingMode, error.into()))?;
        }
        if let Some(Time {
            seconds,
            nanoseconds,
        }) = self.modified
        {
            let last_modification = Timespec {
                tv_sec: seconds,
                tv_nsec: nanoseconds.into(),
            };
            let last_access = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            };
            futimens(
                &file,
                &Timestamps {
                    last_access,
                    last_modification,
                },
            )
            .map_err(|error| (Step::SettingTimes, error.into()))?;
        }
        Ok(())
    }

    /// Returns true if `found` has this mode and owner already, as far as they are given.
    pub(crate) fn matches(&self, found: &Metadata) -> bool {
        self.mode
            .is_none_or(|mode| found.mode_with(self.mode_bits) == mode & self.mode_bits)
            && self.user.is_none_or(|user| user == found.0.st_uid)
            && self.group.is_none_or(|group| group == found.0.st_gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Arc<OwnedFd>) {
        let place = tempfile::tempdir().unwrap();
        let directory = Arc::new(crate::place::open_named(place.path()).unwrap());
        (place, directory)
    }

    #[test]
    fn a_part_that_another_transfer_has_taken_is_left_to_it() {
        let (place, directory) = place();
        let path = place.path().join("part");
        let (made, taken) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        flock(&taken, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!claim(&made, &directory, b"part"));
        drop(taken);
        assert!(claim(&made, &directory, b"part"));
        // The other transfer may also have removed the part.
        std::fs::remove_file(&path).unwrap();
        assert!(!claim(&made, &directory, b"part"));
    }

    #[test]
    fn what_was_left_stays_known_until_it_is_gone_on_with() {
        let (place, directory) = place();
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
        let again = Arc::new(crate::place::open_named(place.path()).unwrap());
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

    #[test]
    fn a_part_is_ours_until_its_content_is_safe() {
        let (_place, directory) = place();
        let unfinished = Unfinished::default();
        let mut partial = PartialFile::create(
            &unfinished,
            &directory,
            b"a",
            MIN_PART_BYTES,
            &ContentHasher::default(),
        )
        .unwrap();
        partial.write(b"content").unwrap();
        assert!(is_ours(&partial.file));
        let modified = Some(Time {
            seconds: 1,
            nanoseconds: 0,
        });
        partial
            .settle(&Attributes {
                mode: Some(0o4755),
                mode_bits: 0o7777,
                user: None,
                group: None,
                modified,
            })
            .unwrap();
        assert_eq!(fstat(&partial.file).unwrap().st_mode & 0o7777, 0o4755);
    }
}
