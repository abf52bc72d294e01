//! The sender: announces its entries, and sends those that the receiver asks for.
//!
//! A separate thread listens to the receiver, so that the receiver can always write: otherwise each
//! end could wait for the other to read. The messages that it may have to keep are bounded, because
//! few announcements are unanswered at any time.

use std::{
    collections::VecDeque,
    io::{self, Cursor, Read, Write},
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};

use crate::{
    Event, Failure, FailureKind, Links, Listener, Options, Reader, Step, Summary, TransferEnd,
    content::{Content, Extents, Piece, State},
    failure::{Failures, MAX_LEFT_OUT, outcome, short},
    fingerprint::{ContentHasher, Fingerprint, is_zero},
    link::{FrameReader, FrameWriter},
    message::{
        BATCH_BYTES, BATCH_ENTRIES, Entry, Item, Kind, MAX_AHEAD, MAX_HOLE_BYTES, PART_BYTES, Part,
        Time, ToReceiver, ToSender, Want,
    },
    options::Source,
    path::join,
    place::{Metadata, Tree, open_named},
    walk::{Walk, Walked},
};

/// The listening thread needs little more than the decoding of a frame takes.
const LISTENER_STACK_BYTES: usize = 256 << 10;

const TOO_MANY_ANSWERS: TransferEnd = TransferEnd::Malformed("it answered more than it was asked");

/// A receiver that takes no more has sent its reason within this time, or never will.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(5);

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
    let (said, heard) = mpsc::sync_channel(MAX_AHEAD + 2);
    let to_tell = listener.clone();
    thread::Builder::new()
        .name("wxec-files".into())
        .stack_size(LISTENER_STACK_BYTES)
        .spawn(move || listen(reader, &said, &to_tell))
        .map_err(|error| TransferEnd::Here(Failure::io(Step::Reading, "a thread", error)))?;
    let sender = Sender::new(source, options, writer, heard, listener)?;
    let ended = sender.run();
    if let Err(TransferEnd::Here(failure)) = &ended {
        writer.send(&ToReceiver::Failed(failure.clone()));
        writer.flush();
    }
    ended
}

/// Messages of the receiver that the sender must act on.
enum Heard {
    Wants(Vec<Want>),
    Finished(Summary, Failures),
    Ended(TransferEnd),
}

fn listen<R: Read>(mut reader: FrameReader<R>, said: &SyncSender<Heard>, listener: &Listener) {
    let mut left_out = Failures::default();
    loop {
        let heard = match reader.receive() {
            Ok(ToSender::Change { kind, path }) => {
                listener(Event::Change {
                    kind,
                    path: &String::from_utf8_lossy(&path),
                });
                continue;
            }
            Ok(ToSender::Warning { text }) => {
                listener(Event::Warning(&text));
                continue;
            }
            Ok(ToSender::Wants { wants }) if wants.len() > BATCH_ENTRIES => {
                Heard::Ended(TransferEnd::Malformed("it wants more than there is"))
            }
            Ok(ToSender::Wants { wants }) => Heard::Wants(wants),
            Ok(ToSender::LeftOut(_)) if left_out.named.len() >= MAX_LEFT_OUT => {
                Heard::Ended(TransferEnd::Malformed("it named too much that it left out"))
            }
            Ok(ToSender::LeftOut(failure)) => {
                left_out.add(failure);
                continue;
            }
            Ok(ToSender::Finished { summary, more }) => {
                left_out.more = more;
                Heard::Finished(summary, std::mem::take(&mut left_out))
            }
            Ok(ToSender::Failed(failure)) => Heard::Ended(TransferEnd::There(failure)),
            Err(end) => Heard::Ended(end),
        };
        let is_last = !matches!(heard, Heard::Wants(_));
        // Stops if there are more answers than questions. The sender may have ended already; ignore
        // that.
        if said.try_send(heard).is_err() || is_last {
            return;
        }
    }
}

struct Sender<'a, W: Write> {
    options: &'a Options,
    writer: &'a mut FrameWriter<W>,
    heard: Receiver<Heard>,
    /// Messages that came while something else had to be done first.
    kept: VecDeque<Heard>,
    listener: &'a Listener,
    contents: Contents<'a>,
    walk: Option<Walk>,
    /// The next entry's number.
    number: u64,
    /// The directory of the next entry.
    directory: Vec<u8>,
    /// The files of announcements that are not answered yet.
    unanswered: VecDeque<Vec<Announced>>,
    bytes: Vec<u8>,
    /// The number of bytes of the current file that the listener was told of.
    told: u64,
    /// Entries of a tree that could not be sent.
    left_out: Failures,
}

/// A file that was announced.
struct Announced {
    number: u64,
    directory: Vec<u8>,
    name: Vec<u8>,
    size: u64,
}

