//! What is to be transferred, and how.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a transfer is done. The same for both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Permission bits of files, in place of the source's; directories get execution where there is reading, and those that were
    /// there keep theirs unless this is given.
    pub mode: Option<u32>,
    /// Owner of all that is written: a name or a number.
    pub owner: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Times of modification are those of the source.
    pub times: bool,
    /// What symbolic links stand for.
    pub links: Links,
    /// Files count as equal if their digests are, and only then.
    pub checksum: bool,
    /// What is in the target's tree and not in the source is removed.
    pub delete: bool,
    /// Nothing is changed.
    pub dry_run: bool,
    /// Directories above the target are made where they are missing.
    pub parents: bool,
    /// Each change is reported.
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

/// What symbolic links in the source stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Links {
    /// The one that is named itself, if it is one, for what it leads to; those in trees for themselves.
    #[default]
    FollowFirst,
    /// All of them for themselves.
    Keep,
    /// All of them for what they lead to.
    Follow,
}

/// Where content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A file or a tree.
    Path(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A file that is nowhere yet, with these permission bits.
    Memory {
        /// Its content.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
}

/// Where content goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A path. One that [names a directory](crate::names_directory) stands for the source's own name in there.
    Path(Vec<u8>),
    /// Into memory, at most so many bytes; only a file can go there.
    Memory {
        /// More than these bytes are an error.
        limit: u64,
    },
}

impl Target {
    /// How much may go into memory.
    pub(crate) fn memory(&self) -> u64 {
        match self {
            Self::Path(_) => 0,
            Self::Memory { limit } => *limit,
        }
    }
}

/// What came of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Files and links written.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Of these, bytes that were there from a transfer that was cut.
    pub resumed_bytes: u64,
    /// Files and links that were equal already.
    pub skipped: u64,
    /// Files, links and directories removed.
    pub deleted: u64,
    /// The SHA-256 of the content, if it was a single file and was sent.
    pub digest: Option<wxec_protocol::Digest>,
}

/// What a transfer tells while it lasts.
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
    /// So many bytes more of it were sent or received.
    Bytes(u64),
    /// So many bytes of it are there from a transfer that was cut.
    Resumed(u64),
    /// A file was begun anew: so many bytes do not count.
    Void(u64),
    /// Something is changed, or would be.
    Change {
        /// What happens.
        kind: crate::Change,
        /// To which path of the target.
        path: &'a str,
    },
    /// Something was left out, or could not be done; the transfer goes on.
    Warning(&'a str),
}

/// Who hears of [`Event`]s.
pub type Listener = std::sync::Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Bytes of a path, for people.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}
