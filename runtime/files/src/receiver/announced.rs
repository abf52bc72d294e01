//! Announcements: compares each entry with the target, and asks for those that are needed.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    io::Write,
    os::fd::OwnedFd,
    sync::Arc,
};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, openat, readlinkat, symlinkat,
};

use super::{
    LEFT_OUT_ALL, MAX_LEFT_OUT, MAX_PLANNED, Planned, Receiver, Wanted, destination::Destination,
    group::DirectoryEnd,
};
use crate::{
    Change, Failure, FailureKind, Links, Options, Step, Target, TransferEnd,
    disk::{
        Attributes, DIRECTORY_BITS, FILE_BITS, LinkEnd, MIN_PART_BYTES, Metadata, PartialFile,
        fingerprint_of, link_end, make, metadata, place_link, remove,
    },
    fingerprint::Fingerprint,
    path::{is_inner_path, is_name, join, temporary_name},
    wire::{BATCH_ENTRIES, Entry, Item, Kind, Part, Time, ToSender, Want},
};

/// Parts of cut transfers that are held open for files still to come. A cut leaves one.
const MAX_PARTS: usize = 4;

/// Names in a directory that are remembered, so that others can be deleted; eight bytes each.
const MAX_NAMES: usize = 1 << 21;

/// The directory that announcements are about.
#[derive(Default)]
pub(super) struct Announcing {
    path: Vec<u8>,
    directory: Option<Arc<OwnedFd>>,
    attributes: Option<Attributes>,
    /// True if something in it changes.
    changes: bool,
    /// True if it cannot be written into, nor anything in it.
    closed: bool,
    /// The names in it, if other entries are to be deleted.
    names: Option<Names>,
}

/// Names, as hashes with a random key. If two names have the same hash, a file that should be
/// deleted stays; nothing worse can happen.
#[derive(Default)]
pub(super) struct Names {
    key: RandomState,
    hashes: HashSet<u64>,
}

impl Names {
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.hashes.contains(&self.key.hash_one(name))
    }
}

