//! Content as it is read: from a file whose holes are skipped, from memory, or from a reader that
//! is read once.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::{
    fs::{SeekFrom, fstat, seek},
    io::Errno,
};

use crate::{
    fingerprint::{BLOCK_BYTES, ContentHasher, Fingerprint},
    message::{PART_BYTES, Time},
    place::Metadata,
};

/// Parts that are read ahead while the sender is busy.
const READ_AHEAD: usize = 2;

/// A reader that gives nothing for this long is asked again, after the sender has checked that the
/// receiver is still there.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The reading thread itself needs little stack; the rest is for the caller's reader.
const READER_STACK_BYTES: usize = 512 << 10;

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

/// Size and time, which tell if content has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) size: u64,
    modified: Time,
}

pub(crate) enum Content<'a> {
    File(Extents),
    Memory(Cursor<&'a [u8]>),
    Reader(Box<dyn Ahead>),
}

impl<'a> Content<'a> {
    pub(crate) fn state(&self) -> io::Result<State> {
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

    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        match self {
            Self::File(extents) => extents.rewind(),
            Self::Memory(bytes) => io::Seek::rewind(bytes),
            Self::Reader(_) => Err(Errno::SPIPE.into()),
        }
    }

    /// Reads the next piece, of `most` bytes at most.
    pub(crate) fn next(&mut self, bytes: &mut [u8], most: u64) -> io::Result<Piece> {
        match self {
            Self::File(extents) => extents.next(bytes, most),
            Self::Memory(content) => content.read(up_to(bytes, most)).map(piece),
            Self::Reader(reader) => reader.next(up_to(bytes, most)),
        }
    }
}

fn up_to(bytes: &mut [u8], most: u64) -> &mut [u8] {
    let most = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    &mut bytes[..most]
}

fn piece(length: usize) -> Piece {
    if length == 0 {
        Piece::End
    } else {
        Piece::Data(length)
    }
}

/// A file, read from its beginning without its holes.
pub(crate) struct Extents {
    file: File,
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

    fn rewind(&mut self) -> io::Result<()> {
        (self.position, self.data_until) = (0, 0);
        io::Seek::rewind(&mut self.file)
    }

    fn next(&mut self, bytes: &mut [u8], most: u64) -> io::Result<Piece> {
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
        Ok(piece(read))
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

/// Adds the whole content of a file to `hasher`.
pub(crate) fn hash_file(file: File, hasher: &mut ContentHasher) -> io::Result<()> {
    let (mut content, mut bytes) = (Content::File(Extents::new(file)?), vec![0; PART_BYTES]);
    loop {
        match content.next(&mut bytes, u64::MAX) {
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

/// Content that arrives in its own time.
pub(crate) trait Ahead {
    /// Reads the next piece.
    fn next(&mut self, bytes: &mut [u8]) -> io::Result<Piece>;
}

/// A reader on a thread of its own, so that a reader that blocks does not keep the sender from
/// listening to the receiver.
pub(crate) struct ReadAhead {
    parts: mpsc::Receiver<io::Result<Vec<u8>>>,
    part: Cursor<Vec<u8>>,
    ended: bool,
}

impl ReadAhead {
    pub(crate) fn start(mut reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let (to, parts) = mpsc::sync_channel(READ_AHEAD);
        let mut read = move || -> io::Result<Vec<u8>> {
            let mut bytes = vec![0; PART_BYTES];
            loop {
                match reader.read(&mut bytes) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read.map(|length| bytes.truncate(length)).map(|()| bytes),
                }
            }
        };
        let work = move || {
            loop {
                let part = read();
                let is_last = part.as_ref().map_or(true, Vec::is_empty);
                if to.send(part).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("wxec-reader".into())
            .stack_size(READER_STACK_BYTES)
            .spawn(work)?;
        Ok(Self {
            parts,
            part: Cursor::default(),
            ended: false,
        })
    }
}

impl Ahead for ReadAhead {
    fn next(&mut self, bytes: &mut [u8]) -> io::Result<Piece> {
        loop {
            let read = self.part.read(bytes)?;
            if read > 0 || self.ended {
                return Ok(piece(read));
            }
            match self.parts.recv_timeout(CHECK_EVERY) {
                Ok(part) => {
                    let part = part?;
                    self.ended = part.is_empty();
                    self.part = Cursor::new(part);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(Piece::Nothing),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("its reader panicked"));
                }
            }
        }
    }
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
