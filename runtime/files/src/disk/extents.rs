//! Content of files as it is read: holes are skipped.

use std::{
    fs::File,
    io::{self, Read},
};

use rustix::{
    fs::{SeekFrom, fstat, seek},
    io::Errno,
};

use super::Metadata;
use crate::{
    fingerprint::{BLOCK_BYTES, ContentHasher, Fingerprint},
    wire::PART_BYTES,
};

/// The next piece of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// This many bytes were read.
    Data(usize),
    /// This many zeros come next, and were not read.
    Hole(u64),
    /// No bytes are there yet.
    Nothing,
    End,
}

impl Piece {
    /// Makes a piece of what was read: no bytes are the end.
    pub(crate) fn of(length: usize) -> Self {
        if length == 0 {
            Self::End
        } else {
            Self::Data(length)
        }
    }
}

/// A file, read from its beginning without its holes.
pub(crate) struct Extents {
    pub(crate) file: File,
    position: u64,
    /// True if the file takes less space on disk than its length.
    is_sparse: bool,
    /// There are no holes between `position` and here.
    data_until: u64,
}

impl Extents {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let stat = fstat(&file)?;
        let (size, on_disk) = (
            Metadata(stat).size(),
            u64::try_from(stat.st_blocks)
                .unwrap_or(0)
                .saturating_mul(512),
        );
        Ok(Self {
            file,
            position: 0,
            is_sparse: size >= BLOCK_BYTES && on_disk < size,
            data_until: 0,
        })
    }

    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        (self.position, self.data_until) = (0, 0);
        io::Seek::rewind(&mut self.file)
    }

    pub(crate) fn next(&mut self, bytes: &mut [u8], most: u64) -> io::Result<Piece> {
        if self.is_sparse && self.position >= self.data_until {
            let hole = self.skip(most)?;
            if hole > 0 {
                return Ok(Piece::Hole(hole));
            }
        }
        let most = if self.is_sparse {
            most.min(self.data_until - self.position)
        } else {
            most
        };
        let read = self.file.read(up_to(bytes, most))?;
        self.position += read as u64;
        Ok(Piece::of(read))
    }

    /// Seeks to the next data. Returns the length of the hole that was skipped, `most` at most.
    fn skip(&mut self, most: u64) -> io::Result<u64> {
        let data = match seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(data) => data,
            // No more data follows.
            Err(Errno::NXIO) => Metadata(fstat(&self.file)?).size().max(self.position),
            Err(_) => {
                self.is_sparse = false;
                seek(&self.file, SeekFrom::Start(self.position))?;
                return Ok(0);
            }
        };
        let hole = (data - self.position).min(most);
        self.position += hole;
        if self.position == data {
            self.data_until = match seek(&self.file, SeekFrom::Hole(data)) {
                Ok(end) => end,
                Err(Errno::NXIO) => data,
                Err(error) => return Err(error.into()),
            };
        }
        seek(&self.file, SeekFrom::Start(self.position))?;
        Ok(hole)
    }
}

/// Returns the beginning of a buffer, for `most` bytes at most.
pub(crate) fn up_to(bytes: &mut [u8], most: u64) -> &mut [u8] {
    let most = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    &mut bytes[..most]
}

/// Adds the whole content of a file to `hasher`.
pub(crate) fn hash_file(file: File, hasher: &mut ContentHasher) -> io::Result<()> {
    let (mut extents, mut bytes) = (Extents::new(file)?, vec![0; PART_BYTES]);
    loop {
        match extents.next(&mut bytes, u64::MAX) {
            Ok(Piece::Data(length)) => hasher.update(&bytes[..length]),
            Ok(Piece::Hole(length)) => hasher.update_zeros(length),
            Ok(Piece::Nothing) => {}
            Ok(Piece::End) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the fingerprint of a file, if the file can be read.
pub(crate) fn fingerprint_of(file: File) -> Option<Fingerprint> {
    let mut hasher = ContentHasher::default();
    hash_file(file, &mut hasher)
        .ok()
        .map(|()| hasher.fingerprint())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_skipped_and_are_what_they_read_as() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(&[1; 5000], (20 << 20) + 1000).unwrap();
        let mut extents = Extents::new(file.try_clone().unwrap()).unwrap();
        let (mut bytes, mut position, mut read) = (vec![0; PART_BYTES], 0, 0);
        loop {
            match extents.next(&mut bytes, 3 << 20).unwrap() {
                Piece::Data(length) => (position, read) = (position + length as u64, read + length),
                Piece::Hole(length) => {
                    assert!(length <= 3 << 20);
                    position += length;
                }
                Piece::Nothing => {}
                Piece::End => break,
            }
        }
        assert_eq!(position, 64 << 20);
        assert!((5000..1 << 20).contains(&read), "{read}");
        let mut whole = ContentHasher::default();
        whole.update(&{
            let mut all = vec![0; 64 << 20];
            file.read_exact_at(&mut all, 0).unwrap();
            all
        });
        assert_eq!(fingerprint_of(file), Some(whole.fingerprint()));
    }
}
