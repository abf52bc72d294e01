//! Looking at the host: the questions that prefabs may ask.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use wxec::{fs as host, module::Digest};

use crate::{
    action::Owner,
    content::Content,
    fault::{Fault, FaultKind},
    fetch::digest_of,
    item::Attributes,
    shadow::{Body, Node, Shadow, Shadowed},
};

/// The host, as a prefab sees it: it can be read, and not changed.
///
/// In a preview, a look also sees what the steps before would have left behind. It opens regular
/// files and folders only: opening a FIFO would wait for ever, and opening a device may change it.
///
/// All paths are absolute and have no `..`.
#[derive(Debug)]
pub struct Look<'a> {
    shadow: &'a Shadow,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Its permission bits, at most `0o7777`.
    pub mode: u32,
    /// Its owner. In a preview, the owner of a new file may be unknown.
    pub owner: Owner,
    /// Length of a file.
    pub size: u64,
}

/// The kind of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symlink, wherever it leads.
    Symlink,
    /// A device, a FIFO or a socket: a look never opens these.
    Special,
}

/// Largest file that a look reads: config files are far smaller, and a guest has 256 MiB of memory
/// for several copies of one.
pub const MAX_READ_BYTES: u64 = 16 << 20;
/// Largest number of names in a folder that a look lists.
pub const MAX_NAMES: usize = 100_000;
/// Largest number of symlinks on the way to a path, as in the kernel.
const MAX_SYMLINKS: usize = 40;

impl<'a> Look<'a> {
    pub(crate) fn over(shadow: &'a Shadow) -> Self {
        Self { shadow }
    }

    /// Returns what is at `path`, or `None` if nothing is. A symlink is itself, not its target.
    pub fn entry(&self, path: impl AsRef<Path>) -> Result<Option<Entry>, Fault> {
        let path = self.resolve(path.as_ref())?;
        self.entry_at(&path)
    }

