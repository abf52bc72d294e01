//! An announced entry, compared with the target: is it there, may it be put there, is it wanted?

use std::{io, io::Write, os::fd::OwnedFd, sync::Arc};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, openat, readlinkat, symlinkat, unlinkat,
};

use super::{
    plan::Wanted,
    settings::{Accounts, Settings},
    target::Target,
    transfer::Transfer,
};
use crate::{
    Change, Failure, FailureKind, Step,
    disk::{
        Attributes, LinkEnd, Metadata, fingerprint_of, link_end, make, metadata, place_link, remove,
    },
    fingerprint::{ContentHasher, Fingerprint},
    path::{join, temporary_name},
    wire::{Entry, Kind, Part, Want},
};

/// The directory of an entry.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    /// Its path in the tree.
    pub(super) path: &'a [u8],
    /// `None` for memory, or if it does not exist in a dry run.
    pub(super) directory: Option<&'a Arc<OwnedFd>>,
    /// False for a single file or link.
    pub(super) is_in_tree: bool,
}

/// An announced entry, with what is in its place.
pub(super) struct NewEntry<'a> {
    number: u64,
    entry: Entry,
    spot: Spot<'a>,
    /// Its path for messages.
    full_path: Vec<u8>,
    /// The metadata of the existing entry of this name.
    found: Option<Metadata>,
    /// The attributes that a file will have.
    attributes: Attributes,
}

impl<'a> NewEntry<'a> {
    /// Finds what is in the entry's place. Fails if that is in the way.
    pub(super) fn find<W: Write>(
        number: u64,
        entry: Entry,
        spot: Spot<'a>,
        transfer: &Transfer<'_, '_, W>,
    ) -> Result<Self, Failure> {
        let full_path = transfer.destination.full_path(spot.path, &entry.name);
        let found = match spot.directory {
            Some(directory) => metadata(directory, &entry.name)
                .map_err(|error| Failure::io(Step::Finding, &*full_path, error))?,
            None => None,
        };
        let attributes = transfer
            .settings
            .file_attributes(entry.mode, entry.modified);
        let new = Self {
            number,
            entry,
            spot,
            full_path,
            found,
            attributes,
        };
        match new.in_the_way() {
            Some(kind) if !(transfer.settings.options.delete && spot.is_in_tree) => {
                Err(Failure::new(Step::Replacing, new.full_path, kind))
            }
            _ => Ok(new),
        }
    }

    /// Returns the reason why the existing entry is not simply replaced.
    fn in_the_way(&self) -> Option<FailureKind> {
        let is_in_tree = self.spot.is_in_tree;
        match (&self.entry.kind, self.found?.kind()) {
            (Kind::Directory, FileType::Directory) => None,
            (Kind::Directory, FileType::Symlink) => Some(FailureKind::IsALink),
            (Kind::Directory, _) => Some(FailureKind::NotADirectory),
            (_, FileType::Directory) => Some(FailureKind::IsADirectory),
            (_, FileType::RegularFile) => None,
            // A link in a tree is content of its own, wherever it leads.
            (Kind::Link { .. }, FileType::Symlink) if is_in_tree => None,
            (kind, FileType::Symlink) => match link_end(self.spot.directory?, &self.entry.name) {
                LinkEnd::Special => Some(FailureKind::Special),
                LinkEnd::Nowhere if !is_in_tree && matches!(kind, Kind::File { .. }) => {
                    Some(FailureKind::DanglingLink)
                }
                _ => None,
            },
            _ => Some(FailureKind::Special),
        }
    }

