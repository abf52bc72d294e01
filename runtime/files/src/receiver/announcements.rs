//! Announcements: their order, and the directory that they are about.

use std::{io::Write, os::fd::OwnedFd, sync::Arc};

use super::{
    LEFT_OUT_ALL,
    destination::Destination,
    entry::{NewEntry, Spot},
    group::DirectoryEnd,
    names::{MAX_NAMES, Names},
    plan::Plan,
    report::Report,
    settings::Settings,
    transfer::Transfer,
};
use crate::{
    Failure, FailureKind, Links, Options, Step, TransferEnd,
    disk::Attributes,
    failure::MAX_LEFT_OUT,
    path::{is_inner_path, is_name, join},
    wire::{BATCH_ENTRIES, Entry, Item, Kind, MAX_AHEAD, Time, Want},
};

/// Announced steps that may be outstanding: an honest sender is never further ahead.
const MAX_PLANNED: usize = (MAX_AHEAD + 2) * BATCH_ENTRIES;

const TOO_MUCH: TransferEnd = TransferEnd::Malformed("it announced too much");
const DISORDER: TransferEnd = TransferEnd::Malformed("it announced things in disorder");
const FOLLOWED_LINK: TransferEnd =
    TransferEnd::Malformed("it announced a link that was to be followed");

/// The announcement that begins with the root.
pub(super) struct FirstAnnouncement {
    root: Entry,
    rest: Vec<Item>,
    last: bool,
}

impl FirstAnnouncement {
    pub(super) fn new(mut items: Vec<Item>, last: bool) -> Result<Self, TransferEnd> {
        if items.len() > BATCH_ENTRIES {
            return Err(TOO_MUCH);
        }
        let rest = items.split_off(items.len().min(1));
        match items.pop() {
            Some(Item::Root(root)) => Ok(Self { root, rest, last }),
            _ => Err(DISORDER),
        }
    }
}

pub(super) struct Announcements {
    /// The next entry's number.
    number: u64,
    /// True once the last announcement has come.
    complete: bool,
    /// The directory of a tree that was entered last, until its end.
    entered: Option<Entered>,
    unwritable: Unwritable,
}

/// A directory whose entries are announced.
struct Entered {
    path: Vec<u8>,
    /// `None` if it does not exist, in a dry run, or cannot be written into.
    directory: Option<Arc<OwnedFd>>,
    attributes: Attributes,
    /// True if something in it changes.
    changes: bool,
    /// True if it cannot be written into, nor anything in it.
    is_unwritable: bool,
    /// The names in it, if other entries are to be deleted.
    names: Option<Names>,
}

/// The first directories that cannot be written into. Failures inside them are not named as well.
#[derive(Default)]
struct Unwritable(Vec<Vec<u8>>);

impl Announcements {
    /// Takes the first announcement, whose root decides on the destination.
    pub(super) fn new<'a, 'r, W: Write>(
        FirstAnnouncement { root, rest, last }: FirstAnnouncement,
        settings: &'r Settings<'a>,
        report: &'r mut Report<'a, W>,
    ) -> Result<(Self, Transfer<'a, 'r, W>), TransferEnd> {
        if matches!(root.kind, Kind::Link { .. }) && settings.options.links != Links::Keep {
            return Err(FOLLOWED_LINK);
        }
        let (destination, change) = Destination::new(settings, &root)?;
        let mut transfer = Transfer {
            settings,
            report,
            destination,
            plan: Plan::default(),
        };
        if let Some(change) = change {
            let path = transfer.destination.full_path(b"", b"");
            transfer.report.change(change, path);
        }
        let mut wants = Vec::new();
        if transfer.destination.is_single() {
            add_single(root, &mut wants, &mut transfer)?;
        }
        let mut announcements = Self {
            number: 1,
            complete: false,
            entered: None,
            unwritable: Unwritable::default(),
        };
        announcements.add_items(rest, last, wants, &mut transfer)?;
        Ok((announcements, transfer))
    }

    /// Returns true once everything is announced.
    pub(super) fn are_complete(&self) -> bool {
        self.complete
    }

    /// Takes a further announcement, and answers it.
    pub(super) fn add<W: Write>(
        &mut self,
        items: Vec<Item>,
        last: bool,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), TransferEnd> {
        if self.complete
            || items.len() > BATCH_ENTRIES
            || transfer.plan.len() + items.len() > MAX_PLANNED
        {
            return Err(TOO_MUCH);
        }
        self.add_items(items, last, Vec::new(), transfer)
    }

    fn add_items<W: Write>(
        &mut self,
        items: Vec<Item>,
        last: bool,
        mut wants: Vec<Want>,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), TransferEnd> {
        for item in items {
            match item {
                Item::DirectoryStart { path, modified } => self.enter(path, modified, transfer)?,
                Item::Entry(entry) => self.entry(entry, &mut wants, transfer)?,
                Item::DirectoryEnd { complete } => {
                    let entered = self.entered.take().ok_or(DISORDER)?;
                    transfer.plan.add_end(entered.end(complete));
                }
                Item::Root(_) => return Err(DISORDER),
            }
        }
        self.complete = last;
        transfer.report.answer(wants);
        Ok(())
    }

