//! Files: what is the same in `fs` of both sides.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use wxec_protocol::abi::FileKind;

/// The status of a file, as [`status`](crate::fs::status) finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Its kind.
    pub kind: FileKind,
    /// Its permissions, with the bits for setuid, setgid and sticky: 12 bits.
    pub mode: u32,
    /// The number of its owner.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of its content.
    pub modified: SystemTime,
    /// The number of its file system.
    pub device: u64,
    /// Its number in the file system.
    pub inode: u64,
    /// Target of a symbolic link.
    pub target: Option<PathBuf>,
}

/// Renames a file or a directory, and writes it and its new name to the disk.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if crate::fs::status(from)?.kind == FileKind::File {
        File::open(from)?.sync_all()?;
    }
    std::fs::rename(from, to)?;
    crate::fs::sync_directory(parent(to))?;
    crate::fs::sync_directory(parent(from))
}

fn parent(path: &Path) -> &Path {
    let parent = path.parent();
    parent
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}
