//! The content of one file as it is sent: from the disk, from memory, or from a reader.

use std::io::{self, Cursor, Read};

use rustix::{fs::fstat, io::Errno};

use super::read_ahead::Pieces;
use crate::{
    disk::{Extents, Metadata, Piece, up_to},
    fingerprint::ContentHasher,
    wire::Time,
};

/// Size and time: content that has changed differs in one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) size: u64,
    modified: Time,
}

pub(super) enum Content<'a> {
    File(Extents),
    Memory(Cursor<&'a [u8]>),
    Reader(Box<dyn Pieces>),
}

impl<'a> Content<'a> {
    pub(super) fn state(&self) -> io::Result<State> {
        let never = Time {
            seconds: 0,
            nanoseconds: 0,
        };
        Ok(match self {
            Self::File(extents) => {
                let found = Metadata(fstat(&extents.file)?);
                State {
                    size: found.size(),
                    modified: found.modified(),
                }
            }
            Self::Memory(bytes) => State {
                size: bytes.get_ref().len() as u64,
                modified: never,
            },
            Self::Reader(_) => State {
                size: 0,
                modified: never,
            },
        })
    }

    pub(super) fn rewind(&mut self) -> io::Result<()> {
        match self {
            Self::File(extents) => extents.rewind(),
            Self::Memory(bytes) => io::Seek::rewind(bytes),
            Self::Reader(_) => Err(Errno::SPIPE.into()),
        }
    }

    /// Reads the next piece, of `most` bytes at most.
    pub(super) fn next(&mut self, bytes: &mut [u8], most: u64) -> io::Result<Piece> {
        match self {
            Self::File(extents) => extents.next(bytes, most),
            Self::Memory(content) => content.read(up_to(bytes, most)).map(Piece::of),
            Self::Reader(reader) => reader.next(up_to(bytes, most)),
        }
    }

    /// Reads the next piece and adds it to `hasher`. Returns false at the end.
    pub(super) fn add_next(
        &mut self,
        hasher: &mut ContentHasher,
        bytes: &mut [u8],
        most: u64,
    ) -> io::Result<bool> {
        match self.next(bytes, most)? {
            Piece::Data(length) => hasher.update(&bytes[..length]),
            Piece::Hole(length) => hasher.update_zeros(length),
            Piece::Nothing => {}
            Piece::End => return Ok(false),
        }
        Ok(true)
    }
}
