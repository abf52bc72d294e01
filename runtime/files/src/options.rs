//! The options of a transfer, its events and its result.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use wxec_protocol::Digest;

/// Options of a transfer, the same for both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Permission bits of files, in place of the source's. Directories get execution where there is
    /// reading. Directories that exist keep their mode, unless this is given.
    pub mode: Option<u32>,
    /// Owner of everything that is written: a name or a number.
    pub owner: Option<String>,
    /// Group of everything that is written.
    pub group: Option<String>,
    /// True if times of modification are those of the source.
    pub times: bool,
    /// The meaning of symbolic links.
    pub links: Links,
    /// True if files count as equal only by their digests.
    pub checksum: bool,
    /// True if entries that are in the target's tree and not in the source are removed.
    pub delete: bool,
    /// True if nothing is to be changed.
    pub dry_run: bool,
    /// True if missing directories above the target are to be made.
    pub parents: bool,
    /// True if each change is to be reported.
    pub report: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: None,
            owner: None,
            group: None,
            times: true,
            links: Links::FollowFirst,
            checksum: false,
            delete: false,
            dry_run: false,
            parents: false,
            report: false,
        }
    }
}

/// The meaning of symbolic links in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Links {
    /// A link that is named itself stands for its target; links in trees stand for themselves.
    #[default]
    FollowFirst,
    /// All links stand for themselves.
    Keep,
    /// All links stand for their targets.
    Follow,
}

/// The result of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Files and links written.
    pub files: u64,
    /// Bytes in these files.
    pub bytes: u64,
    /// Of these, bytes that were there already, from a transfer that was cut.
    pub resumed_bytes: u64,
    /// Files and links that were equal already.
    pub skipped: u64,
    /// Files, links and directories removed.
    pub deleted: u64,
    /// The SHA-256 of the content, if it was a single file and was sent. A file with more than 256
    /// MiB in blocks of zeros has none: such blocks are counted, others hashed.
    pub digest: Option<Digest>,
}

/// An event of a transfer, reported while the transfer lasts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The next file begins.
    File {
        /// Its path, from the source's name on.
        path: &'a str,
        /// Its length in bytes.
        size: u64,
    },
    /// This many more bytes of the file were sent or received.
    Bytes(u64),
    /// This many bytes of the file were there already, from a transfer that was cut.
    Resumed(u64),
    /// A file was begun anew: this many bytes do not count.
    Void(u64),
    /// An entry of the target is changed, or would be.
    Change {
        /// The kind of change.
        kind: Change,
        /// The path in the target.
        path: &'a str,
    },
    /// Something was left out, or could not be done; the transfer goes on.
    Warning(&'a str),
}

/// Receives [`Event`]s.
pub type Listener = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// The kind of a change to a path of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// The path did not exist before.
    Create,
    /// The path gets another content.
    Update,
    /// The path is not in the source, and is removed.
    Delete,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}
