//! The source of a transfer.

use std::{
    fmt,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use super::read_ahead::{Pieces, ReadAhead};

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
type Start = Box<dyn FnOnce() -> io::Result<Box<dyn Pieces>> + Send>;

impl Reader {
    /// Makes content of `reader`.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        let start: Start = Box::new(|| Ok(Box::new(ReadAhead::start(Box::new(reader))?)));
        Self(Arc::new(Mutex::new(Some(start))))
    }

    /// Begins to read, which can be done once.
    pub(crate) fn start(&self) -> io::Result<Box<dyn Pieces>> {
        let start = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        start.ok_or_else(|| io::Error::other("it was read already"))?()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}
