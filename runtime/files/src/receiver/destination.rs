//! The place where things go: a path, a tree, or memory.

use std::{collections::BTreeMap, os::fd::OwnedFd, sync::Arc};

use rustix::{fs::FileType, io::Errno};

use super::{group::Group, settings::Settings, target::Target};
use crate::{
    Change, Failure, FailureKind, Options, Step,
    disk::{
        Attributes, LinkEnd, Metadata, Tree, expand_home, link_end, make, metadata, open_named,
    },
    path::{is_name, join, names_directory, os, split},
    wire::{Entry, Kind},
};

pub(super) enum Destination {
    /// Memory, or a writer.
    Memory,
    /// A file or a link.
    Single {
        directory: Option<Arc<OwnedFd>>,
        name: Vec<u8>,
        path: Vec<u8>,
    },
    Tree(Box<TreeDestination>),
}

pub(super) struct TreeDestination {
    path: Vec<u8>,
    /// The directory above the tree.
    parent: Option<Arc<OwnedFd>>,
    /// One tree for announcements and one for arriving files, which are in other directories at
    /// that time. `None` in a dry run if the tree does not exist yet.
    trees: Option<(Tree, Tree)>,
    /// Directories whose final mode denies their owner something, with the attributes that they get
    /// at the end.
    closed: BTreeMap<Vec<u8>, Attributes>,
}

impl Destination {
    /// Finds the place for the sender's `root`. Also returns the change to the root of a tree.
    pub(super) fn new(
        settings: &Settings<'_>,
        root: &Entry,
    ) -> Result<(Self, Option<Change>), Failure> {
        let target = settings.target;
        let Target::Path(path) = target else {
            return Ok((Self::memory(target.limit(), root)?, None));
        };
        let path = expand_home(path.clone())?;
        let (above, name) = match names_directory(&path) {
            true if is_name(&root.name) => (path.clone(), root.name.clone()),
            true => return Err(Failure::new(Step::Creating, path, FailureKind::NoName)),
            false => split(&path)
                .ok_or_else(|| Failure::new(Step::Creating, &*path, FailureKind::NoName))?,
        };
        if !is_name(&name) {
            return Err(Failure::new(Step::Creating, path, FailureKind::BadName));
        }
        let directory = open_above(&above, settings.options)?;
        let path = join(&above, &name);
        match root.kind {
            Kind::Directory => Self::tree(directory, &name, path, root, settings),
            Kind::File { .. } | Kind::Link { .. } => Ok((
                Self::Single {
                    directory,
                    name,
                    path,
                },
                None,
            )),
        }
    }

    fn memory(limit: u64, root: &Entry) -> Result<Self, Failure> {
        let kind = match &root.kind {
            Kind::File { size, .. } if *size <= limit => return Ok(Self::Memory),
            Kind::File { .. } => FailureKind::TooLong(limit),
            Kind::Directory => FailureKind::IsADirectory,
            Kind::Link { .. } => FailureKind::Special,
        };
        Err(Failure::new(Step::Reading, &*root.name, kind))
    }

    fn tree(
        parent: Option<Arc<OwnedFd>>,
        name: &[u8],
        path: Vec<u8>,
        root: &Entry,
        settings: &Settings<'_>,
    ) -> Result<(Self, Option<Change>), Failure> {
        let dry_run = settings.options.dry_run;
        let failed = |error: Errno| Failure::io(Step::Creating, &*path, error);
        let found = match &parent {
            Some(parent) => metadata(parent, name).map_err(failed)?,
            None => None,
        };
        match found.map(|found| found.kind()) {
            // The user named this path, so a link may lead to the tree.
            None | Some(FileType::Directory | FileType::Symlink) => {}
            Some(_) => {
                let kind = FailureKind::NotADirectory;
                return Err(Failure::new(Step::Creating, path, kind));
            }
        }
        let mut closed = BTreeMap::new();
        let mode = settings.new_directory_mode(root.mode);
        if let (Some(parent), None, false) = (&parent, &found, dry_run)
            && let Some(mode) = make(parent, name, mode).map_err(failed)?
        {
            closed.insert(Vec::new(), closing(mode));
        }
        let change = (parent.is_some() && found.is_none()).then_some(Change::Create);
        let is_there = parent.is_some() && (found.is_some() || !dry_run);
        let open = || {
            open_named(&*path).map_err(|error| Failure::following(Step::Creating, &*path, error))
        };
        let trees = if is_there {
            Some((Tree::new(open()?, false), Tree::new(open()?, false)))
        } else {
            None
        };
        Ok((
            Self::Tree(Box::new(TreeDestination {
                path,
                parent,
                trees,
                closed,
            })),
            change,
        ))
    }

