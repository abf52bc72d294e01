//! The sender: announces what there is, and sends what the receiver asks for.
//!
//! A thread of its own listens to the receiver, so that the receiver can always speak: otherwise each could wait for the other
//! to read. What it may have to keep is bounded, because few announcements are unanswered at any time.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Cursor, Read, Write},
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat},
    io::Errno,
};
use wxec_protocol::{Digest, Hasher};

use crate::{
    Doing, Event, Failure, FailureKind, Links, Listener, Options, Summary, TransferEnd,
    failure::{Failures, MAX_LEFT_OUT, outcome, short},
    link::{FrameReader, FrameWriter},
    message::{
        BATCH_BYTES, BATCH_ENTRIES, Entry, Item, Kind, MAX_AHEAD, PART_BYTES, Part, Time, ToReceiver, ToSender, Want,
    },
    options::{Shown, Source},
    path::join,
    place::{Found, Tree, open_named},
    walk::{Walk, Walked},
};

/// A listener needs little more than what decoding a frame takes.
const LISTENER_STACK_BYTES: usize = 256 << 10;

const TOO_MANY_ANSWERS: TransferEnd = TransferEnd::Malformed("it answered more than it was asked");

/// Who takes nothing any more has said why by then, or never will.
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
        .map_err(|error| TransferEnd::Here(Failure::io(Doing::Reading, "a thread", error)))?;
    let sender = Sender::new(source, options, writer, heard, listener)?;
    let ended = sender.run();
    if let Err(TransferEnd::Here(failure)) = &ended {
        writer.say(&ToReceiver::Failed(failure.clone()));
        writer.flush();
    }
    ended
}

/// What the receiver says that the sender has to do something about.
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
                listener(Event::Change { kind, path: &Shown(&path).to_string() });
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
        // More answers than questions are not listened to. If nobody is there any more, nobody minds.
        if said.try_send(heard).is_err() || is_last {
            return;
        }
    }
}

struct Sender<'a, W: Write> {
    options: &'a Options,
    writer: &'a mut FrameWriter<W>,
    heard: Receiver<Heard>,
    /// What was heard while something else was to be done first.
    kept: VecDeque<Heard>,
    listener: &'a Listener,
    contents: Contents<'a>,
    walk: Option<Walk>,
    /// The next entry's number.
    number: u64,
    /// In which directory the next entry is.
    directory: Vec<u8>,
    /// The files of announcements that are not answered yet.
    unanswered: VecDeque<Vec<Announced>>,
    bytes: Vec<u8>,
    /// So much of the file on its way was told.
    told: u64,
    /// What could not be sent of a tree.
    left_out: Failures,
}

/// A file that was announced.
struct Announced {
    number: u64,
    directory: Vec<u8>,
    name: Vec<u8>,
    size: u64,
}

