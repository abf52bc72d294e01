//! What is to be transferred, and how.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    content::{Ahead, ReadAhead},
    fingerprint::ContentHasher,
    message::PART_BYTES,
};

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
#[derive(Debug, Clone)]
pub enum Source {
    /// A file or a tree.
    Path(Vec<u8>),
    /// A file that is nowhere yet, with these permission bits.
    Memory {
        /// Its content.
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that is read as it is sent, with these permission bits.
    Reader {
        /// Its content.
        reader: Reader,
        /// Its permission bits.
        mode: u32,
    },
}

/// Content that is read once, from its beginning to its end, on a thread of its own.
#[derive(Clone)]
pub struct Reader(Arc<Mutex<Option<Start>>>);

/// Begins to read. An agent, which has no readers, has nothing of the code behind it.
type Start = Box<dyn FnOnce() -> io::Result<Box<dyn Ahead>> + Send>;

impl Reader {
    /// From what it is read.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        let start: Start = Box::new(|| Ok(Box::new(ReadAhead::start(Box::new(reader))?)));
        Self(Arc::new(Mutex::new(Some(start))))
    }

    /// Begins to read it, which can be done once.
    pub(crate) fn start(&self) -> io::Result<Box<dyn Ahead>> {
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        start.ok_or_else(|| io::Error::other("it was read already"))?()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// What content is written to as it arrives. It stays that of its transfer when the link is cut, which goes on from there.
#[derive(Clone)]
pub struct Writer(Arc<Mutex<Written>>);

pub(crate) struct Written {
    writer: Box<dyn Write + Send>,
    pub(crate) hasher: ContentHasher,
}

impl Writer {
    /// To what it is written.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Written { writer: Box::new(writer), hasher: ContentHasher::with_sha256() })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    pub(crate) fn write_zeros(&mut self, mut count: u64) -> io::Result<()> {
        let zeros = vec![0; PART_BYTES];
        while count > 0 {
            let now = count.min(zeros.len() as u64);
            self.write(&zeros[..usize::try_from(now).unwrap_or(zeros.len())])?;
            count -= now;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Where content goes to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A path. One that [names a directory](crate::names_directory) stands for the source's own name in there.
    Path(Vec<u8>),
    /// Into memory, at most so many bytes; only a file can go there.
    Memory {
        /// More than these bytes are an error.
        limit: u64,
    },
    /// As it arrives, to a writer; only a file can go there.
    Writer(Writer),
}

impl Target {
    /// How much may go there if it is no path.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Path(_) => 0,
            Self::Memory { limit } => *limit,
            Self::Writer(_) => u64::MAX,
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
    /// The SHA-256 of the content, if it was a single file and was sent. There is none of one in which more than 256 MiB are
    /// blocks of zeros, which are counted where others are hashed.
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
pub type Listener = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Bytes of a path, for people.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}