    pub(super) fn is_single(&self) -> bool {
        !matches!(self, Self::Tree(_))
    }

    /// Returns the directory for what arrives at `path` of the tree. `None` for memory, or if it
    /// does not exist in a dry run.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<Option<Arc<OwnedFd>>, Failure> {
        self.open(path, |(_, arriving)| arriving)
    }

    /// Returns the directory for what is announced at `path` of the tree, like `directory`.
    pub(super) fn announced_directory(
        &mut self,
        path: &[u8],
    ) -> Result<Option<Arc<OwnedFd>>, Failure> {
        self.open(path, |(announced, _)| announced)
    }

    fn open(
        &mut self,
        path: &[u8],
        which: impl FnOnce(&mut (Tree, Tree)) -> &mut Tree,
    ) -> Result<Option<Arc<OwnedFd>>, Failure> {
        match self {
            Self::Memory => Ok(None),
            Self::Single { directory, .. } => Ok(directory.clone()),
            Self::Tree(tree) => {
                let Some(trees) = &mut tree.trees else {
                    return Ok(None);
                };
                match which(trees).open(path) {
                    Ok(directory) => Ok(Some(directory)),
                    Err(error) => Err(Failure::io(Step::Writing, join(&tree.path, path), error)),
                }
            }
        }
    }

    /// Returns the name that the root gets in its directory, or an entry's own name.
    pub(super) fn name<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Single { name, .. } => name,
            Self::Memory | Self::Tree(_) => name,
        }
    }

    /// Returns a path for messages.
    pub(super) fn full_path(&self, directory: &[u8], name: &[u8]) -> Vec<u8> {
        match self {
            Self::Memory => name.to_vec(),
            Self::Single { path, .. } => path.clone(),
            Self::Tree(tree) => join(&tree.path, &join(directory, name)),
        }
    }

    /// Gives a finished directory its mode, owner and time. A mode that denies its owner something
    /// has to wait. Returns true if anything changed.
    pub(super) fn settle(
        &mut self,
        path: &[u8],
        directory: &Arc<OwnedFd>,
        attributes: Attributes,
    ) -> Result<bool, Failure> {
        let Self::Tree(tree) = self else {
            return Ok(false);
        };
        if let Some(mode) = attributes.mode.filter(|mode| mode & 0o700 != 0o700) {
            let others = Attributes {
                mode: None,
                modified: None,
                ..attributes
            };
            let changed = apply(directory, &others, || join(&tree.path, path))?;
            // A directory that is entered again replaces its own entry, so there are no more
            // entries than directories on the disk.
            tree.closed.insert(
                path.to_vec(),
                Attributes {
                    modified: attributes.modified,
                    ..closing(mode)
                },
            );
            return Ok(changed);
        }
        // Its mode is still to be set at the end; its time is set again together with the mode.
        if let Some(closing) = tree.closed.get_mut(path) {
            closing.modified = attributes.modified;
        }
        apply(directory, &attributes, || join(&tree.path, path))
    }

    /// Notes the mode of a new directory that denies its owner something: it is set when everything
    /// in the directory is done.
    pub(super) fn close_later(&mut self, path: &[u8], mode: u32) {
        if let Self::Tree(tree) = self {
            tree.closed.insert(path.to_vec(), closing(mode));
        }
    }

    /// Sets the modes that had to wait, and syncs. Returns the failures.
    pub(super) fn finish(&mut self, group: &mut Group) -> Result<Vec<Failure>, Failure> {
        let Self::Tree(tree) = self else {
            return Ok(Vec::new());
        };
        let mut failures = Vec::new();
        // Inner directories come before outer ones.
        for (path, attributes) in std::mem::take(&mut tree.closed).into_iter().rev() {
            if let Some((_, arriving)) = &mut tree.trees {
                let full_path = || join(&tree.path, &path);
                let opened = arriving
                    .open(&path)
                    .map_err(|error| Failure::io(Step::SettingMode, full_path(), error));
                match opened.and_then(|directory| {
                    Ok((apply(&directory, &attributes, full_path)?, directory))
                }) {
                    Ok((true, directory)) => group.sync_later(directory, full_path()),
                    Ok((false, _)) => {}
                    Err(failure) => failures.push(failure),
                }
            }
        }
        if let Some(parent) = &tree.parent {
            group.sync_later(parent.clone(), tree.path.clone());
        }
        group.sync_directories()?;
        Ok(failures)
    }
}