    /// Returns the content of a regular file, or `None` if there is nothing at its path. The file
    /// may have up to [`MAX_READ_BYTES`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>, Fault> {
        let content = self.content(path.as_ref())?;
        Ok(content.map(|content| content.bytes().to_vec()))
    }

    /// Returns the target of a symlink, or `None` if there is nothing at its path.
    pub fn read_link(&self, path: impl AsRef<Path>) -> Result<Option<PathBuf>, Fault> {
        let path = self.resolve(path.as_ref())?;
        match self.entry_at(&path)? {
            None => return Ok(None),
            Some(entry) if entry.kind == Kind::Symlink => {}
            Some(entry) => return Err(entry.kind.instead_of(&path, "symlink")),
        }
        match self.shadow.at(&path) {
            Shadowed::There(Node {
                body: Body::Symlink(target),
                ..
            }) => Ok(Some(target.clone())),
            _ => absent_or(host::read_link(&path)).map_err(Fault::io("cannot read it", &path)),
        }
    }

    /// Returns the names in a folder, sorted, or `None` if there is nothing at its path. There may
    /// be up to [`MAX_NAMES`].
    pub fn names(&self, path: impl AsRef<Path>) -> Result<Option<Vec<PathBuf>>, Fault> {
        let path = self.resolve(path.as_ref())?;
        match self.entry_at(&path)? {
            None => return Ok(None),
            Some(entry) if entry.kind == Kind::Folder => {}
            Some(entry) => return Err(entry.kind.instead_of(&path, "folder")),
        }
        if let Shadowed::There(node) = self.shadow.at(&path)
            && matches!(node.body, Body::Unpacked)
        {
            return Err(unforeseen(&path));
        }
        let is_new = matches!(
            self.shadow.at(&path),
            Shadowed::There(node) if matches!(node.body, Body::NewFolder)
        );
        let mut names = if is_new {
            BTreeSet::new()
        } else {
            names_on_host(&path)?
        };
        for (name, is_there) in self.shadow.names(&path) {
            if is_there {
                names.insert(name.to_owned());
            } else {
                names.remove(name);
            }
        }
        Ok(Some(names.into_iter().collect()))
    }

    /// Returns the attributes of an item, or `None` if it is absent: those that `read` finds on the
    /// host or, in a preview, those that an earlier step would have left behind.
    pub fn item(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<Option<Attributes>, Fault>,
    ) -> Result<Option<Attributes>, Fault> {
        match self.shadow.item(name) {
            Some(predicted) => Ok(predicted.clone()),
            None => read(),
        }
    }

    /// Returns true in a preview in which a program would have run by now.
    pub(crate) fn is_after_programs(&self) -> bool {
        self.shadow.is_after_programs()
    }

    /// Returns the content of a regular file; in a preview, that which an earlier step would have
    /// written.
    pub(crate) fn content(&self, path: &Path) -> Result<Option<Content>, Fault> {
        let path = self.resolve(path)?;
        let Some(entry) = self.entry_at(&path)? else {
            return Ok(None);
        };
        if entry.kind != Kind::File {
            return Err(entry.kind.instead_of(&path, "file"));
        }
        if let Shadowed::There(node) = self.shadow.at(&path) {
            match &node.body {
                Body::File(content) => return Ok(Some(content.clone())),
                Body::Fetched(_) => return Err(unforeseen(&path)),
                _ => {}
            }
        }
        if entry.size > MAX_READ_BYTES {
            return Err(too_large(&path));
        }
        let bytes = absent_or(read_on_host(&path)).map_err(Fault::io("cannot read it", &path))?;
        match bytes {
            Some(bytes) if bytes.len() as u64 > MAX_READ_BYTES => Err(too_large(&path)),
            bytes => Ok(bytes.map(Content::new)),
        }
    }

    /// Returns the digest of a regular file of any size, or `None` if there is nothing at its path.
    pub(crate) fn digest(&self, path: &Path) -> Result<Option<Digest>, Fault> {
        let path = self.resolve(path)?;
        match self.entry_at(&path)? {
            None => return Ok(None),
            Some(entry) if entry.kind == Kind::File => {}
            Some(entry) => return Err(entry.kind.instead_of(&path, "file")),
        }
        if let Shadowed::There(node) = self.shadow.at(&path) {
            match &node.body {
                Body::File(content) => return Ok(Some(Digest::of(content.bytes()))),
                Body::Fetched(digest) => return digest.map(Some).ok_or_else(|| unforeseen(&path)),
                _ => {}
            }
        }
        absent_or(digest_of(&path)).map_err(Fault::io("cannot read it", &path))
    }

    /// Returns what is predicted for a file or folder that keeps its content.
    pub(crate) fn body(&self, path: &Path, entry: Entry) -> Body {
        match self.shadow.at(path) {
            Shadowed::There(node) => node.body.clone(),
            _ if entry.kind == Kind::Folder => Body::HostFolder,
            _ => Body::HostFile(entry.size),
        }
    }

    /// Returns `path` without symlinks on the way to its last name, so that a prediction is found
    /// whatever way leads to it, and a path that is refused is refused in previews as well.
    /// Symlinks that the plan may not read count as folders.
    pub(crate) fn resolve(&self, path: &Path) -> Result<PathBuf, Fault> {
        let mut left = names_of(path)?;
        left.reverse();
        let (mut resolved, mut followed) = (PathBuf::from("/"), 0);
        while let Some(name) = left.pop() {
            if name == ".." {
                resolved.pop();
                continue;
            }
            resolved.push(&name);
            if left.is_empty() {
                break;
            }
            let Some(target) = self.target_at(&resolved) else {
                continue;
            };
            followed += 1;
            if followed > MAX_SYMLINKS {
                return Err(Fault::refused(
                    path,
                    "there are too many symlinks on the way",
                ));
            }
            resolved.pop();
            if target.is_absolute() {
                resolved = "/".into();
            }
            let steps = target.components().rev();
            left.extend(steps.filter_map(|step| match step {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some("..".into()),
                _ => None,
            }));
        }
        Ok(resolved)
    }

    fn target_at(&self, path: &Path) -> Option<PathBuf> {
        match self.shadow.at(path) {
            Shadowed::There(Node {
                body: Body::Symlink(target),
                ..
            }) => Some(target.clone()),
            Shadowed::Host => host::read_link(path).ok(),
            _ => None,
        }
    }

    fn entry_at(&self, path: &Path) -> Result<Option<Entry>, Fault> {
        match self.shadow.at(path) {
            Shadowed::Absent => Ok(None),
            Shadowed::Unforeseen => Err(unforeseen(path)),
            Shadowed::There(node) => match Entry::of_node(node) {
                None => Err(unforeseen(path)),
                entry => Ok(entry),
            },
            Shadowed::Host => {
                let status = absent_or(host::status(path));
                let status = status.map_err(Fault::io("cannot look at it", path))?;
                Ok(status.map(Entry::of_status))
            }
        }
    }
}