/// The place of the content of files.
enum Contents<'a> {
    Memory(&'a [u8]),
    Reader(&'a Reader),
    File(&'a [u8]),
    Tree {
        tree: Tree,
        path: &'a [u8],
        follow: bool,
    },
}

impl<'a, W: Write> Sender<'a, W> {
    fn new(
        source: &'a Source,
        options: &'a Options,
        writer: &'a mut FrameWriter<W>,
        heard: Receiver<Heard>,
        listener: &'a Listener,
    ) -> Result<Self, TransferEnd> {
        let mut sender = Self {
            options,
            writer,
            heard,
            kept: VecDeque::new(),
            listener,
            contents: Contents::Memory(&[]),
            walk: None,
            number: 0,
            directory: Vec::new(),
            unanswered: VecDeque::new(),
            bytes: vec![0; PART_BYTES],
            told: 0,
            left_out: Failures::default(),
        };
        if let Err(failure) = sender.find(source) {
            sender.writer.send(&ToReceiver::Failed(failure.clone()));
            sender.writer.flush();
            return Err(failure.into());
        }
        Ok(sender)
    }

    fn find(&mut self, source: &'a Source) -> Result<(), Failure> {
        match source {
            Source::Memory { bytes, mode } => {
                self.contents = Contents::Memory(bytes);
                let fingerprint = self.options.checksum.then(|| {
                    let mut hasher = ContentHasher::default();
                    hasher.update(bytes);
                    hasher.fingerprint()
                });
                self.announce_made(bytes.len() as u64, fingerprint, *mode);
            }
            Source::Reader { reader, mode } => {
                self.contents = Contents::Reader(reader);
                self.announce_made(0, None, *mode);
            }
            Source::Path(path) => {
                let walk = Walk::new(path, self.options.links)?;
                self.contents = match walk.is_tree() {
                    false => Contents::File(path),
                    true => {
                        let root = open_named(path)
                            .map_err(|error| Failure::following(Step::Reading, &**path, error))?;
                        let follow = self.options.links == Links::Follow;
                        Contents::Tree {
                            tree: Tree::new(root, follow),
                            path,
                            follow,
                        }
                    }
                };
                self.walk = Some(walk);
            }
        }
        Ok(())
    }

    fn run(mut self) -> Result<Summary, TransferEnd> {
        loop {
            self.announce_ahead()?;
            self.writer.flush();
            let heard = match self.kept.pop_front() {
                Some(heard) => heard,
                None => self.hear()?,
            };
            match heard {
                Heard::Wants(wants) => {
                    let files = self
                        .unanswered
                        .pop_front()
                        .ok_or(TransferEnd::Malformed("nothing was asked"))?;
                    // Announces more first, so that the next answers travel while these files do.
                    self.announce_ahead()?;
                    self.send_wanted(&files, &wants)?;
                }
                Heard::Finished(..) if self.walk.is_some() || !self.unanswered.is_empty() => {
                    return Err(TransferEnd::Malformed("it ended too early"));
                }
                Heard::Finished(summary, there) => return outcome(summary, self.left_out, there),
                Heard::Ended(end) => return Err(end),
            }
        }
    }

    /// Announces content that is not a file here: memory or a reader.
    fn announce_made(&mut self, size: u64, fingerprint: Option<Fingerprint>, mode: u32) {
        let root = Entry {
            name: Vec::new(),
            kind: Kind::File { size, fingerprint },
            mode,
            modified: now(),
        };
        let file = Announced {
            number: 0,
            directory: Vec::new(),
            name: Vec::new(),
            size,
        };
        self.announce(vec![Item::Root(root)], vec![file], true);
    }

    fn announce(&mut self, items: Vec<Item>, files: Vec<Announced>, last: bool) {
        self.writer.send(&ToReceiver::Announce { items, last });
        self.unanswered.push_back(files);
    }

    fn hear(&mut self) -> Result<Heard, TransferEnd> {
        self.heard.recv().map_err(|_| TOO_MANY_ANSWERS)
    }

    /// Fails if the receiver has given up. Its other messages wait for their turn.
    fn check(&mut self) -> Result<(), TransferEnd> {
        // The receiver takes no more; its last message tells why.
        if self.writer.is_broken() {
            let until = Instant::now() + LAST_WORD_WITHIN;
            loop {
                match self
                    .heard
                    .recv_timeout(until.saturating_duration_since(Instant::now()))
                {
                    Ok(Heard::Ended(end)) => return Err(end),
                    Ok(_) => {}
                    Err(_) => return Err(TransferEnd::Cut),
                }
            }
        }
        while let Ok(heard) = self.heard.try_recv() {
            match heard {
                Heard::Ended(end) => return Err(end),
                Heard::Wants(_) if self.kept.len() >= self.unanswered.len() => {
                    return Err(TOO_MANY_ANSWERS);
                }
                heard => self.kept.push_back(heard),
            }
        }
        Ok(())
    }

    fn announce_ahead(&mut self) -> Result<(), TransferEnd> {
        while self.unanswered.len() < MAX_AHEAD && self.walk.is_some() {
            let (items, files, last) = self.next_items();
            self.announce(items, files, last);
        }
        Ok(())
    }

    /// Returns the next announcement, the files in it, and true if it is the last.
    fn next_items(&mut self) -> (Vec<Item>, Vec<Announced>, bool) {
        let (mut items, mut files, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(walk) = &mut self.walk {
            let walked = walk.next();
            let warnings = walk.warnings();
            warnings.into_iter().for_each(|text| self.warn(text));
            let mut item = match walked {
                Some(Walked::Item(item)) => item,
                Some(Walked::LeftOut(failure)) => {
                    self.leave_out(None, failure);
                    continue;
                }
                None => {
                    self.walk = None;
                    break;
                }
            };
            match &mut item {
                Item::DirectoryStart { path, .. } => self.directory.clone_from(path),
                Item::DirectoryEnd { .. } => {}
                Item::Root(entry) | Item::Entry(entry) => {
                    if let Kind::File { size, fingerprint } = &mut entry.kind {
                        let (directory, name) = (self.directory.clone(), entry.name.clone());
                        let file = Announced {
                            number: self.number,
                            directory,
                            name,
                            size: *size,
                        };
                        match self.options.checksum.then(|| self.hash(&file)) {
                            None => {}
                            Some(Ok(hash)) => *fingerprint = Some(hash),
                            // A single file fails later, when it is sent.
                            Some(Err(failure)) if self.contents.is_tree() => {
                                self.walk.iter_mut().for_each(Walk::mark_incomplete);
                                self.leave_out(None, failure);
                                continue;
                            }
                            Some(Err(_)) => {}
                        }
                        files.push(file);
                    }
                    self.number += 1;
                }
            }
            bytes += item.bytes();
            items.push(item);
            if items.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
                return (items, files, false);
            }
        }
        (items, files, true)
    }

    /// Leaves out something of a tree that cannot be sent.
    fn leave_out(&mut self, number: Option<u64>, failure: Failure) {
        self.writer.send(&ToReceiver::LeftOut {
            number,
            failure: failure.clone(),
        });
        self.left_out.add(failure);
    }

    fn hash(&mut self, file: &Announced) -> Result<Fingerprint, Failure> {
        let path = self.contents.full_path(&file.directory, &file.name);
        let failed = |error: io::Error| Failure::io(Step::Reading, &*path, error);
        let (mut content, _) = self
            .contents
            .open(&file.directory, &file.name)
            .map_err(failed)?;
        let mut hasher = ContentHasher::default();
        loop {
            match content.next(&mut self.bytes, u64::MAX).map_err(failed)? {
                Piece::Data(length) => hasher.update(&self.bytes[..length]),
                Piece::Hole(length) => hasher.update_zeros(length),
                Piece::Nothing => {}
                Piece::End => return Ok(hasher.fingerprint()),
            }
        }
    }

    fn send_wanted(&mut self, files: &[Announced], wants: &[Want]) -> Result<(), TransferEnd> {
        let mut files = files.iter();
        for want in wants {
            let file = files.find(|file| file.number == want.number);
            let file = file.ok_or(TransferEnd::Malformed("it wants what there is not"))?;
            match self.send_file(file, want.part) {
                Err(TransferEnd::Here(failure)) if self.contents.is_tree() => {
                    (self.listener)(Event::Void(std::mem::take(&mut self.told)));
                    self.leave_out(Some(file.number), failure);
                }
                ended => ended?,
            }
        }
        Ok(())
    }

    fn send_file(&mut self, file: &Announced, mut part: Option<Part>) -> Result<(), TransferEnd> {
        let path = self.contents.full_path(&file.directory, &file.name);
        self.told = 0;
        (self.listener)(Event::File {
            path: &String::from_utf8_lossy(&path),
            size: file.size,
        });
        // Tries twice: a file that changed during the first attempt may not change during the
        // second.
        for is_last in [false, true] {
            let opened = self.contents.open(&file.directory, &file.name);
            let (mut content, before) =
                opened.map_err(|error| Failure::io(Step::Reading, &*path, error))?;
            let (fingerprint, length) =
                self.send_content(file.number, &mut content, before, part.take(), &path)?;
            let after = content
                .state()
                .map_err(|error| Failure::io(Step::Reading, &*path, error))?;
            // Does not compare the length with the size: files of the kernel report any size, and
            // the bytes that were read are their content.
            if before == after {
                self.writer.send(&ToReceiver::End { fingerprint });
                return Ok(());
            }
            // A log that is appended to all the time never stops changing, but its earlier content
            // stays: that content was sent.
            if is_last
                && length == before.size
                && after.size > length
                && self.begins_with(&mut content, length, fingerprint)?
            {
                self.warn(format!(
                    "{} grew meanwhile: what it had is there",
                    short(&path)
                ));
                self.writer.send(&ToReceiver::End { fingerprint });
                return Ok(());
            }
            (self.listener)(Event::Void(std::mem::take(&mut self.told)));
        }
        Err(Failure::new(Step::Reading, &*path, FailureKind::Changed).into())
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
            self.check()?;
            match content.next(&mut self.bytes, length - hasher.length()) {
                Ok(Piece::Data(read)) => hasher.update(&self.bytes[..read]),
                Ok(Piece::Hole(zeros)) => hasher.update_zeros(zeros),
                Ok(Piece::Nothing) => {}
                Ok(Piece::End) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(hasher))
    }

    /// Reports a warning. Must come before the last message that the receiver waits for.
    fn warn(&mut self, text: String) {
        (self.listener)(Event::Warning(&text));
        self.writer.send(&ToReceiver::Warning { text });
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
        let mut hasher = ContentHasher::default();
        if let Some(part) = part {
            hasher = self.hash_beginning(content, part.length)?.map_err(failed)?;
            if hasher.length() != part.length || hasher.fingerprint() != part.fingerprint {
                content.rewind().map_err(failed)?;
                hasher = ContentHasher::default();
            }
        }
        self.writer.send(&ToReceiver::File {
            number,
            offset: hasher.length(),
        });
        (self.listener)(Event::Resumed(hasher.length()));
        self.told = hasher.length();
        loop {
            let left = before.size.saturating_sub(hasher.length());
            let most = if left == 0 {
                MAX_HOLE_BYTES
            } else {
                left.min(MAX_HOLE_BYTES)
            };
            let piece = content.next(&mut self.bytes, most).map_err(failed)?;
            // Behind the size in `before`: a file that has changed is partial, and ends here,
            // because it might grow as fast as it is read. A file that has not changed reports too
            // small a size, as files of the kernel do, and is read to its end.
            if piece == Piece::End || (left == 0 && content.state().map_err(failed)? != before) {
                return Ok((hasher.fingerprint(), hasher.length()));
            }
            let sent = match piece {
                Piece::Data(length) if !is_zero(&self.bytes[..length]) => {
                    hasher.update(&self.bytes[..length]);
                    self.writer.send(&ToReceiver::Data(&self.bytes[..length]));
                    length as u64
                }
                Piece::Data(length) => self.send_hole(&mut hasher, length as u64),
                Piece::Hole(length) => self.send_hole(&mut hasher, length),
                Piece::Nothing | Piece::End => {
                    self.writer.flush();
                    0
                }
            };
            (self.listener)(Event::Bytes(sent));
            self.told += sent;
            self.check()?;
        }
    }

    fn send_hole(&mut self, hasher: &mut ContentHasher, length: u64) -> u64 {
        hasher.update_zeros(length);
        self.writer.send(&ToReceiver::Hole { length });
        length
    }
}

impl<'a> Contents<'a> {
    fn is_tree(&self) -> bool {
        matches!(self, Self::Tree { .. })
    }

    fn open(&mut self, directory: &[u8], name: &[u8]) -> io::Result<(Content<'a>, State)> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match self {
            Self::Memory(bytes) => {
                let content = Content::Memory(Cursor::new(bytes));
                let state = content.state()?;
                return Ok((content, state));
            }
            Self::Reader(reader) => {
                let content = Content::Reader(reader.start()?);
                let state = content.state()?;
                return Ok((content, state));
            }
            Self::File(path) => openat(CWD, *path, flags, Mode::empty())?,
            Self::Tree { tree, follow, .. } => {
                let flags = if *follow {
                    flags
                } else {
                    flags | OFlags::NOFOLLOW
                };
                openat(tree.open(directory)?, name, flags, Mode::empty())?
            }
        };
        let kind = Metadata(fstat(&file)?).kind();
        match kind {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::NODEV.into()),
        }
        let content = Content::File(Extents::new(file.into())?);
        let state = content.state()?;
        Ok((content, state))
    }

    /// Returns a path for messages.
    fn full_path(&self, directory: &[u8], name: &[u8]) -> Vec<u8> {
        match self {
            Self::Memory(_) => b"the given bytes".to_vec(),
            Self::Reader(_) => b"the input".to_vec(),
            Self::File(path) => path.to_vec(),
            Self::Tree { path, .. } => join(path, &join(directory, name)),
        }
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or(0),
        nanoseconds: since.subsec_nanos(),
    }
}
