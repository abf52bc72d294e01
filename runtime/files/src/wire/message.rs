//! Messages between the two roles. Paths and names are bytes, as they are on Linux.

use serde::{Deserialize, Serialize};

use super::frames::MAX_FRAME_BYTES;
use crate::{Change, Failure, Options, Summary, fingerprint::Fingerprint, path::MAX_PATH_BYTES};

/// Announcements are sent once they have this many entries, or about this many bytes, so that
/// memory does not depend on the number of files.
pub(crate) const BATCH_ENTRIES: usize = 512;
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// Announcements that may be unanswered. The answers to later ones travel while the files of one
/// are sent, so that latency costs a tree of small files only a few round trips, however large it
/// is.
pub(crate) const MAX_AHEAD: usize = 4;

/// Size of the parts in which content travels.
pub(crate) const PART_BYTES: usize = 64 << 10;

/// Longer holes travel in pieces of this length, so that a receiver that writes them out can be
/// stopped in between.
pub(crate) const MAX_HOLE_BYTES: u64 = 1 << 30;

const _: () = assert!(BATCH_BYTES + 4 * MAX_PATH_BYTES + PART_BYTES < MAX_FRAME_BYTES);

/// The first message of a transfer, from the controller to the agent: it gives the agent its role.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The agent is the receiver: `put`.
    Receive {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        options: Options,
        /// A transfer to this path was cut a moment ago: its receiver may still hold the part.
        resuming: bool,
    },
    /// The agent is the sender: `get`.
    Send {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        options: Options,
    },
}

/// Messages from the sender to the receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ToReceiver<'a> {
    /// The next items, in order. Each announcement is answered by [`ToSender::Wants`].
    Announce { items: Vec<Item>, last: bool },
    /// The content of a wanted file follows, from `offset` on. A second `File` for the same number
    /// restarts it: the file changed while it was read.
    File { number: u64, offset: u64 },
    /// The next part of the content.
    Data(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    /// A number of zeros, as the next part of the content.
    Hole { length: u64 },
    /// The end of the file, with the fingerprint of the whole.
    End { fingerprint: Fingerprint },
    /// Something of a tree cannot be sent. With a number, it is a wanted file, and its content so
    /// far is void. All other entries are still put into their places.
    LeftOut {
        number: Option<u64>,
        failure: Failure,
    },
    /// Something was left out.
    Warning { text: String },
    /// The transfer is over.
    Failed(Failure),
}

/// Messages from the receiver to the sender.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToSender {
    /// The files to send of one announcement, in its order.
    Wants { wants: Vec<Want> },
    /// A change that is made, or would be, if reports were asked for.
    Change {
        kind: Change,
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
    },
    /// Something could not be done, but the transfer goes on.
    Warning { text: String },
    /// Something of a tree could not be put into its place. Sent at the end, for the first such
    /// entries.
    LeftOut(Failure),
    /// Everything is in its place, except the entries in `LeftOut` and `more` others.
    Finished { summary: Summary, more: u64 },
    /// The transfer is over.
    Failed(Failure),
}

/// An item of an announcement. Entries are numbered from 0 throughout the transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// The entry that was asked for itself. It comes first, and once.
    Root(Entry),
    /// The items that follow are in this directory, which was announced itself. The path is names
    /// joined by `/`, empty for the root.
    DirectoryStart {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        modified: Time,
    },
    /// An entry of the directory entered last.
    Entry(Entry),
    /// The end of the directory entered last. If it is not complete, more may be in it that could
    /// not be found.
    DirectoryEnd { complete: bool },
}

impl Item {
    /// Returns about the number of bytes that it takes in a frame.
    pub(crate) fn bytes(&self) -> usize {
        // 64 bytes for numbers, times and a digest.
        64 + match self {
            Self::Root(entry) | Self::Entry(entry) => match &entry.kind {
                Kind::Link { target } => entry.name.len() + target.len(),
                Kind::File { .. } | Kind::Directory => entry.name.len(),
            },
            Self::DirectoryStart { path, .. } => path.len(),
            Self::DirectoryEnd { .. } => 0,
        }
    }
}

/// A file, a directory or a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    #[serde(with = "serde_bytes")]
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits.
    pub(crate) mode: u32,
    pub(crate) modified: Time,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    File {
        size: u64,
        fingerprint: Option<Fingerprint>,
    },
    Directory,
    Link {
        #[serde(with = "serde_bytes")]
        target: Vec<u8>,
    },
}

/// A time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// A file to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Want {
    pub(crate) number: u64,
    pub(crate) part: Option<Part>,
}

/// The beginning of a file, which the receiver has from a transfer that was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) length: u64,
    pub(crate) fingerprint: Fingerprint,
}
