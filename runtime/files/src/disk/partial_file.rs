//! Files that are not whole yet. They have temporary names and are hashed as they are written; once
//! they are known to be right they are renamed, otherwise removed.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FileType, FlockOperation, Mode, OFlags, flock, fstat, openat},
    io::Errno,
    process::geteuid,
};

use super::{
    Attributes, Metadata, hash_file, metadata,
    unfinished::{Registered, Unfinished},
};
use crate::{
    Step,
    fingerprint::{ContentHasher, is_zero},
    path::{part_name, temporary_name},
};

/// Files of at least this size are resumed after a cut. To send a smaller one again takes no longer
/// than to find out how much of it is there.
pub const MIN_PART_BYTES: u64 = 1 << 20;

/// Time that an earlier receiver has to notice its cut and release the part.
const RELEASED_WITHIN: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(20);

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
            match Self::create_as(&part_name(target), true, unfinished, directory, hasher) {
                // The part belongs to another account, or another transfer uses it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created,
            }
        }
        let name = temporary_name(target);
        Self::create_as(&name, false, unfinished, directory, hasher)
    }

    fn create_as(
        name: &[u8],
        is_part: bool,
        unfinished: &Unfinished,
        directory: &Arc<OwnedFd>,
        hasher: &ContentHasher,
    ) -> io::Result<Self> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
        let within = if wait {
            RELEASED_WITHIN
        } else {
            Duration::ZERO
        };
        let Some(file) = lock_part(directory, &name, Instant::now() + within) else {
            return Ok(None);
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

/// Opens and locks a part. Returns `None` if there is none that is this account's own, or another
/// transfer does not release it in time.
fn lock_part(directory: &OwnedFd, name: &[u8], until: Instant) -> Option<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    loop {
        let file = File::from(openat(directory, name, flags, Mode::empty()).ok()?);
        if !is_ours(&file) {
            return None;
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // The part may have been renamed or removed before this transfer locked it.
            Ok(()) if is_at(&file, directory, name) => return Some(file),
            Ok(()) => {}
            Err(_) if Instant::now() >= until => return None,
            Err(_) => thread::sleep(RETRY_EVERY),
        }
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

fn is_at(file: &File, directory: &OwnedFd, name: &[u8]) -> bool {
    let (Ok(file), Ok(Some(found))) = (fstat(file), metadata(directory, name)) else {
        return false;
    };
    Metadata(file).identity() == found.identity()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Time;

    fn place() -> (tempfile::TempDir, Arc<OwnedFd>) {
        let place = tempfile::tempdir().unwrap();
        let directory = Arc::new(crate::disk::open_named(place.path()).unwrap());
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
