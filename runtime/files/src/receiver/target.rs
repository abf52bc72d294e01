//! The target of a transfer.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Failure, FailureKind, Step,
    fingerprint::ContentHasher,
    path::{join, names_directory, split},
    wire::PART_BYTES,
};

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
    /// Returns the target with the name that was asked for, if the target only names a directory.
    pub(crate) fn named(&self, asked: &[u8]) -> Result<Self, Failure> {
        let Self::Path(directory) = self else {
            return Ok(self.clone());
        };
        if !names_directory(directory) {
            return Ok(self.clone());
        }
        let name = match asked {
            // A home directory, which may have any name.
            [b'~', rest @ ..]
                if matches!(
                    rest.splitn(2, |byte| *byte == b'/').nth(1),
                    None | Some(b"" | b".")
                ) =>
            {
                None
            }
            _ => split(asked).map(|(_, name)| name),
        };
        match name {
            Some(name) => Ok(Self::Path(join(directory, &name))),
            None => Err(Failure::new(Step::Reading, asked, FailureKind::NoName)),
        }
    }

    /// Returns the number of bytes that may go there, if it is no path.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Path(_) => 0,
            Self::Memory { limit } => *limit,
            Self::Writer(_) => u64::MAX,
        }
    }
}

/// A writer that gets the content as it arrives. If the link is cut, the transfer goes on with the
/// same writer.
#[derive(Clone)]
pub struct Writer(Arc<Mutex<Written>>);

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

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

pub(crate) struct Written {
    writer: Box<dyn Write + Send>,
    pub(crate) hasher: ContentHasher,
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
