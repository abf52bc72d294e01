//! The sink of an arriving file's content: a file, memory or a writer.

use std::{io::Write, os::fd::OwnedFd, sync::Arc};

use super::{
    plan::Wanted,
    target::{Target, Writer},
    transfer::Transfer,
};
use crate::{Failure, FailureKind, Step, disk::PartialFile, fingerprint::ContentHasher};

/// Stands in messages for a target that has no path.
const OUTPUT: &str = "the output";

pub(super) enum Sink {
    File {
        partial: PartialFile,
        directory: Arc<OwnedFd>,
    },
    Memory {
        content: Vec<u8>,
        limit: u64,
        hasher: Box<ContentHasher>,
    },
    Writer(Writer),
    /// The file cannot be written, but its content still arrives.
    Discard,
}

/// A piece of a file's content.
pub(super) enum Chunk<'a> {
    Data(&'a [u8]),
    Zeros(u64),
}

impl Chunk<'_> {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zeros(count) => *count,
        }
    }
}

impl Sink {
    /// Opens the sink of a wanted file, of which the sender skips `offset` bytes. `path` is for
    /// messages.
    pub(super) fn open<W: Write>(
        wanted: &mut Wanted,
        offset: u64,
        path: &[u8],
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<Self, Failure> {
        if let Some(directory) = transfer.destination.directory(&wanted.directory)? {
            let partial = match wanted.part.take() {
                Some(mut part) if offset == 0 && part.length() > 0 => part.restart().map(|()| part),
                Some(part) => Ok(part),
                None => PartialFile::create(
                    transfer.settings.unfinished,
                    &directory,
                    &wanted.name,
                    wanted.size,
                    &transfer.new_hasher(),
                ),
            };
            let partial = partial.map_err(|error| Failure::io(Step::Creating, path, error))?;
            return Ok(Self::File { partial, directory });
        }
        match transfer.settings.target {
            // Bytes that went to a writer cannot be taken back.
            Target::Writer(writer) if writer.lock().hasher.length() > offset => {
                Err(Failure::new(Step::Reading, path, FailureKind::Changed))
            }
            Target::Writer(writer) => Ok(Self::Writer(writer.clone())),
            target => Ok(Self::Memory {
                content: Vec::new(),
                limit: target.limit(),
                hasher: Box::new(ContentHasher::with_sha256()),
            }),
        }
    }

    /// Takes all content back, because it is sent again.
    pub(super) fn restart(&mut self, path: &[u8]) -> Result<(), Failure> {
        match self {
            Self::File { partial, .. } => partial
                .restart()
                .map_err(|error| Failure::io(Step::Writing, path, error)),
            Self::Memory {
                content, hasher, ..
            } => {
                hasher.restart();
                content.clear();
                Ok(())
            }
            Self::Writer(writer) if writer.lock().hasher.length() > 0 => {
                Err(Failure::new(Step::Reading, path, FailureKind::Changed))
            }
            Self::Writer(_) | Self::Discard => Ok(()),
        }
    }

    pub(super) fn write(&mut self, chunk: &Chunk<'_>, path: &[u8]) -> Result<(), Failure> {
        match self {
            Self::File { partial, .. } => match chunk {
                Chunk::Data(bytes) => partial
                    .write(bytes)
                    .map_err(|error| Failure::io(Step::Writing, path, error)),
                Chunk::Zeros(count) => {
                    partial.write_zeros(*count);
                    Ok(())
                }
            },
            Self::Memory {
                content,
                limit,
                hasher,
            } => {
                if (content.len() as u64).saturating_add(chunk.length()) > *limit {
                    let too_long = FailureKind::TooLong(*limit);
                    return Err(Failure::new(Step::Reading, path, too_long));
                }
                remember(chunk, content, hasher);
                Ok(())
            }
            Self::Writer(writer) => {
                let mut written = writer.lock();
                match chunk {
                    Chunk::Data(bytes) => written.write(bytes),
                    Chunk::Zeros(count) => written.write_zeros(*count),
                }
                .map_err(|error| Failure::io(Step::Writing, OUTPUT, error))
            }
            Self::Discard => Ok(()),
        }
    }

    /// Returns the hasher of the whole content, once it is written. `None` if it was discarded.
    pub(super) fn finish(&self) -> Result<Option<ContentHasher>, Failure> {
        Ok(match self {
            Self::File { partial, .. } => Some(partial.hasher().clone()),
            Self::Memory { hasher, .. } => Some(ContentHasher::clone(hasher)),
            Self::Writer(writer) => {
                let mut written = writer.lock();
                written
                    .flush()
                    .map_err(|error| Failure::io(Step::Writing, OUTPUT, error))?;
                Some(written.hasher.clone())
            }
            Self::Discard => None,
        })
    }
}

fn remember(chunk: &Chunk<'_>, content: &mut Vec<u8>, hasher: &mut ContentHasher) {
    match chunk {
        Chunk::Data(bytes) => {
            hasher.update(bytes);
            content.extend_from_slice(bytes);
        }
        Chunk::Zeros(count) => {
            hasher.update_zeros(*count);
            content.resize(content.len() + usize::try_from(*count).unwrap_or(0), 0);
        }
    }
}
