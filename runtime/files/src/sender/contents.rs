//! The contents of the announced files: memory, a reader, a file or a tree.

use std::{
    io::{self, Cursor},
    os::fd::OwnedFd,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};

use super::{
    announcements::Announced,
    content::{Content, State},
    source::Reader,
};
use crate::{
    Failure, Step,
    disk::{Extents, Metadata, Tree, open_named},
    fingerprint::{ContentHasher, Fingerprint},
    path::join,
    wire::PART_BYTES,
};

pub(super) enum Contents<'a> {
    Memory(&'a [u8]),
    Reader(&'a Reader),
    File(&'a [u8]),
    Tree {
        tree: Tree,
        path: &'a [u8],
        follow: bool,
    },
}

impl<'a> Contents<'a> {
    /// Opens the tree at `path`. With `follow`, links in it stand for their targets.
    pub(super) fn of_tree(path: &'a [u8], follow: bool) -> Result<Self, Failure> {
        let root =
            open_named(path).map_err(|error| Failure::following(Step::Reading, path, error))?;
        let tree = Tree::new(root, follow);
        Ok(Self::Tree { tree, path, follow })
    }

    pub(super) fn is_tree(&self) -> bool {
        matches!(self, Self::Tree { .. })
    }

    /// Opens the content of a file. Also returns its state at this time.
    pub(super) fn open(&mut self, file: &Announced) -> io::Result<(Content<'a>, State)> {
        let content = match self {
            Self::Memory(bytes) => Content::Memory(Cursor::new(bytes)),
            Self::Reader(reader) => Content::Reader(reader.start()?),
            Self::File(path) => read_file(openat(CWD, *path, FLAGS, Mode::empty())?)?,
            Self::Tree { tree, follow, .. } => {
                let flags = if *follow {
                    FLAGS
                } else {
                    FLAGS | OFlags::NOFOLLOW
                };
                let directory = tree.open(&file.directory)?;
                read_file(openat(directory, &*file.name, flags, Mode::empty())?)?
            }
        };
        let state = content.state()?;
        Ok((content, state))
    }

    /// Returns the fingerprint of a file.
    pub(super) fn fingerprint(&mut self, file: &Announced) -> io::Result<Fingerprint> {
        let (mut content, _) = self.open(file)?;
        let (mut hasher, mut bytes) = (ContentHasher::default(), vec![0; PART_BYTES]);
        while content.add_next(&mut hasher, &mut bytes, u64::MAX)? {}
        Ok(hasher.fingerprint())
    }

    /// Returns a path for messages.
    pub(super) fn display_path(&self, file: &Announced) -> Vec<u8> {
        match self {
            Self::Memory(_) => b"the given bytes".to_vec(),
            Self::Reader(_) => b"the input".to_vec(),
            Self::File(path) => path.to_vec(),
            Self::Tree { path, .. } => join(path, &join(&file.directory, &file.name)),
        }
    }
}

/// Flags to open a file with. A pipe must not wait for its other end: it is refused.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

fn read_file<'a>(file: OwnedFd) -> io::Result<Content<'a>> {
    match Metadata(fstat(&file)?).kind() {
        FileType::RegularFile => Ok(Content::File(Extents::new(file.into())?)),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => Err(Errno::NODEV.into()),
    }
}
