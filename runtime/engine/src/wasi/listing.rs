//! Listings of directories as guests read them: some entries at a time, each with the *cookie* of
//! the next.
//!
//! A listing is a snapshot: entries that guests remove, rename or create while they read it do not
//! change it. wasmtime-wasi lists a directory anew for every part, and finds its place there by
//! counting, which skips entries of a directory that has become shorter.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, RawDir, fstat, openat, statat},
    io::Errno as Os,
};
use wasmtime_wasi::p1::types::{Errno, Filetype};

use crate::{limits::budget::Portion, limits::growth::LimitHit, limits::quota::Share};

/// Bytes that a listing holds of a directory at once: some 30,000 entries. Of a larger directory,
/// the kernel is asked for more entries when these were read. The kernel also promises that an
/// entry which was there and stays comes once, unless it is renamed meanwhile.
const WINDOW_BYTES: usize = 1 << 20;

/// Bytes that the kernel is asked for at once, as many as libc's `readdir` asks for.
const BATCH_BYTES: usize = 32 << 10;

/// First entries of each listing, as in wasmtime-wasi.
const DOTS: [&[u8]; 2] = [b".", b".."];

/// The entries of a directory, as they were when the guest first asked for them.
pub(crate) struct Listing {
    /// The directory, while there is more to read.
    source: Option<Source>,
    /// The device of the directory. The inode numbers that guests see depend on it.
    device: u64,
    /// The index of the first of `entries`.
    first: u64,
    entries: Vec<Entry>,
    /// The names of `entries`, one behind the other.
    names: Vec<u8>,
    portion: Portion,
}

struct Source {
    directory: OwnedFd,
    /// Counts the directory as an open file, if it stays open.
    _share: Option<Share>,
}

struct Entry {
    inode: u64,
    kind: Filetype,
    /// End of its name in `names`.
    end: usize,
}

/// One entry, for the guest.
#[derive(Debug, PartialEq)]
pub(crate) struct Listed<'a> {
    pub(crate) next_cookie: u64,
    pub(crate) inode: u64,
    pub(crate) kind: Filetype,
    pub(crate) name: &'a [u8],
}

/// Reason why there is no listing, or no more of it.
#[derive(Debug)]
pub(crate) enum ListError {
    /// All calls together hold too much memory.
    Memory(LimitHit),
    Failed(Errno),
}