impl Entry {
    /// Returns the entry that is predicted, unless that cannot be foreseen.
    fn of_node(node: &Node) -> Option<Self> {
        let (kind, size) = match &node.body {
            Body::File(content) => (Kind::File, content.bytes().len() as u64),
            Body::Fetched(_) => (Kind::File, 0),
            Body::HostFile(size) => (Kind::File, *size),
            Body::NewFolder | Body::HostFolder | Body::Unpacked => (Kind::Folder, 0),
            Body::Symlink(_) => (Kind::Symlink, 0),
            Body::Unforeseen => return None,
        };
        Some(Self {
            kind,
            mode: node.mode,
            owner: node.owner,
            size,
        })
    }

    fn of_status(status: host::Status) -> Self {
        let kind = match status.kind {
            host::Kind::File => Kind::File,
            host::Kind::Directory => Kind::Folder,
            host::Kind::Symlink => Kind::Symlink,
            host::Kind::Other => Kind::Special,
        };
        Self {
            kind,
            mode: status.mode,
            owner: Owner {
                uid: Some(status.uid),
                gid: Some(status.gid),
            },
            size: if kind == Kind::File { status.size } else { 0 },
        }
    }
}

impl Kind {
    /// Returns its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Symlink => "symlink",
            Self::Special => "device, FIFO or socket",
        }
    }

    /// Makes the fault of a path that has this in place of what a step wants there.
    pub(crate) fn instead_of(self, path: &Path, wanted: &str) -> Fault {
        let found = self.word();
        Fault::refused(path, format_args!("there is a {found}, and no {wanted}"))
    }
}

/// Returns the names of a path from the top, without `.` and doubled slashes.
fn names_of(path: &Path) -> Result<Vec<std::ffi::OsString>, Fault> {
    if !path.is_absolute() {
        return Err(Fault::refused(path, "a plan's paths begin with `/`"));
    }
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(Ok(name.to_owned())),
        Component::ParentDir => Some(Err(Fault::refused(path, "a plan's paths have no `..`"))),
        _ => None,
    });
    names.collect()
}

fn read_on_host(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The file may have grown since it was measured.
    File::open(path)?
        .take(MAX_READ_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn names_on_host(path: &Path) -> Result<BTreeSet<PathBuf>, Fault> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(Fault::io("cannot list it", path))? {
        let entry = entry.map_err(Fault::io("cannot list it", path))?;
        names.insert(entry.file_name().into());
        if names.len() > MAX_NAMES {
            let message = format!("it has more than {MAX_NAMES} names");
            return Err(Fault::of(FaultKind::TooLarge, message).at(path));
        }
    }
    Ok(names)
}

fn unforeseen(path: &Path) -> Fault {
    let message = "a step before it would have made it, and nobody can foresee what";
    Fault::of(FaultKind::Unforeseen, message).at(path)
}

fn too_large(path: &Path) -> Fault {
    let message = format!("it has more than {MAX_READ_BYTES} bytes");
    Fault::of(FaultKind::TooLarge, message).at(path)
}

/// Turns the errors that say that there is nothing into `None`.
fn absent_or<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
