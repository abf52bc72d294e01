//! The source, the target and the options of a transfer.

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

/// The source of the content.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file or a tree.
    Path(Vec<u8>),
    /// A file that exists only in memory, with these permission bits.
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

/// Begins to read. Boxed, so that an agent, which has no readers, contains no code for them.
type Start = Box<dyn FnOnce() -> io::Result<Box<dyn Ahead>> + Send>;

impl Reader {
    /// Makes content of `reader`.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        let start: Start = Box::new(|| Ok(Box::new(ReadAhead::start(Box::new(reader))?)));
        Self(Arc::new(Mutex::new(Some(start))))
    }

    /// Begins to read, which can be done once.
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

/// A writer that gets the content as it arrives. If the link is cut, the transfer goes on with the
/// same writer.
#[derive(Clone)]
pub struct Writer(Arc<Mutex<Written>>);

pub(crate) struct Written {
    writer: Box<dyn Write + Send>,
    pub(crate) hasher: ContentHasher,
}

impl Writer {
    /// Makes a target of `writer`.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Written {
            writer: Box::new(writer),
            hasher: ContentHasher::with_sha256(),
        })))
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

/// The target of the content.
#[derive(Debug, Clone)]
pub enum Target {
    /// A path. A path that [names a directory](crate::names_directory) stands for the source's own
    /// name in there.
    Path(Vec<u8>),
    /// Memory, with a limit; only a file can go there.
    Memory {
        /// The number of bytes allowed; more are an error.
        limit: u64,
    },
    /// A writer that gets the content as it arrives; only a file can go there.
    Writer(Writer),
}

impl Target {
    /// Returns the number of bytes that may go there, if it is no path.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Path(_) => 0,
            Self::Memory { limit } => *limit,
            Self::Writer(_) => u64::MAX,
        }
    }
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
    pub digest: Option<wxec_protocol::Digest>,
}

/// An event of a transfer, told while the transfer lasts.
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
        kind: crate::Change,
        /// The path in the target.
        path: &'a str,
    },
    /// Something was left out, or could not be done; the transfer goes on.
    Warning(&'a str),
}

/// Receives [`Event`]s.
pub type Listener = Arc<dyn Fn(Event<'_>) + Send + Sync>;