impl<W: Write> Receiver<'_, W> {
    pub(super) fn announced(&mut self, items: Vec<Item>, last: bool) -> Result<(), TransferEnd> {
        if self.all_announced
            || items.len() > BATCH_ENTRIES
            || self.plan.len() + items.len() > MAX_PLANNED
        {
            return Err(TransferEnd::Malformed("it announced too much"));
        }
        let mut wants = Vec::new();
        for item in items {
            match (item, &self.destination) {
                (Item::Root(entry), None) => self.root(entry, &mut wants)?,
                (Item::DirectoryStart { path, modified }, Some(Destination::Tree(_))) => {
                    self.enter(path, modified)?
                }
                (Item::Entry(entry), Some(Destination::Tree(_)))
                    if self.announcing.attributes.is_some() =>
                {
                    let name = matches!(entry.kind, Kind::Directory).then(|| entry.name.clone());
                    match self.entry(entry, &mut wants) {
                        Err(TransferEnd::Here(failure)) => {
                            self.leave_out(failure)?;
                            if let Some(name) = name {
                                self.close(join(&self.announcing.path, &name));
                            }
                        }
                        ended => ended?,
                    }
                }
                (Item::DirectoryEnd { complete }, Some(Destination::Tree(_)))
                    if self.announcing.attributes.is_some() =>
                {
                    let Announcing {
                        path,
                        directory,
                        attributes,
                        changes,
                        names,
                        ..
                    } = std::mem::take(&mut self.announcing);
                    let attributes = attributes.filter(|_| directory.is_some());
                    // If the sender could not find everything in a directory, nothing in it is
                    // deleted.
                    let names = names.filter(|_| complete);
                    self.plan.push_back(Planned::DirectoryEnd(DirectoryEnd {
                        path,
                        attributes,
                        changes,
                        names,
                    }));
                }
                _ => return Err(TransferEnd::Malformed("it announced things in disorder")),
            }
        }
        self.all_announced = last;
        if last && self.destination.is_none() {
            return Err(TransferEnd::Malformed("it announced nothing"));
        }
        self.writer.send(&ToSender::Wants { wants });
        self.writer.flush();
        Ok(())
    }

    fn root(&mut self, entry: Entry, wants: &mut Vec<Want>) -> Result<(), TransferEnd> {
        if matches!(entry.kind, Kind::Link { .. }) && self.options.links != Links::Keep {
            return Err(TransferEnd::Malformed(
                "it announced a link that was to be followed",
            ));
        }
        let (destination, change) = Destination::new(self.target, self.options, &entry)?;
        let destination = self.destination.insert(destination);
        if let Kind::Directory = entry.kind {
            self.number += 1;
            let path = destination.path(b"", b"");
            if let Some(change) = change {
                self.tell(change, path);
            }
            return Ok(());
        }
        if !self.left_out_there.named.is_empty() {
            return Err(LEFT_OUT_ALL);
        }
        self.announcing.directory = destination.announced_directory(b"")?;
        let name = destination.name(&entry.name).to_vec();
        self.entry_named(Entry { name, ..entry }, wants)
    }

    fn enter(&mut self, path: Vec<u8>, modified: Time) -> Result<(), TransferEnd> {
        if self.announcing.attributes.is_some() || !(path.is_empty() || is_inner_path(&path)) {
            return Err(TransferEnd::Malformed("it entered what is no directory"));
        }
        let Some(destination) = &mut self.destination else {
            return Ok(());
        };
        let mut closed = false;
        let directory = match destination.announced_directory(&path) {
            // In a dry run, a directory that would be made does not exist, and an entry that would
            // be removed is still there.
            Err(failure) if self.options.dry_run && self.would_be_made(&failure.kind) => None,
            Err(failure) => {
                closed = true;
                if !self.is_closed(&path) {
                    self.leave_out(failure)?;
                    self.close(path.clone());
                }
                None
            }
            Ok(directory) => directory,
        };
        let attributes = Some(self.directory_attributes(modified));
        let names = self.options.delete.then(Names::default);
        self.announcing = Announcing {
            path,
            directory,
            attributes,
            changes: false,
            closed,
            names,
        };
        Ok(())
    }

    /// Remembers that a directory cannot be written into. Beyond a limit, failures inside are
    /// counted too.
    fn close(&mut self, path: Vec<u8>) {
        if self.closed_to_us.len() < MAX_LEFT_OUT {
            self.closed_to_us.push(path);
        }
    }

    /// Returns true if this is known of a directory or one above it.
    fn is_closed(&self, path: &[u8]) -> bool {
        self.closed_to_us.iter().any(|closed| {
            path.strip_prefix(&**closed)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }

    fn entry(&mut self, entry: Entry, wants: &mut Vec<Want>) -> Result<(), TransferEnd> {
        if !is_name(&entry.name) {
            return Err(TransferEnd::Malformed("it announced what is no name"));
        }
        if matches!(entry.kind, Kind::Link { .. }) && self.options.links == Links::Follow {
            return Err(TransferEnd::Malformed(
                "it announced a link that was to be followed",
            ));
        }
        if let Some(names) = &mut self.announcing.names {
            let hash = names.key.hash_one(&*entry.name);
            names.hashes.insert(hash);
            if names.hashes.len() > MAX_NAMES {
                self.announcing.names = None;
                let reason = format!(
                    "it has more than {MAX_NAMES} entries, too many to know which to delete"
                );
                let path = self
                    .destination
                    .as_ref()
                    .map(|it| it.path(&self.announcing.path, b""))
                    .unwrap_or_default();
                self.leave_out(Failure::new(
                    Step::Deleting,
                    path,
                    FailureKind::Other(reason),
                ))?;
            }
        }
        self.entry_named(entry, wants)
    }

    /// Decides about a file, a directory or a link.
    fn entry_named(&mut self, entry: Entry, wants: &mut Vec<Want>) -> Result<(), TransferEnd> {
        let number = self.number;
        self.number += 1;
        let Some(destination) = &self.destination else {
            return Ok(());
        };
        if self.announcing.closed {
            return Ok(());
        }
        let full_path = destination.path(&self.announcing.path, &entry.name);
        let directory = self.announcing.directory.clone();
        let found = match &directory {
            Some(directory) => metadata(directory, &entry.name)
                .map_err(|error| Failure::io(Step::Finding, &*full_path, error))?,
            None => None,
        };
        if let Some(found) = &found {
            self.check_kind(&entry, found, directory.as_deref(), &full_path)?;
        }
        let attributes = self.file_attributes(entry.mode, entry.modified);
        let change = if found.is_some() {
            Change::Update
        } else {
            Change::Create
        };
        match entry.kind {
            Kind::Directory => {
                let mode = new_directory_mode(self.options, entry.mode);
                let path = join(&self.announcing.path, &entry.name);
                if let Some(found) = found.filter(|found| found.kind() == FileType::Directory) {
                    // The directory was made before the link was cut, and still grants its owner
                    // everything.
                    if self.resuming
                        && mode & 0o700 != 0o700
                        && found.mode_with(0o1777) == mode & 0o1777 | 0o700
                    {
                        self.destination
                            .iter_mut()
                            .for_each(|it| it.close_later(&path, mode));
                    }
                    return Ok(());
                }
                if let (Some(directory), false) = (&directory, self.options.dry_run) {
                    self.clear(directory, &entry.name, found.as_ref(), &full_path)?;
                    let made = make(directory, &entry.name, mode);
                    if let Some(mode) =
                        made.map_err(|error| Failure::io(Step::Creating, &*full_path, error))?
                    {
                        self.destination
                            .iter_mut()
                            .for_each(|it| it.close_later(&path, mode));
                    }
                }
            }
            Kind::Link { target } => {
                let same = |directory: &Arc<OwnedFd>| {
                    readlinkat(&**directory, &*entry.name, Vec::new())
                        .is_ok_and(|there| there.as_bytes() == target)
                };
                if directory.as_ref().is_some_and(same) {
                    self.summary.skipped += 1;
                    return Ok(());
                }
                if let (Some(directory), false) = (&directory, self.options.dry_run) {
                    if found
                        .as_ref()
                        .is_some_and(|found| found.kind() == FileType::Directory)
                    {
                        self.clear(directory, &entry.name, found.as_ref(), &full_path)?;
                    }
                    self.link(directory, &entry.name, &target)
                        .map_err(|error| Failure::io(Step::Creating, &*full_path, error))?;
                }
                self.summary.files += 1;
            }
            Kind::File { size, fingerprint } => {
                if let (Some(found), Some(directory)) = (&found, &directory)
                    && self.is_equal(found, directory, &entry, size, fingerprint, &attributes)
                {
                    self.summary.skipped += 1;
                    return Ok(());
                }
                if self.options.dry_run {
                    self.summary.files += 1;
                    self.summary.bytes += size;
                } else {
                    let part = match &directory {
                        Some(directory) => self.part(directory, &entry.name, size, &full_path)?,
                        None => None,
                    };
                    let written = match self.target {
                        Target::Writer(writer) => Some(writer.lock().hasher.clone()),
                        _ => part.as_ref().map(|part| part.hasher().clone()),
                    };
                    let have = written.filter(|part| part.length() > 0);
                    let have = have.map(|part| Part {
                        length: part.length(),
                        fingerprint: part.fingerprint(),
                    });
                    wants.push(Want { number, part: have });
                    let directory = self.announcing.path.clone();
                    let wanted = Wanted {
                        number,
                        directory,
                        name: entry.name,
                        size,
                        attributes,
                        part,
                    };
                    self.plan.push_back(Planned::File(Box::new(wanted)));
                }
            }
        }
        self.announcing.changes = true;
        self.tell(change, full_path);
        Ok(())
    }

    fn would_be_made(&self, found: &FailureKind) -> bool {
        match found {
            FailureKind::NotFound => true,
            FailureKind::NotADirectory | FailureKind::IsALink => self.options.delete,
            _ => false,
        }
    }

    /// Fails if an existing entry is in the way.
    fn check_kind(
        &self,
        entry: &Entry,
        found: &Metadata,
        directory: Option<&OwnedFd>,
        full_path: &[u8],
    ) -> Result<(), Failure> {
        let in_a_tree = self.announcing.attributes.is_some();
        let leads_to = || {
            directory.map_or(LinkEnd::Unknown, |directory| {
                link_end(directory, &entry.name)
            })
        };
        let in_the_way = match (&entry.kind, found.kind()) {
            (Kind::Directory, FileType::Directory) => return Ok(()),
            (Kind::Directory, FileType::Symlink) => FailureKind::IsALink,
            (Kind::Directory, _) => FailureKind::NotADirectory,
            (_, FileType::Directory) => FailureKind::IsADirectory,
            (_, FileType::RegularFile) => return Ok(()),
            // A link in a tree is content of its own, wherever it leads.
            (Kind::Link { .. }, FileType::Symlink) if in_a_tree => return Ok(()),
            (kind, FileType::Symlink) => match leads_to() {
                LinkEnd::Special => FailureKind::Special,
                LinkEnd::Nowhere if !in_a_tree && matches!(kind, Kind::File { .. }) => {
                    FailureKind::DanglingLink
                }
                _ => return Ok(()),
            },
            _ => FailureKind::Special,
        };
        if self.options.delete && in_a_tree {
            Ok(())
        } else {
            Err(Failure::new(Step::Replacing, full_path, in_the_way))
        }
    }

    /// Removes an entry that is in the way, which the options allow.
    fn clear(
        &mut self,
        directory: &OwnedFd,
        name: &[u8],
        found: Option<&Metadata>,
        full_path: &[u8],
    ) -> Result<(), Failure> {
        if found.is_some() {
            let removed = remove(directory, name)
                .map_err(|error| Failure::io(Step::Deleting, full_path, error))?;
            self.summary.deleted += removed;
        }
        Ok(())
    }

    fn link(&self, directory: &Arc<OwnedFd>, name: &[u8], target: &[u8]) -> std::io::Result<()> {
        let temporary = temporary_name(name);
        symlinkat(target, directory, &*temporary)?;
        if self.accounts != (None, None) {
            let (user, group) = (
                self.accounts.0.map(Uid::from_raw),
                self.accounts.1.map(Gid::from_raw),
            );
            if let Err(error) = chownat(
                directory,
                &*temporary,
                user,
                group,
                AtFlags::SYMLINK_NOFOLLOW,
            ) {
                let _ = rustix::fs::unlinkat(directory, &*temporary, AtFlags::empty());
                return Err(error.into());
            }
        }
        place_link(self.unfinished, directory, &temporary, name)
    }

    /// Returns true if a file need not be sent. Corrects its mode, owner and time if necessary.
    fn is_equal(
        &self,
        found: &Metadata,
        directory: &OwnedFd,
        entry: &Entry,
        size: u64,
        fingerprint: Option<Fingerprint>,
        attributes: &Attributes,
    ) -> bool {
        let in_a_tree = self.announcing.attributes.is_some();
        if found.kind() != FileType::RegularFile || found.size() != size {
            return false;
        }
        let same_time = found.modified() == entry.modified;
        let open = || {
            openat(
                directory,
                &*entry.name,
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        match fingerprint {
            Some(print) if !open().is_ok_and(|file| fingerprint_of(file.into()) == Some(print)) => {
                return false;
            }
            Some(_) => {}
            None if !in_a_tree || !same_time => return false,
            None => {}
        }
        let same_attributes =
            attributes.matches(found) && (same_time || attributes.modified.is_none());
        same_attributes
            || self.options.dry_run
            || open().is_ok_and(|file| attributes.apply(&file).is_ok())
    }

    /// Opens the part that a cut transfer has left of a file.
    fn part(
        &self,
        directory: &Arc<OwnedFd>,
        name: &[u8],
        size: u64,
        full_path: &[u8],
    ) -> Result<Option<PartialFile>, Failure> {
        let held = self
            .plan
            .iter()
            .filter(|step| matches!(step, Planned::File(wanted) if wanted.part.is_some()))
            .count();
        if held >= MAX_PARTS {
            return Ok(None);
        }
        let part = PartialFile::resume(
            self.unfinished,
            directory,
            name,
            size,
            self.resuming,
            &self.new_hasher(),
        )
        .map_err(|error| Failure::io(Step::Reading, full_path, error))?;
        // A part that is of no use any more is dropped here, which removes it.
        Ok(part.filter(|_| size >= MIN_PART_BYTES))
    }

    /// Returns the mode, owner and time that a file will have.
    fn file_attributes(&self, mode: u32, modified: Time) -> Attributes {
        let (user, group) = self.accounts;
        // Never takes over a bit that runs a program as another account: another machine must not
        // decide that.
        let mode = Some(
            self.options
                .mode
                .map_or(mode & FILE_BITS, |mode| mode & 0o7777),
        );
        let mode_bits = if self.options.mode.is_some() {
            0o7777
        } else {
            FILE_BITS
        };
        Attributes {
            mode,
            mode_bits,
            user,
            group,
            modified: self.options.times.then_some(modified),
        }
    }

    /// Returns the mode, owner and time that a directory will have once it is done. Without a mode
    /// in the options it keeps the mode that it was made with, or had before: a transfer must not
    /// close `/tmp`.
    fn directory_attributes(&self, modified: Time) -> Attributes {
        let mode = self
            .options
            .mode
            .map(|mode| (mode | (mode & 0o444) >> 2) & 0o7777);
        let (user, group) = self.accounts;
        Attributes {
            mode,
            mode_bits: 0o7777,
            user,
            group,
            modified: self.options.times.then_some(modified),
        }
    }
}

/// Returns the mode to make a directory with. A mode from the options is set once the directory is
/// done.
pub(super) fn new_directory_mode(options: &Options, mode: u32) -> u32 {
    if options.mode.is_some() {
        0o700
    } else {
        mode & DIRECTORY_BITS
    }
}
