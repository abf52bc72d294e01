//! The sender: announces its entries, and sends those that the receiver asks for.

mod announcements;
mod answers;
mod content;
mod contents;
mod peer;
mod read_ahead;
mod source;
mod walk;

use std::io::{self, Read, Write};

pub use self::source::{Reader, Source};
use self::{
    announcements::{Announced, Announcement, Announcements},
    answers::Answer,
    content::{Content, State},
    contents::Contents,
    peer::Peer,
    walk::Walk,
};
use crate::{
    Event, Failure, FailureKind, Links, Listener, Options, Step, Summary, TransferEnd,
    disk::Piece,
    failure::{outcome, short},
    fingerprint::{ContentHasher, Fingerprint, is_zero},
    wire::{
        FrameReader, FrameWriter, MAX_AHEAD, MAX_HOLE_BYTES, PART_BYTES, Part, ToReceiver, Want,
    },
};

/// Sends `source`, and waits until everything is in its place.
pub(crate) fn send<R, W>(
    source: &Source,
    options: &Options,
    reader: FrameReader<R>,
    writer: &mut FrameWriter<W>,
    listener: &Listener,
) -> Result<Summary, TransferEnd>
where
    R: Read + Send + 'static,
    W: Write,
{
    let sender = Peer::new(reader, &mut *writer, listener)
        .and_then(|peer| Sender::new(source, options, peer));
    let ended = sender.map_err(TransferEnd::Here).and_then(Sender::run);
    if let Err(TransferEnd::Here(failure)) = &ended {
        writer.send(&ToReceiver::Failed(failure.clone()));
        writer.flush();
    }
    ended
}

/// Checks that the file or tree at `path` can be sent.
pub(crate) fn check_source(path: &[u8], links: Links) -> Result<(), Failure> {
    Walk::new(path, links).map(drop)
}

struct Sender<'a, W: Write> {
    peer: Peer<'a, W>,
    contents: Contents<'a>,
    /// `None` once everything is announced.
    announcements: Option<Announcements>,
    /// The part of content that is read next.
    bytes: Vec<u8>,
    /// The number of bytes of the current file that the listener has counted.
    reported: u64,
}

impl<'a, W: Write> Sender<'a, W> {
    /// Finds the source. Announces it, unless it is to be walked over.
    fn new(source: &'a Source, options: &Options, mut peer: Peer<'a, W>) -> Result<Self, Failure> {
        let (contents, announcements) = match source {
            Source::Memory { bytes, mode } => {
                let fingerprint = options.checksum.then(|| Fingerprint::of(bytes));
                let size = bytes.len() as u64;
                peer.announce(Announcement::of_content(size, fingerprint, *mode));
                (Contents::Memory(bytes), None)
            }
            Source::Reader { reader, mode } => {
                peer.announce(Announcement::of_content(0, None, *mode));
                (Contents::Reader(reader), None)
            }
            Source::Path(path) => {
                let walk = Walk::new(path, options.links)?;
                let contents = if walk.is_tree() {
                    Contents::of_tree(path, options.links == Links::Follow)?
                } else {
                    Contents::File(path)
                };
                (contents, Some(Announcements::new(walk, options.checksum)))
            }
        };
        Ok(Self {
            peer,
            contents,
            announcements,
            bytes: vec![0; PART_BYTES],
            reported: 0,
        })
    }

    fn run(mut self) -> Result<Summary, TransferEnd> {
        loop {
            self.announce_ahead();
            self.peer.flush();
            match self.peer.next_answer()? {
                Answer::Wants(wants) => {
                    let files = self.peer.answered_files()?;
                    // Announces more first, so that the next answers travel while these files do.
                    self.announce_ahead();
                    self.send_wanted(&files, &wants)?;
                }
                Answer::Finished(..)
                    if self.announcements.is_some() || self.peer.unanswered() > 0 =>
                {
                    return Err(TransferEnd::Malformed("it ended too early"));
                }
                Answer::Finished(summary, there) => {
                    return outcome(summary, self.peer.into_left_out(), there);
                }
                Answer::Ended(end) => return Err(end),
            }
        }
    }

    fn announce_ahead(&mut self) {
        while self.peer.unanswered() < MAX_AHEAD
            && let Some(announcements) = &mut self.announcements
        {
            let announcement = announcements.next(&mut self.contents, &mut self.peer);
            if announcement.last {
                self.announcements = None;
            }
            self.peer.announce(announcement);
        }
    }

    fn send_wanted(&mut self, files: &[Announced], wants: &[Want]) -> Result<(), TransferEnd> {
        let mut files = files.iter();
        for want in wants {
            let file = files.find(|file| file.number == want.number);
            let file = file.ok_or(TransferEnd::Malformed("it wants what there is not"))?;
            match self.send_file(file, want.part) {
                Err(TransferEnd::Here(failure)) if self.contents.is_tree() => {
                    self.void();
                    self.peer.leave_out(Some(file.number), failure);
                }
                ended => ended?,
            }
        }
        Ok(())
    }

