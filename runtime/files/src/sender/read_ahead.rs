//! A reader that is read ahead of the sender, on a thread of its own.

use std::{
    io::{self, Cursor, Read},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::{disk::Piece, wire::PART_BYTES};

/// Parts that are read ahead while the sender is busy.
const READ_AHEAD: usize = 2;

/// A reader that gives nothing for this long is asked again, after the sender has checked that the
/// receiver is still there.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// The reading thread itself needs little stack; the rest is for the caller's reader.
const READER_STACK_BYTES: usize = 512 << 10;

/// Content that arrives in its own time.
pub(crate) trait Pieces {
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

impl Pieces for ReadAhead {
    fn next(&mut self, bytes: &mut [u8]) -> io::Result<Piece> {
        loop {
            let read = self.part.read(bytes)?;
            if read > 0 || self.ended {
                return Ok(Piece::of(read));
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