    fn enter<W: Write>(
        &mut self,
        path: Vec<u8>,
        modified: Time,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), TransferEnd> {
        if self.entered.is_some() || transfer.destination.is_single() {
            return Err(DISORDER);
        }
        if !path.is_empty() && !is_inner_path(&path) {
            return Err(TransferEnd::Malformed("it entered what is no directory"));
        }
        let Settings { options, .. } = *transfer.settings;
        let mut is_unwritable = false;
        let directory = match transfer.destination.announced_directory(&path) {
            Ok(directory) => directory,
            Err(failure) if options.dry_run && would_be_made(options, &failure.kind) => None,
            Err(failure) => {
                is_unwritable = true;
                if !self.unwritable.contains(&path) {
                    transfer.leave_out(failure)?;
                    self.unwritable.add(path.clone());
                }
                None
            }
        };
        self.entered = Some(Entered {
            path,
            directory,
            attributes: transfer.settings.directory_attributes(modified),
            changes: false,
            is_unwritable,
            names: options.delete.then(Names::default),
        });
        Ok(())
    }

    /// Adds an entry of the directory entered last.
    fn entry<W: Write>(
        &mut self,
        entry: Entry,
        wants: &mut Vec<Want>,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), TransferEnd> {
        let entered = self.entered.as_mut().ok_or(DISORDER)?;
        check(&entry, transfer.settings.options)?;
        let number = self.number;
        self.number += 1;
        entered.add_name(&entry.name, transfer)?;
        if entered.is_unwritable {
            return Ok(());
        }
        let inner = matches!(entry.kind, Kind::Directory).then(|| join(&entered.path, &entry.name));
        let spot = Spot {
            path: &entered.path,
            directory: entered.directory.as_ref(),
            is_in_tree: true,
        };
        let entry = NewEntry::find(number, entry, spot, transfer);
        match entry.and_then(|entry| entry.add(wants, transfer)) {
            Ok(changes) => entered.changes |= changes,
            Err(failure) => {
                transfer.leave_out(failure)?;
                inner.into_iter().for_each(|path| self.unwritable.add(path));
            }
        }
        Ok(())
    }
}

/// Adds the root, a single file or link.
fn add_single<W: Write>(
    root: Entry,
    wants: &mut Vec<Want>,
    transfer: &mut Transfer<'_, '_, W>,
) -> Result<(), TransferEnd> {
    if transfer.report.lacks_something_there() {
        return Err(LEFT_OUT_ALL);
    }
    let directory = transfer.destination.announced_directory(b"")?;
    let name = transfer.destination.name(&root.name).to_vec();
    let spot = Spot {
        path: b"",
        directory: directory.as_ref(),
        is_in_tree: false,
    };
    NewEntry::find(0, Entry { name, ..root }, spot, transfer)?.add(wants, transfer)?;
    Ok(())
}

/// Checks an entry that the sender may have made up.
fn check(entry: &Entry, options: &Options) -> Result<(), TransferEnd> {
    if !is_name(&entry.name) {
        return Err(TransferEnd::Malformed("it announced what is no name"));
    }
    if matches!(entry.kind, Kind::Link { .. }) && options.links == Links::Follow {
        return Err(FOLLOWED_LINK);
    }
    Ok(())
}

/// Returns true if a directory that was not found would be there after a run without `dry_run`: it
/// would have been made, or have replaced an entry in its way.
fn would_be_made(options: &Options, found: &FailureKind) -> bool {
    match found {
        FailureKind::NotFound => true,
        FailureKind::NotADirectory | FailureKind::IsALink => options.delete,
        _ => false,
    }
}

impl Entered {
    /// Remembers an announced name, if others are to be deleted.
    fn add_name<W: Write>(
        &mut self,
        name: &[u8],
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), Failure> {
        if self.names.as_mut().is_none_or(|names| names.add(name)) {
            return Ok(());
        }
        self.names = None;
        let reason =
            format!("it has more than {MAX_NAMES} entries, too many to know which to delete");
        let path = transfer.destination.full_path(&self.path, b"");
        let kind = FailureKind::Other(reason);
        transfer.leave_out(Failure::new(Step::Deleting, path, kind))
    }

    /// Ends the directory. If the sender could not find everything in it, nothing in it is deleted.
    fn end(self, complete: bool) -> DirectoryEnd {
        DirectoryEnd {
            path: self.path,
            attributes: self.directory.map(|_| self.attributes),
            changes: self.changes,
            names: self.names.filter(|_| complete),
        }
    }
}

impl Unwritable {
    /// Adds a directory. Beyond a limit, failures inside are counted too.
    fn add(&mut self, path: Vec<u8>) {
        if self.0.len() < MAX_LEFT_OUT {
            self.0.push(path);
        }
    }

    /// Returns true if a directory or one above it was added.
    fn contains(&self, path: &[u8]) -> bool {
        self.0.iter().any(|closed| {
            path.strip_prefix(&**closed)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }
}
