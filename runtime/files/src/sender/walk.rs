//! The walk over the source: one file, or a tree, directory by directory.

use std::{collections::HashSet, os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{AtFlags, CWD, FileType, readlinkat, statat},
    io::Errno,
};

use crate::{
    Failure, FailureKind, Links, Step,
    disk::{Metadata, Tree, metadata, names, open_named},
    failure::short,
    path::{is_inner_path, is_name, join},
    wire::{Entry, Item, Kind},
};

/// Entries left out that are named; further ones are counted, because no user reads more, and all
/// may be in one directory.
const MAX_WARNINGS: u64 = 1000;

/// The walk over a file or a tree that was found.
pub(crate) struct Walk {
    /// The path, as the user named it.
    path: Vec<u8>,
    root: Option<Entry>,
    /// `None` for a single file.
    tree: Option<Tree>,
    follow: bool,
    /// Directories found and not yet entered.
    pending: Vec<(Vec<u8>, Metadata)>,
    entered: Option<Entered>,
    /// Directories found, where links could lead around in circles.
    seen: HashSet<(u64, u64)>,
    /// Warnings about entries left out, until they are taken.
    warnings: Vec<String>,
    /// The number of entries left out, named or not.
    left_out: u64,
}

struct Entered {
    path: Vec<u8>,
    directory: Arc<OwnedFd>,
    /// True if everything in it was found.
    complete: bool,
    names: Box<dyn Iterator<Item = rustix::io::Result<Vec<u8>>> + Send>,
}

impl Walk {
    /// Finds the file or tree that `path` names.
    pub(crate) fn new(path: &[u8], links: Links) -> Result<Self, Failure> {
        let failed = |error: Errno| Failure::following(Step::Finding, path, error);
        let flags = if links == Links::Keep {
            AtFlags::SYMLINK_NOFOLLOW
        } else {
            AtFlags::empty()
        };
        let found = Metadata(statat(CWD, path, flags).map_err(failed)?);
        let mut walk = Self {
            path: path.to_vec(),
            root: None,
            tree: None,
            follow: links == Links::Follow,
            pending: Vec::new(),
            entered: None,
            seen: HashSet::new(),
            warnings: Vec::new(),
            left_out: 0,
        };
        let kind = match found.kind() {
            FileType::RegularFile => Kind::File {
                size: found.size(),
                fingerprint: None,
            },
            FileType::Symlink => Kind::Link {
                target: readlinkat(CWD, path, Vec::new())
                    .map_err(failed)?
                    .into_bytes(),
            },
            FileType::Directory => {
                let root = open_named(path)
                    .map_err(|error| Failure::following(Step::Reading, path, error))?;
                walk.tree = Some(Tree::new(root, walk.follow));
                walk.pending.push((Vec::new(), found));
                Kind::Directory
            }
            _ => return Err(Failure::new(Step::Reading, path, FailureKind::Special)),
        };
        walk.root = Some(Entry {
            name: own_name(path),
            kind,
            mode: found.mode(),
            modified: found.modified(),
        });
        Ok(walk)
    }

    /// Returns true for a tree, and false for a single file or link.
    pub(crate) fn is_tree(&self) -> bool {
        self.tree.is_some()
    }

    /// Marks the directory entered last as incomplete: something in it is not announced.
    pub(crate) fn mark_incomplete(&mut self) {
        if let Some(entered) = &mut self.entered {
            entered.complete = false;
        }
    }

