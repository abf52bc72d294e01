//! What the two roles say to each other. Paths and names are bytes, as they are on Linux.

use serde::{Deserialize, Serialize};

use crate::{Failure, Options, Summary, fingerprint::Fingerprint, link::MAX_FRAME_BYTES};

/// Announcements are sent once they have this many entries, or about this many bytes, so that memory does not depend on the
/// number of files.
pub(crate) const BATCH_ENTRIES: usize = 512;
pub(crate) const BATCH_BYTES: usize = 64 << 10;

/// Announcements that may be unanswered. While the files of one are sent, the answers to the others travel, so that
/// latency costs a tree of small files a few round trips however large it is.
pub(crate) const MAX_AHEAD: usize = 4;

/// The longest path Linux takes in one piece.
pub(crate) const MAX_PATH_BYTES: usize = 4096;

/// Content travels in parts of this size.
pub(crate) const PART_BYTES: usize = 64 << 10;

/// Longer holes travel in parts of this length, so that who writes them out can be stopped in between.
pub(crate) const MAX_HOLE_BYTES: u64 = 1 << 30;

const _: () = assert!(BATCH_BYTES + 4 * MAX_PATH_BYTES + PART_BYTES < MAX_FRAME_BYTES);

/// The first message of a transfer, from the controller to the agent: which role that has.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Be the receiver: `put`.
    Receive {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        options: Options,
        /// A transfer to this path was cut a moment ago: what it left may still be held by who received it.
        resuming: bool,
    },
    /// Be the sender: `get`.
    Send {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        options: Options,
    },
}

/// Sender to receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ToReceiver<'a> {
    /// What there is, in order. Each is answered by [`ToSender::Wants`].
    Announce { items: Vec<Item>, last: bool },
    /// The content of a wanted file follows, from `offset` on. Said again of the same file, what came before is void: it
    /// had changed while it was read.
    File { number: u64, offset: u64 },
    /// The next part of it.
    Data(#[serde(borrow, with = "serde_bytes")] &'a [u8]),
    /// Its next part is so many zeros.
    Hole { length: u64 },
    /// That was all of the file, and this is the fingerprint of the whole.
    End { fingerprint: Fingerprint },
    /// Something of a tree cannot be sent: if it has a number, a wanted file, of which what came is void. The others are put
    /// into their places all the same.
    LeftOut { number: Option<u64>, failure: Failure },
    /// Something was left out.
    Warning { text: String },
    /// The transfer is over.
    Failed(Failure),
}

/// Receiver to sender.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToSender {
    /// The files to send, of one announcement, in its order.
    Wants { wants: Vec<Want> },
    /// What is done, or would be, for who asked to be told.
    Change {
        kind: Change,
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
    },
    /// Something could not be done, and the transfer goes on.
    Warning { text: String },
    /// Something of a tree could not be put into its place: the first of them, once all is done.
    LeftOut(Failure),
    /// Everything is in its place, but for what was left out: that, and so many more.
    Finished { summary: Summary, more: u64 },
    /// The transfer is over.
    Failed(Failure),
}

/// One thing that is announced. Entries count from 0 throughout the transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// What was asked for itself. It comes first, and once.
    Root(Entry),
    /// What follows is in this directory, which was announced itself: names joined by `/`, nothing for the root.
    Enter {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        modified: Time,
    },
    /// Something in the directory entered last.
    Entry(Entry),
    /// That was all in the directory entered last. There may be more in it, which could not be found, if it is not complete.
    Leave { complete: bool },
}

impl Item {
    /// About what it takes in a frame.
    pub(crate) fn bytes(&self) -> usize {
        // Numbers, times and a digest.
        64 + match self {
            Self::Root(entry) | Self::Entry(entry) => match &entry.kind {
                Kind::Link { target } => entry.name.len() + target.len(),
                Kind::File { .. } | Kind::Directory => entry.name.len(),
            },
            Self::Enter { path, .. } => path.len(),
            Self::Leave { .. } => 0,
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

/// What happens to a path of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// There was nothing.
    Create,
    /// It has another content.
    Update,
    /// It is not in the source, and removed.
    Delete,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}
