//! Announcements: the entries of the source, in batches.

use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{contents::Contents, peer::Peer, walk::Walk};
use crate::{
    Failure, Step,
    fingerprint::Fingerprint,
    wire::{BATCH_BYTES, BATCH_ENTRIES, Entry, Item, Kind, Time},
};

/// The items of an announcement, and the files among them.
pub(super) struct Announcement {
    pub(super) items: Vec<Item>,
    pub(super) files: Vec<Announced>,
    pub(super) last: bool,
}

/// A file that was announced.
pub(super) struct Announced {
    pub(super) number: u64,
    pub(super) directory: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) size: u64,
}

/// The announcements of a file or a tree, until the last one.
pub(super) struct Announcements {
    walk: Walk,
    /// True if files are announced with their fingerprints.
    checksum: bool,
    /// The next entry's number.
    number: u64,
    /// The directory of the next entry.
    directory: Vec<u8>,
}

impl Announcement {
    /// Announces content that is not a file here: memory or a reader.
    pub(super) fn of_content(size: u64, fingerprint: Option<Fingerprint>, mode: u32) -> Self {
        let root = Entry {
            name: Vec::new(),
            kind: Kind::File { size, fingerprint },
            mode,
            modified: now(),
        };
        let file = Announced {
            number: 0,
            directory: Vec::new(),
            name: Vec::new(),
            size,
        };
        Self {
            items: vec![Item::Root(root)],
            files: vec![file],
            last: true,
        }
    }
}

impl Announcements {
    pub(super) fn new(walk: Walk, checksum: bool) -> Self {
        Self {
            walk,
            checksum,
            number: 0,
            directory: Vec::new(),
        }
    }

    /// Makes the next announcement. Tells the receiver of entries that are left out.
    pub(super) fn next<W: Write>(
        &mut self,
        contents: &mut Contents<'_>,
        peer: &mut Peer<'_, W>,
    ) -> Announcement {
        let (mut items, mut files, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut last = false;
        while items.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
            let walked = self.walk.next();
            let warnings = self.walk.take_warnings();
            warnings.into_iter().for_each(|text| peer.warn(text));
            let Some(walked) = walked else {
                last = true;
                break;
            };
            match walked.and_then(|item| self.number(item, &mut files, contents)) {
                Ok(item) => {
                    bytes += item.bytes();
                    items.push(item);
                }
                Err(failure) => peer.leave_out(None, failure),
            }
        }
        Announcement { items, files, last }
    }

    /// Numbers an entry, and adds it to `files` if it is one.
    fn number(
        &mut self,
        mut item: Item,
        files: &mut Vec<Announced>,
        contents: &mut Contents<'_>,
    ) -> Result<Item, Failure> {
        match &mut item {
            Item::DirectoryStart { path, .. } => self.directory.clone_from(path),
            Item::DirectoryEnd { .. } => {}
            Item::Root(entry) | Item::Entry(entry) => {
                if let Kind::File { size, fingerprint } = &mut entry.kind {
                    let file = Announced {
                        number: self.number,
                        directory: self.directory.clone(),
                        name: entry.name.clone(),
                        size: *size,
                    };
                    if self.checksum {
                        *fingerprint = self.fingerprint(&file, contents)?;
                    }
                    files.push(file);
                }
                self.number += 1;
            }
        }
        Ok(item)
    }

    /// Returns the fingerprint of a file, or `None` if a single file cannot be read: it fails
    /// later, when it is sent.
    fn fingerprint(
        &mut self,
        file: &Announced,
        contents: &mut Contents<'_>,
    ) -> Result<Option<Fingerprint>, Failure> {
        match contents.fingerprint(file) {
            Ok(fingerprint) => Ok(Some(fingerprint)),
            Err(error) if contents.is_tree() => {
                self.walk.mark_incomplete();
                let path = contents.display_path(file);
                Err(Failure::io(Step::Reading, path, error))
            }
            Err(_) => Ok(None),
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or(0),
        nanoseconds: since.subsec_nanos(),
    }
}