/// Fails if a path names something that is never replaced, as far as this is known before the first
/// announcement.
pub(crate) fn check_target(path: &[u8]) -> Result<(), Failure> {
    let path = expand_home(path.to_vec())?;
    let Some((above, name)) = split(&path).filter(|_| !names_directory(&path)) else {
        return Ok(());
    };
    let Ok(directory) = open_named(&*above) else {
        return Ok(());
    };
    match metadata(&directory, &name)
        .ok()
        .flatten()
        .map(|found| found.kind())
    {
        None | Some(FileType::RegularFile | FileType::Directory) => Ok(()),
        Some(FileType::Symlink) if link_end(&directory, &name) != LinkEnd::Special => Ok(()),
        Some(_) => Err(Failure::new(Step::Replacing, path, FailureKind::Special)),
    }
}

/// The attributes that a directory gets last.
fn closing(mode: u32) -> Attributes {
    Attributes {
        mode: Some(mode),
        mode_bits: 0o7777,
        user: None,
        group: None,
        modified: None,
    }
}

fn apply(
    directory: &Arc<OwnedFd>,
    attributes: &Attributes,
    full_path: impl Fn() -> Vec<u8>,
) -> Result<bool, Failure> {
    let found = rustix::fs::fstat(directory)
        .map_err(|error| Failure::io(Step::Finding, full_path(), error))?;
    let found = Metadata(found);
    if attributes.matches(&found)
        && attributes
            .modified
            .is_none_or(|modified| modified == found.modified())
    {
        return Ok(false);
    }
    match attributes.apply(directory) {
        // The directory existed before and belongs to another account. Its time changes anyway when
        // something is put into it.
        Err((Step::SettingTimes, error))
            if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) =>
        {
            Ok(false)
        }
        applied => applied
            .map(|()| true)
            .map_err(|(step, error)| Failure::io(step, full_path(), error)),
    }
}

/// Opens the directory above the target, and makes it if the options say so. `None` only in a dry
/// run.
fn open_above(path: &[u8], options: &Options) -> Result<Option<Arc<OwnedFd>>, Failure> {
    let failed = |error: std::io::Error| Failure::following(Step::Creating, path, error);
    match open_named(path) {
        Ok(directory) => Ok(Some(Arc::new(directory))),
        Err(Errno::NOENT) if options.parents && options.dry_run => Ok(None),
        Err(Errno::NOENT) if options.parents => {
            std::fs::create_dir_all(os(path)).map_err(failed)?;
            Ok(Some(Arc::new(
                open_named(path).map_err(|error| failed(error.into()))?,
            )))
        }
        Err(error) => Err(failed(error.into())),
    }
}
