//! The file for the image: in memory, or in a directory, where it loses its name at once.

use core::ffi::CStr;

use rustix::{
    fd::{BorrowedFd, OwnedFd},
    fs::{self, CWD, FallocateFlags, MemfdFlags, Mode, OFlags},
    io::{Errno, FdFlags},
};

use super::{Failure, Text, can_execute, input::Digest};

/// Where an image may lie.
pub(super) struct Places<'a> {
    /// The directory for images that are kept; empty if this one is not.
    pub(super) kept: &'a CStr,
    /// The name of a file there.
    pub(super) name: &'a CStr,
    pub(super) others: &'a [&'a CStr],
}

/// A file to be filled.
pub(super) struct ImageFile {
    writer: OwnedFd,
    /// The same file, to be executed: a file that is open for writing cannot be. Memory has none
    /// but the writer, and can.
    reader: Option<OwnedFd>,
    /// It has a name in the directory for images that are kept.
    has_name: bool,
}

impl ImageFile {
    /// Makes a file for `bytes` in the first place that will do. Memory needs no name and no room on
    /// a disk, so it comes before all but the directory for images that are kept.
    pub(super) fn create(
        places: &Places<'_>,
        bytes: usize,
        tried: &mut Text,
    ) -> Result<Self, Failure> {
        if !places.kept.is_empty()
            && let Ok(image) = Self::in_directory(places.kept, places.name, bytes, true)
        {
            return Ok(image);
        }
        match Self::in_memory() {
            Ok(image) => return Ok(image),
            Err(reason) => add(tried, c"memory", reason),
        }
        for (index, place) in places.others.iter().enumerate() {
            // The script names the place of the starter first, and those of no use with no name.
            if place.is_empty() || places.others[..index].contains(place) {
                continue;
            }
            match Self::in_directory(place, places.name, bytes, false) {
                Ok(image) => return Ok(image),
                Err(reason) => add(tried, place, reason),
            }
        }
        Err(Failure::NoPlace)
    }

    fn in_memory() -> Result<Self, &'static str> {
        let create = |flags| fs::memfd_create(c"wxec-agent", flags | MemfdFlags::CLOEXEC);
        // Systems before 6.3 know no flag for memory that can be executed: there it always can.
        let writer = create(MemfdFlags::EXEC)
            .or_else(|_| create(MemfdFlags::empty()))
            .map_err(|_| "not there")?;
        if !can_execute(&writer) {
            return Err("cannot execute");
        }
        Ok(Self {
            writer,
            reader: None,
            has_name: false,
        })
    }

    fn in_directory(
        directory: &CStr,
        name: &CStr,
        bytes: usize,
        has_name: bool,
    ) -> Result<Self, &'static str> {
        let mut path = path(directory, name);
        let path = path.path().ok_or("cannot write")?;
        let image = Self::at(path, bytes, has_name);
        if !has_name || image.is_err() {
            let _ = fs::unlink(path);
        }
        image
    }

    fn at(path: &CStr, bytes: usize, has_name: bool) -> Result<Self, &'static str> {
        let mode = Mode::RWXU;
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        // Closed at once, because it could not be executed while it is open for writing.
        let created = fs::open(path, new, mode).map_err(|_| "cannot write")?;
        // The umask may have taken a bit.
        let _ = fs::fchmod(&created, mode);
        drop(created);
        let open = |flags| fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
        let reader = open(OFlags::RDONLY).map_err(|_| "cannot write")?;
        if !can_execute(&reader) {
            return Err("cannot execute");
        }
        let writer = open(OFlags::WRONLY).map_err(|_| "cannot write")?;
        match fs::fallocate(&writer, FallocateFlags::empty(), 0, bytes as u64) {
            // Not every filesystem reserves room. Writing will tell.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
            Err(_) => return Err("no room"),
        }
        Ok(Self {
            writer,
            reader: Some(reader),
            has_name,
        })
    }

    pub(super) fn file(&self) -> &OwnedFd {
        &self.writer
    }

    /// Returns the file to be executed, once it holds the image of this digest.
    pub(super) fn finish(self, places: &Places<'_>, digest: &Digest) -> OwnedFd {
        if self.has_name {
            keep(places, digest);
        }
        self.reader.unwrap_or(self.writer)
    }

    /// Removes the file of an image that is not what it should be.
    pub(super) fn discard(self, places: &Places<'_>) {
        if self.has_name {
            remove(places.kept, places.name);
        }
    }
}

/// Gives an image its name among those that are kept, or none.
fn keep(places: &Places<'_>, digest: &Digest) {
    let mut old = path(places.kept, places.name);
    let mut new = Text::new();
    [places.kept.to_bytes(), b"/", digest]
        .iter()
        .for_each(|part| new.push(part));
    if let (Some(old), Some(new)) = (old.path(), new.path())
        && fs::rename(old, new).is_err()
    {
        let _ = fs::unlink(old);
    }
}

/// Opens an image that is kept.
pub(super) fn open_kept(directory: &CStr, digest: &CStr) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    fs::open(path(directory, digest).path()?, flags, Mode::empty()).ok()
}

/// Removes a file.
pub(super) fn remove(directory: &CStr, name: &CStr) {
    if let Some(path) = path(directory, name).path() {
        let _ = fs::unlink(path);
    }
}

/// Has the starter's own file go with the starter: without its name, and closed when the agent
/// begins.
pub(super) fn forget_own(path: &CStr) {
    /// The script's file descriptor for it.
    const OWN: i32 = 3;

    if !path.is_empty() {
        let _ = fs::unlinkat(CWD, path, fs::AtFlags::empty());
    }
    // SAFETY: the call fails for a number that is not open, and nothing of this program has it.
    let own = unsafe { BorrowedFd::borrow_raw(OWN) };
    let _ = rustix::io::fcntl_setfd(own, FdFlags::CLOEXEC);
}

fn path(directory: &CStr, name: &CStr) -> Text {
    let mut path = Text::new();
    [directory.to_bytes(), b"/", name.to_bytes()]
        .iter()
        .for_each(|part| path.push(part));
    path
}

/// Adds a place that will not do, in the script's words.
fn add(tried: &mut Text, place: &CStr, reason: &str) {
    let parts: [&[u8]; 5] = [b" ", place.to_bytes(), b" (", reason.as_bytes(), b");"];
    parts.iter().for_each(|part| tried.push(part));
}