    fn send_file(&mut self, file: &Announced, mut part: Option<Part>) -> Result<(), TransferEnd> {
        let path = self.contents.display_path(file);
        self.reported = 0;
        self.peer.report(Event::File {
            path: &String::from_utf8_lossy(&path),
            size: file.size,
        });
        let failed = |error: io::Error| Failure::io(Step::Reading, &*path, error);
        // Tries twice: a file that changed during the first attempt may not change during the
        // second.
        for is_last in [false, true] {
            let (mut content, before) = self.contents.open(file).map_err(failed)?;
            let (fingerprint, length) =
                self.send_content(file.number, &mut content, before, part.take(), &path)?;
            let after = content.state().map_err(failed)?;
            // A log that is appended to all the time never stops changing, but its earlier content
            // stays: that content was sent.
            let has_grown = is_last
                && length == before.size
                && after.size > length
                && self.begins_with(&mut content, length, fingerprint)?;
            if has_grown {
                let path = short(&path);
                self.peer
                    .warn(format!("{path} grew meanwhile: what it had is there"));
            }
            // Does not compare the length with the size: files of the kernel report any size, and
            // the bytes that were read are their content.
            if before == after || has_grown {
                self.peer.send(&ToReceiver::End { fingerprint });
                return Ok(());
            }
            self.void();
        }
        Err(Failure::new(Step::Reading, &*path, FailureKind::Changed).into())
    }

    /// Takes back the bytes of a file that does not count.
    fn void(&mut self) {
        let reported = std::mem::take(&mut self.reported);
        self.peer.report(Event::Void(reported));
    }

    /// Returns true if the first `length` bytes still have this fingerprint.
    fn begins_with(
        &mut self,
        content: &mut Content<'_>,
        length: u64,
        fingerprint: Fingerprint,
    ) -> Result<bool, TransferEnd> {
        if content.rewind().is_err() {
            return Ok(false);
        }
        let hasher = self.hash_beginning(content, length)?;
        Ok(hasher
            .is_ok_and(|hasher| hasher.length() == length && hasher.fingerprint() == fingerprint))
    }

    /// Hashes the first `length` bytes, or all if there are fewer.
    fn hash_beginning(
        &mut self,
        content: &mut Content<'_>,
        length: u64,
    ) -> Result<io::Result<ContentHasher>, TransferEnd> {
        let mut hasher = ContentHasher::default();
        while hasher.length() < length {
            self.peer.check()?;
            let left = length - hasher.length();
            match content.add_next(&mut hasher, &mut self.bytes, left) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(hasher))
    }

    /// Sends the content, up to the size that it has in `before`. If the content begins with the
    /// part that the receiver has, sends only the rest. Returns the fingerprint and the length of
    /// the whole.
    fn send_content(
        &mut self,
        number: u64,
        content: &mut Content<'_>,
        before: State,
        part: Option<Part>,
        path: &[u8],
    ) -> Result<(Fingerprint, u64), TransferEnd> {
        let failed = |error: io::Error| Failure::io(Step::Reading, path, error);
        let mut hasher = self.skip_part(content, part)?.map_err(failed)?;
        let offset = hasher.length();
        self.peer.send(&ToReceiver::File { number, offset });
        self.peer.report(Event::Resumed(offset));
        self.reported = offset;
        loop {
            let left = before.size.saturating_sub(hasher.length());
            let most = if left == 0 {
                MAX_HOLE_BYTES
            } else {
                left.min(MAX_HOLE_BYTES)
            };
            let piece = content.next(&mut self.bytes, most).map_err(failed)?;
            // Behind the size in `before`: a file that has changed is growing, and ends here,
            // because it might grow as fast as it is read. A file that has not changed reports too
            // small a size, as files of the kernel do, and is read to its end.
            if piece == Piece::End || (left == 0 && content.state().map_err(failed)? != before) {
                return Ok((hasher.fingerprint(), hasher.length()));
            }
            let sent = self.send_piece(piece, &mut hasher);
            self.peer.report(Event::Bytes(sent));
            self.reported += sent;
            self.peer.check()?;
        }
    }

    /// Reads the part that the receiver has, and returns its hasher. Starts from nothing if the
    /// content begins otherwise.
    fn skip_part(
        &mut self,
        content: &mut Content<'_>,
        part: Option<Part>,
    ) -> Result<io::Result<ContentHasher>, TransferEnd> {
        let Some(part) = part else {
            return Ok(Ok(ContentHasher::default()));
        };
        let hasher = self.hash_beginning(content, part.length)?;
        Ok(hasher.and_then(|hasher| {
            if hasher.length() == part.length && hasher.fingerprint() == part.fingerprint {
                return Ok(hasher);
            }
            content.rewind()?;
            Ok(ContentHasher::default())
        }))
    }

    /// Sends a piece, or all that waits to be sent if no bytes are there yet. Returns the length of
    /// the piece.
    fn send_piece(&mut self, piece: Piece, hasher: &mut ContentHasher) -> u64 {
        match piece {
            Piece::Data(length) if !is_zero(&self.bytes[..length]) => {
                hasher.update(&self.bytes[..length]);
                self.peer.send(&ToReceiver::Data(&self.bytes[..length]));
                length as u64
            }
            Piece::Data(length) => self.send_hole(hasher, length as u64),
            Piece::Hole(length) => self.send_hole(hasher, length),
            Piece::Nothing | Piece::End => {
                self.peer.flush();
                0
            }
        }
    }

    fn send_hole(&mut self, hasher: &mut ContentHasher, length: u64) -> u64 {
        hasher.update_zeros(length);
        self.peer.send(&ToReceiver::Hole { length });
        length
    }
}