/// Where the content of files is.
enum Contents<'a> {
    Memory(&'a [u8]),
    File(&'a [u8]),
    Tree { tree: Tree, path: &'a [u8], follow: bool },
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
            sender.writer.say(&ToReceiver::Failed(failure.clone()));
            sender.writer.flush();
            return Err(failure.into());
        }
        Ok(sender)
    }

    fn find(&mut self, source: &'a Source) -> Result<(), Failure> {
        match source {
            Source::Memory { bytes, mode } => {
                self.contents = Contents::Memory(bytes);
                let digest = self.options.checksum.then(|| Digest::of(bytes));
                let kind = Kind::File { size: bytes.len() as u64, digest };
                let root = Entry { name: Vec::new(), kind, mode: *mode, modified: now() };
                let size = bytes.len() as u64;
                let file = Announced { number: 0, directory: Vec::new(), name: Vec::new(), size };
                self.announce(vec![Item::Root(root)], vec![file], true);
            }
            Source::Path(path) => {
                let walk = Walk::new(path, self.options.links)?;
                self.contents = match walk.is_tree() {
                    false => Contents::File(path),
                    true => {
                        let root =
                            open_named(path).map_err(|error| Failure::following(Doing::Reading, &**path, error))?;
                        let follow = self.options.links == Links::Follow;
                        Contents::Tree { tree: Tree::new(root, follow), path, follow }
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
                    let files = self.unanswered.pop_front().ok_or(TransferEnd::Malformed("nothing was asked"))?;
                    // So that the next answers travel while these files do.
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

    fn announce(&mut self, items: Vec<Item>, files: Vec<Announced>, last: bool) {
        self.writer.say(&ToReceiver::Announce { items, last });
        self.unanswered.push_back(files);
    }

    fn hear(&mut self) -> Result<Heard, TransferEnd> {
        self.heard.recv().map_err(|_| TOO_MANY_ANSWERS)
    }

    /// Whether the receiver has given up. What else it says waits for its turn.
    fn check(&mut self) -> Result<(), TransferEnd> {
        // Nobody takes anything any more: the last word says why.
        if self.writer.is_broken() {
            let until = Instant::now() + LAST_WORD_WITHIN;
            loop {
                match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(Heard::Ended(end)) => return Err(end),
                    Ok(_) => {}
                    Err(_) => return Err(TransferEnd::Cut),
                }
            }
        }
        while let Ok(heard) = self.heard.try_recv() {
            match heard {
                Heard::Ended(end) => return Err(end),
                Heard::Wants(_) if self.kept.len() >= self.unanswered.len() => return Err(TOO_MANY_ANSWERS),
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

    /// The next announcement, the files in it, and whether nothing follows it.
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
                Item::Enter { path, .. } => self.directory.clone_from(path),
                Item::Leave { .. } => {}
                Item::Root(entry) | Item::Entry(entry) => {
                    if let Kind::File { size, digest } = &mut entry.kind {
                        let (directory, name) = (self.directory.clone(), entry.name.clone());
                        let file = Announced { number: self.number, directory, name, size: *size };
                        match self.options.checksum.then(|| self.hash(&file)) {
                            None => {}
                            Some(Ok(hash)) => *digest = Some(hash),
                            // A single file fails where it is to be sent.
                            Some(Err(failure)) if self.contents.is_tree() => {
                                self.walk.iter_mut().for_each(Walk::lack);
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

    /// Something of a tree cannot be sent.
    fn leave_out(&mut self, number: Option<u64>, failure: Failure) {
        self.writer.say(&ToReceiver::LeftOut { number, failure: failure.clone() });
        self.left_out.add(failure);
    }

    fn hash(&mut self, file: &Announced) -> Result<Digest, Failure> {
        let path = self.contents.shown(&file.directory, &file.name);
        let failed = |error: io::Error| Failure::io(Doing::Reading, &*path, error);
        let (mut content, _) = self.contents.open(&file.directory, &file.name).map_err(failed)?;
        let mut hasher = Hasher::default();
        loop {
            match content.read(&mut self.bytes).map_err(failed)? {
                0 => return Ok(hasher.finish()),
                length => hasher.update(&self.bytes[..length]),
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
        let path = self.contents.shown(&file.directory, &file.name);
        self.told = 0;
        (self.listener)(Event::File { path: &Shown(&path).to_string(), size: file.size });
        // What changes at just that moment may hold still the next time.
        for is_last in [false, true] {
            let opened = self.contents.open(&file.directory, &file.name);
            let (mut content, before) = opened.map_err(|error| Failure::io(Doing::Reading, &*path, error))?;
            let (digest, length) = self.send_content(file.number, &mut content, before, part.take(), &path)?;
            let after = content.state().map_err(|error| Failure::io(Doing::Reading, &*path, error))?;
            // Those of the kernel say what they like of their size: what was read is what there is.
            if before == after {
                self.writer.say(&ToReceiver::End { digest });
                return Ok(());
            }
            // A log that is written all the time never holds still, and what it had stays as it was.
            if is_last
                && length == before.size
                && after.size > length
                && self.begins_with(&mut content, length, digest)?
            {
                self.warn(format!("{} grew meanwhile: what it had is there", short(&path)));
                self.writer.say(&ToReceiver::End { digest });
                return Ok(());
            }
            (self.listener)(Event::Void(std::mem::take(&mut self.told)));
        }
        Err(Failure::new(Doing::Reading, &*path, FailureKind::Changed).into())
    }

    /// Whether the first `length` bytes have this digest, even now.
    fn begins_with(&mut self, content: &mut Content<'_>, length: u64, digest: Digest) -> Result<bool, TransferEnd> {
        let (mut hasher, mut left) = (Hasher::default(), length);
        if content.rewind().is_err() {
            return Ok(false);
        }
        while left > 0 {
            self.check()?;
            let most = self.bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match content.read(&mut self.bytes[..most]) {
                Ok(0) | Err(_) => return Ok(false),
                Ok(read) => {
                    hasher.update(&self.bytes[..read]);
                    left -= read as u64;
                }
            }
        }
        Ok(hasher.finish() == digest)
    }

    /// To be said before the last thing that the receiver waits for.
    fn warn(&mut self, text: String) {
        (self.listener)(Event::Warning(&text));
        self.writer.say(&ToReceiver::Warning { text });
    }

    /// Sends all of it as far as it was found to be `before`, or what is behind the part that the receiver has, if that is how
    /// it begins. Returns the digest and the length of the whole.
    fn send_content(
        &mut self,
        number: u64,
        content: &mut Content<'_>,
        before: State,
        part: Option<Part>,
        path: &[u8],
    ) -> Result<(Digest, u64), TransferEnd> {
        let failed = |error: io::Error| Failure::io(Doing::Reading, path, error);
        let (mut hasher, mut length) = (Hasher::default(), 0);
        if let Some(part) = part {
            while length < part.length {
                self.check()?;
                let most = self.bytes.len().min(usize::try_from(part.length - length).unwrap_or(usize::MAX));
                match content.read(&mut self.bytes[..most]).map_err(failed)? {
                    0 => break,
                    read => {
                        hasher.update(&self.bytes[..read]);
                        length += read as u64;
                    }
                }
            }
            if length != part.length || hasher.clone().finish() != part.digest {
                content.rewind().map_err(failed)?;
                (hasher, length) = (Hasher::default(), 0);
            }
        }
        self.writer.say(&ToReceiver::File { number, offset: length });
        (self.listener)(Event::Resumed(length));
        self.told = length;
        loop {
            let left = before.size.saturating_sub(length);
            let most = if left == 0 { u64::MAX } else { left };
            let most = self.bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
            let read = content.read(&mut self.bytes[..most]).map_err(failed)?;
            // What grows as fast as it is read has an end all the same; what says little of its size, as files of the kernel do,
            // has more and says the same.
            if read == 0 || (left == 0 && content.state().map_err(failed)? != before) {
                return Ok((hasher.finish(), length));
            }
            hasher.update(&self.bytes[..read]);
            self.writer.say(&ToReceiver::Data(&self.bytes[..read]));
            length += read as u64;
            (self.listener)(Event::Bytes(read as u64));
            self.told += read as u64;
            self.check()?;
        }
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
            Self::File(path) => openat(CWD, *path, flags, Mode::empty())?,
            Self::Tree { tree, follow, .. } => {
                let flags = if *follow { flags } else { flags | OFlags::NOFOLLOW };
                openat(tree.open(directory)?, name, flags, Mode::empty())?
            }
        };
        let kind = Found(fstat(&file)?).kind();
        match kind {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::ISDIR.into()),
            _ => return Err(Errno::NODEV.into()),
        }
        let content = Content::File(file.into());
        let state = content.state()?;
        Ok((content, state))
    }

    /// A path for people.
    fn shown(&self, directory: &[u8], name: &[u8]) -> Vec<u8> {
        match self {
            Self::Memory(_) => b"the given bytes".to_vec(),
            Self::File(path) => path.to_vec(),
            Self::Tree { path, .. } => join(path, &join(directory, name)),
        }
    }
}

/// What tells whether a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    modified: Time,
}

enum Content<'a> {
    File(File),
    Memory(Cursor<&'a [u8]>),
}

impl Content<'_> {
    fn state(&self) -> io::Result<State> {
        Ok(match self {
            Self::File(file) => {
                let found = Found(fstat(file)?);
                State { size: found.size(), modified: found.modified() }
            }
            Self::Memory(bytes) => {
                State { size: bytes.get_ref().len() as u64, modified: Time { seconds: 0, nanoseconds: 0 } }
            }
        })
    }

    fn rewind(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => io::Seek::rewind(file),
            Self::Memory(bytes) => io::Seek::rewind(bytes),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(bytes),
            Self::Memory(content) => content.read(bytes),
        }
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or(0), nanoseconds: since.subsec_nanos() }
}
