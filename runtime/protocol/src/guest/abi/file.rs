//! Questions and answers about files, where WASI has no words for them.
//!
//! Paths are those of the guest, in UTF-8. Reading needs the grant to read a path, everything else
//! the one to write it. No call follows a symbolic link in the last part of a path, nor leaves the
//! granted directory.

use serde::{Deserialize, Serialize};

/// The question of `file_call`. It is one type for all actions, because each type that is decoded
/// costs the agent some kilobytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCall {
    /// The action.
    pub action: FileAction,
    /// The path.
    pub path: String,
    /// The text that a symbolic link is to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The permissions to set, as in [`FileStatus`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// The owner to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The group to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

/// Action of a [`FileCall`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileAction {
    /// Asks for the status of a file, or of a symbolic link itself: the reply is a [`FileStatus`].
    Status,
    /// Sets those of mode, owner and group that are given, of a regular file or a directory. Needs
    /// the grant of attributes.
    SetAttributes,
    /// Makes a symbolic link. Unlike that of WASI, its target may be an absolute path: guests do not
    /// follow such a link, other programs do.
    Symlink,
    /// Writes a directory's entries to the disk, which a guest cannot do by WASI.
    SyncDirectory,
    /// Locks a file that the guest may write, until the call ends. Fails with `WouldBlock` if another
    /// process has it locked.
    Lock,
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

/// The reply to [`FileAction::Status`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
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
