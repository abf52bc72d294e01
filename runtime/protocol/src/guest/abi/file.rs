//! Questions and answers about files, where WASI has no words for them.
//!
//! Paths are those of the guest, in UTF-8. Reading needs the grant to read a path, everything else
//! the one to write it. No call follows a symbolic link in the last part of a path, nor leaves the
//! granted directory.

use serde::{Deserialize, Serialize};

/// The question of `file_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// The path.
    pub path: String,
}

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a socket or a pipe.
    Other,
}

/// The reply of `file_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatusFound {
    /// Its kind.
    pub kind: FileKind,
    /// Its permissions, with the bits for setuid, setgid and sticky: 12 bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Time of its last change, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Its file system.
    pub device: u64,
    /// Its number in the file system.
    pub inode: u64,
    /// Target of a symbolic link.
    #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
    pub target: Option<Vec<u8>>,
}

/// The question of `file_attributes`: sets those that are given. Needs the grant of attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAttributes {
    /// The path of a regular file or a directory.
    pub path: String,
    /// Its permissions, as in [`FileStatusFound`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// The question of `file_symlink`. Unlike that of WASI, the target may be an absolute path: guests
/// do not follow such a link, other programs do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSymlink {
    /// The text that the link holds.
    pub target: String,
    /// The path of the link.
    pub path: String,
}

/// The question of `file_rename`. A file that has the new name is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRename {
    /// The path.
    pub from: String,
    /// The new path.
    pub to: String,
}

/// The question of `file_sync`: writes a directory's entries to the disk, which a guest cannot do by
/// WASI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSync {
    /// The path of a directory.
    pub path: String,
}