    /// Makes a directory or a link, or adds a file to `wants`, if it is not there already. Returns
    /// true if anything changes.
    pub(super) fn add<W: Write>(
        self,
        wants: &mut Vec<Want>,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<bool, Failure> {
        let change = if self.found.is_some() {
            Change::Update
        } else {
            Change::Create
        };
        let path = self.full_path.clone();
        let changes = match &self.entry.kind {
            Kind::Directory => self.add_directory(transfer)?,
            Kind::Link { target } => self.add_link(target, transfer)?,
            Kind::File { size, fingerprint } => {
                let (size, fingerprint) = (*size, *fingerprint);
                self.add_file(size, fingerprint, wants, transfer)?
            }
        };
        if changes {
            transfer.report.change(change, path);
        }
        Ok(changes)
    }

    fn add_directory<W: Write>(&self, transfer: &mut Transfer<'_, '_, W>) -> Result<bool, Failure> {
        let settings = transfer.settings;
        let mode = settings.new_directory_mode(self.entry.mode);
        let path = join(self.spot.path, &self.entry.name);
        if self.is_there(FileType::Directory) {
            // The directory was made before the link was cut, and still grants its owner
            // everything.
            let is_open = |found: Metadata| found.mode_with(0o1777) == mode & 0o1777 | 0o700;
            if settings.resuming && mode & 0o700 != 0o700 && self.found.is_some_and(is_open) {
                transfer.destination.close_later(&path, mode);
            }
            return Ok(false);
        }
        if let (Some(directory), false) = (self.spot.directory, settings.options.dry_run) {
            self.clear(directory, transfer)?;
            let made = make(directory, &self.entry.name, mode);
            if let Some(mode) = made.map_err(|error| self.not_created(error.into()))? {
                transfer.destination.close_later(&path, mode);
            }
        }
        Ok(true)
    }

    fn add_link<W: Write>(
        &self,
        target: &[u8],
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<bool, Failure> {
        let is_same = |directory: &Arc<OwnedFd>| {
            readlinkat(&**directory, &*self.entry.name, Vec::new())
                .is_ok_and(|there| there.as_bytes() == target)
        };
        if self.spot.directory.is_some_and(is_same) {
            transfer.report.summary.skipped += 1;
            return Ok(false);
        }
        if let (Some(directory), false) = (self.spot.directory, transfer.settings.options.dry_run) {
            if self.is_there(FileType::Directory) {
                self.clear(directory, transfer)?;
            }
            link(transfer.settings, directory, &self.entry.name, target)
                .map_err(|error| self.not_created(error))?;
        }
        transfer.report.summary.files += 1;
        Ok(true)
    }

    fn add_file<W: Write>(
        self,
        size: u64,
        fingerprint: Option<Fingerprint>,
        wants: &mut Vec<Want>,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<bool, Failure> {
        let summary = &mut transfer.report.summary;
        if self.is_equal(size, fingerprint, transfer.settings.options.dry_run) {
            summary.skipped += 1;
            return Ok(false);
        }
        if transfer.settings.options.dry_run {
            summary.files += 1;
            summary.bytes += size;
            return Ok(true);
        }
        let part = match self.spot.directory {
            Some(directory) => {
                transfer.open_part(directory, &self.entry.name, size, &self.full_path)?
            }
            None => None,
        };
        let have = match transfer.settings.target {
            Target::Writer(writer) => part_of(&writer.lock().hasher),
            _ => part.as_ref().and_then(|part| part_of(part.hasher())),
        };
        wants.push(Want {
            number: self.number,
            part: have,
        });
        transfer.plan.add_file(Wanted {
            number: self.number,
            directory: self.spot.path.to_vec(),
            name: self.entry.name,
            size,
            attributes: self.attributes,
            part,
        });
        Ok(true)
    }

    fn is_there(&self, kind: FileType) -> bool {
        self.found.is_some_and(|found| found.kind() == kind)
    }

    fn not_created(&self, error: io::Error) -> Failure {
        Failure::io(Step::Creating, &*self.full_path, error)
    }

    /// Removes an existing entry that is in the way, which the options allow.
    fn clear<W: Write>(
        &self,
        directory: &OwnedFd,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), Failure> {
        if self.found.is_some() {
            let removed = remove(directory, &self.entry.name)
                .map_err(|error| Failure::io(Step::Deleting, &*self.full_path, error))?;
            transfer.report.summary.deleted += removed;
        }
        Ok(())
    }

    /// Returns true if a file need not be sent. Corrects its attributes if necessary.
    fn is_equal(&self, size: u64, fingerprint: Option<Fingerprint>, dry_run: bool) -> bool {
        let (Some(found), Some(directory)) = (&self.found, self.spot.directory) else {
            return false;
        };
        if found.kind() != FileType::RegularFile || found.size() != size {
            return false;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || openat(directory, &*self.entry.name, flags, Mode::empty());
        let same_time = found.modified() == self.entry.modified;
        let same_content = match fingerprint {
            Some(print) => open().is_ok_and(|file| fingerprint_of(file.into()) == Some(print)),
            None => self.spot.is_in_tree && same_time,
        };
        if !same_content {
            return false;
        }
        let same_attributes =
            self.attributes.matches(found) && (same_time || self.attributes.modified.is_none());
        same_attributes || dry_run || open().is_ok_and(|file| self.attributes.apply(&file).is_ok())
    }
}

/// Returns the part that was hashed, if there is any of it.
fn part_of(hasher: &ContentHasher) -> Option<Part> {
    (hasher.length() > 0).then(|| Part {
        length: hasher.length(),
        fingerprint: hasher.fingerprint(),
    })
}

/// Makes a link, in place of a file or another link.
fn link(
    settings: &Settings<'_>,
    directory: &Arc<OwnedFd>,
    name: &[u8],
    target: &[u8],
) -> io::Result<()> {
    let temporary = temporary_name(name);
    symlinkat(target, directory, &*temporary)?;
    if settings.accounts != Accounts::default() {
        let Accounts { user, group } = settings.accounts;
        let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Err(error) = chownat(directory, &*temporary, user, group, flags) {
            let _ = unlinkat(directory, &*temporary, AtFlags::empty());
            return Err(error.into());
        }
    }
    place_link(settings.unfinished, directory, &temporary, name)
}