    /// Returns the warnings since the last call.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn enter(&mut self) -> Option<Result<Item, Failure>> {
        let (Some((path, found)), Some(tree)) = (self.pending.pop(), &mut self.tree) else {
            if let more @ 1.. = std::mem::take(&mut self.left_out).saturating_sub(MAX_WARNINGS) {
                self.warnings.push(format!("left out {more} more"));
            }
            return None;
        };
        let entered = tree
            .open(&path)
            .and_then(|directory| Ok((names(&directory)?, directory)));
        Some(match entered {
            Ok((names, directory)) => {
                self.entered = Some(Entered {
                    path: path.clone(),
                    directory,
                    complete: true,
                    names: Box::new(names),
                });
                Ok(Item::DirectoryStart {
                    path,
                    modified: found.modified(),
                })
            }
            // The directory was announced; its content at the other end stays.
            Err(error) => Err(Failure::io(Step::Reading, join(&self.path, &path), error)),
        })
    }

    /// Makes an entry, or `None` if it is left out with a warning.
    fn entry(
        &mut self,
        directory: &OwnedFd,
        name: Vec<u8>,
        path: Vec<u8>,
    ) -> Result<Option<Entry>, Failure> {
        let full_path = join(&self.path, &path);
        let Some(found) = self.entry_metadata(directory, &name, &full_path)? else {
            return Ok(None);
        };
        if !is_name(&name) || !is_inner_path(&path) {
            let too_long = FailureKind::NameTooLong;
            return Err(Failure::new(Step::Reading, full_path, too_long));
        }
        let kind = match found.kind() {
            FileType::RegularFile => Kind::File {
                size: found.size(),
                fingerprint: None,
            },
            FileType::Symlink => {
                let target = readlinkat(directory, &*name, Vec::new())
                    .map_err(|error| Failure::io(Step::Finding, full_path, error))?
                    .into_bytes();
                Kind::Link { target }
            }
            FileType::Directory if self.follow && !self.seen.insert(found.identity()) => {
                self.warn(&full_path, "links lead to it in a circle, or twice");
                return Ok(None);
            }
            FileType::Directory => {
                self.pending.push((path, found));
                Kind::Directory
            }
            _ => {
                self.warn(&full_path, "it is neither a file nor a directory");
                return Ok(None);
            }
        };
        Ok(Some(Entry {
            name,
            kind,
            mode: found.mode(),
            modified: found.modified(),
        }))
    }

    /// Returns the metadata of an entry, or of what it leads to if links are followed. Returns `None`
    /// if it is left out.
    fn entry_metadata(
        &mut self,
        directory: &OwnedFd,
        name: &[u8],
        full_path: &[u8],
    ) -> Result<Option<Metadata>, Failure> {
        let failed = |error: Errno| Failure::io(Step::Finding, full_path, error);
        if !self.follow {
            return metadata(directory, name).map_err(failed);
        }
        let reason = match statat(directory, name, AtFlags::empty()) {
            Ok(stat) => return Ok(Some(Metadata(stat))),
            Err(Errno::NOENT) => "it leads nowhere, or is gone",
            Err(Errno::LOOP) => "links lead around in a circle",
            Err(error) => return Err(failed(error)),
        };
        self.warn(full_path, reason);
        Ok(None)
    }

    fn warn(&mut self, path: &[u8], reason: &str) {
        self.left_out += 1;
        if self.left_out <= MAX_WARNINGS {
            self.warnings
                .push(format!("left out {}: {reason}", short(path)));
        }
    }
}

/// Gives the items to announce, and failures of entries that cannot be sent.
impl Iterator for Walk {
    type Item = Result<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(root) = self.root.take() {
            return Some(Ok(Item::Root(root)));
        }
        loop {
            let Some(entered) = &mut self.entered else {
                return self.enter();
            };
            let name = match entered.names.next() {
                Some(Ok(name)) => name,
                Some(Err(error)) => {
                    // Nothing follows an error.
                    (entered.complete, entered.names) = (false, Box::new(std::iter::empty()));
                    let path = join(&self.path, &entered.path);
                    return Some(Err(Failure::io(Step::Reading, path, error)));
                }
                None => {
                    let complete = entered.complete;
                    self.entered = None;
                    return Some(Ok(Item::DirectoryEnd { complete }));
                }
            };
            let (path, directory) = (join(&entered.path, &name), entered.directory.clone());
            match self.entry(&directory, name, path) {
                Ok(Some(entry)) => return Some(Ok(Item::Entry(entry))),
                Ok(None) => {}
                Err(failure) => {
                    self.mark_incomplete();
                    return Some(Err(failure));
                }
            }
        }
    }
}

/// Returns the name that a file has in its directory, even if its path ends without a name, like
/// `.`. Empty if there is none.
fn own_name(path: &[u8]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
    let name = |path: &std::path::Path| path.file_name().map(|name| name.as_bytes().to_vec());
    name(path)
        .or_else(|| name(&path.canonicalize().ok()?))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn whatever_is_left_out_takes_no_stack_and_few_words() {
        let place = tempfile::tempdir().unwrap();
        for index in 0..10_000 {
            let name = place.path().join(index.to_string());
            rustix::fs::mknodat(CWD, name, FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        }
        std::fs::write(place.path().join("file"), "content").unwrap();
        let mut walk = Walk::new(place.path().as_os_str().as_bytes(), Links::default()).unwrap();
        let (mut items, mut warnings) = (0, Vec::new());
        while let Some(_item) = walk.next() {
            items += 1;
            warnings.extend(walk.take_warnings());
        }
        warnings.extend(walk.take_warnings());
        // The items are the root, the entering of the directory, the file, and the leaving.
        assert_eq!((items, warnings.len()), (4, 1001));
        assert_eq!(warnings[1000], "left out 9000 more");
    }
}