impl Listing {
    /// Lists `directory`, which may be open for lookups only. Blocks.
    pub(crate) fn of(directory: &File, portion: Portion) -> Result<Self, ListError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(directory, c".", flags, Mode::empty()).map_err(failed)?;
        let about = fstat(&directory).map_err(failed)?;
        let mut listing = Self {
            source: Some(Source {
                directory,
                _share: None,
            }),
            device: about.st_dev,
            first: 0,
            entries: Vec::new(),
            names: Vec::new(),
            portion,
        };
        for dot in DOTS {
            // Not the real inode of `..`, which may be beyond what was granted.
            listing.push(about.st_ino, Filetype::Directory, dot);
        }
        listing.fill()?;
        Ok(listing)
    }

    /// Returns true if the directory stays open, because there is more of it to read.
    pub(crate) fn is_open(&self) -> bool {
        self.source.is_some()
    }

    /// Counts the directory as an open file for as long as it is open.
    pub(crate) fn count_as_open(&mut self, share: Share) {
        if let Some(source) = &mut self.source {
            source._share = Some(share);
        }
    }

    /// Returns true if the entry at `cookie` is no longer held.
    pub(crate) fn is_past(&self, cookie: u64) -> bool {
        cookie < self.first
    }

    /// Returns the entry at `cookie`, if it is held.
    pub(crate) fn entry(&self, cookie: u64) -> Option<Listed<'_>> {
        let index = usize::try_from(cookie.checked_sub(self.first)?).ok()?;
        let entry = self.entries.get(index)?;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].end);
        let name = &self.names[start..entry.end];
        Some(Listed {
            next_cookie: cookie + 1,
            inode: entry.inode,
            kind: entry.kind,
            name,
        })
    }

    /// Returns true if there may be entries beyond those that are held, and `cookie` is beyond
    /// them.
    pub(crate) fn wants_more(&self, cookie: u64) -> bool {
        self.is_open() && cookie >= self.first + self.entries.len() as u64
    }

    /// Replaces the entries that are held by those that follow. Blocks.
    pub(crate) fn go_on(&mut self) -> Result<(), ListError> {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        self.names.clear();
        self.fill()
    }

    fn fill(&mut self) -> Result<(), ListError> {
        let Some(source) = self.source.take() else {
            return Ok(());
        };
        // The last batch exceeds the window by less than its own size.
        self.portion
            .hold((WINDOW_BYTES + BATCH_BYTES) as u64)
            .map_err(ListError::Memory)?;
        let mut batch = [const { MaybeUninit::uninit() }; BATCH_BYTES];
        while self.held_bytes() < WINDOW_BYTES {
            if !self.read_batch(&source.directory, &mut batch)? {
                self.entries.shrink_to_fit();
                self.names.shrink_to_fit();
                return self
                    .portion
                    .hold(self.held_bytes() as u64)
                    .map_err(ListError::Memory);
            }
        }
        self.source = Some(source);
        Ok(())
    }

    /// Adds the entries of one answer of the kernel. Returns true if there may be more.
    fn read_batch(
        &mut self,
        directory: &OwnedFd,
        batch: &mut [MaybeUninit<u8>],
    ) -> Result<bool, ListError> {
        let mut entries = RawDir::new(directory, batch);
        loop {
            let entry = match entries.next() {
                // A directory that was removed has no entries.
                None | Some(Err(Os::NOENT)) => return Ok(false),
                Some(entry) => entry.map_err(failed)?,
            };
            let name = entry.file_name();
            if !DOTS.contains(&name.to_bytes()) {
                let kind = match entry.file_type() {
                    // Not every file system tells the type here.
                    FileType::Unknown => statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
                        .map_or(FileType::Unknown, |about| {
                            FileType::from_raw_mode(about.st_mode)
                        }),
                    kind => kind,
                };
                self.push(entry.ino(), filetype(kind), name.to_bytes());
            }
            if entries.is_buffer_empty() {
                return Ok(true);
            }
        }
    }

    fn push(&mut self, inode: u64, kind: Filetype, name: &[u8]) {
        self.names.extend_from_slice(name);
        let inode = guests_inode(self.device, inode);
        self.entries.push(Entry {
            inode,
            kind,
            end: self.names.len(),
        });
    }

    fn held_bytes(&self) -> usize {
        self.names.len() + self.entries.len() * size_of::<Entry>()
    }
}

/// Returns the inode number that wasmtime-wasi tells guests of a file, so that listings and files
/// agree.
fn guests_inode(device: u64, inode: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (device, inode).hash(&mut hasher);
    hasher.finish()
}

fn filetype(kind: FileType) -> Filetype {
    match kind {
        FileType::RegularFile => Filetype::RegularFile,
        FileType::Directory => Filetype::Directory,
        FileType::Symlink => Filetype::SymbolicLink,
        FileType::CharacterDevice => Filetype::CharacterDevice,
        FileType::BlockDevice => Filetype::BlockDevice,
        // Preview 1 has no type for pipes, and its types for sockets depend on what they carry.
        FileType::Fifo | FileType::Socket | FileType::Unknown => Filetype::Unknown,
    }
}

fn failed(error: Os) -> ListError {
    ListError::Failed(match error {
        Os::ACCESS => Errno::Acces,
        Os::PERM => Errno::Perm,
        Os::NOTDIR => Errno::Notdir,
        Os::NOMEM => Errno::Nomem,
        _ => Errno::Io,
    })
}
