//! The receiver: asks for those announced entries that it wants, and puts what arrives into its
//! place.
//!
//! Everything that the sender sends is checked: names lead only into the target, announcements are
//! no longer than allowed, content matches its fingerprint. A file that is put into its place is
//! whole, and would survive a loss of power there.

mod announced;
mod destination;
mod group;
mod target;

use std::{
    collections::VecDeque,
    io::{Read, Write},
};

pub(crate) use self::destination::check_target;
pub use self::target::{Target, Writer};
use self::{
    announced::Announcing,
    destination::Destination,
    group::{DirectoryEnd, Group, Outcome},
};
use crate::{
    Event, Failure, FailureKind, Listener, Options, Step, Summary, TransferEnd,
    disk::{Attributes, PartialFile, Unfinished},
    failure::{Failures, MAX_LEFT_OUT, outcome},
    fingerprint::{ContentHasher, Fingerprint},
    wire::{BATCH_ENTRIES, MAX_AHEAD, MAX_HOLE_BYTES, ToReceiver, ToSender},
    wire::{FrameReader, FrameWriter},
};

/// Announced steps that may be outstanding: an honest sender is never further ahead.
const MAX_PLANNED: usize = (MAX_AHEAD + 2) * BATCH_ENTRIES;

/// Stands in messages for a target that has no path.
const OUTPUT: &str = "the output";

const LEFT_OUT_ALL: TransferEnd = TransferEnd::Malformed("it left out what was asked for");

/// Receives into `target`, until everything is in its place. Also returns the content, if the
/// target is memory.
pub(crate) fn receive<R: Read, W: Write>(
    target: &Target,
    options: &Options,
    resuming: bool,
    reader: &mut FrameReader<R>,
    writer: &mut FrameWriter<W>,
    unfinished: &Unfinished,
    listener: &Listener,
) -> Result<(Summary, Vec<u8>), TransferEnd> {
    let mut receiver = Receiver {
        target,
        options,
        resuming,
        accounts: (None, None),
        writer,
        unfinished,
        listener,
        destination: None,
        announcing: Announcing::default(),
        all_announced: false,
        number: 0,
        plan: VecDeque::new(),
        arriving: None,
        group: Group::default(),
        content: Vec::new(),
        summary: Summary::default(),
        left_out: Failures::default(),
        left_out_there: Failures::default(),
        closed_to_us: Vec::new(),
    };
    let ended = receiver.run(reader);
    match &ended {
        Ok(()) => {
            let Failures { named, more } = &receiver.left_out;
            named
                .iter()
                .for_each(|failure| receiver.writer.send(&ToSender::LeftOut(failure.clone())));
            receiver.writer.send(&ToSender::Finished {
                summary: receiver.summary,
                more: *more,
            });
            receiver.writer.flush();
        }
        Err(TransferEnd::Here(failure)) => {
            receiver.writer.send(&ToSender::Failed(failure.clone()));
            receiver.writer.flush();
        }
        Err(TransferEnd::Cut) => receiver.leave_parts(),
        Err(_) => {}
    }
    ended?;
    let Receiver {
        summary,
        content,
        left_out,
        left_out_there,
        ..
    } = receiver;
    outcome(summary, left_out, left_out_there).map(|summary| (summary, content))
}

struct Receiver<'a, W: Write> {
    target: &'a Target,
    options: &'a Options,
    resuming: bool,
    /// The numbers of the owner and the group that were asked for.
    accounts: (Option<u32>, Option<u32>),
    writer: &'a mut FrameWriter<W>,
    unfinished: &'a Unfinished,
    listener: &'a Listener,
    /// `None` until the first entry is announced.
    destination: Option<Destination>,
    announcing: Announcing,
    all_announced: bool,
    /// The next entry's number.
    number: u64,
    /// Outstanding steps, in order.
    plan: VecDeque<Planned>,
    arriving: Option<Arriving>,
    group: Group,
    content: Vec<u8>,
    summary: Summary,
    /// Entries of a tree that could not be put into their places (`left_out`), or could not be sent
    /// (`left_out_there`).
    left_out: Failures,
    left_out_there: Failures,
    /// The first directories that cannot be written into. Failures inside them are not named as
    /// well.
    closed_to_us: Vec<Vec<u8>>,
}

/// A step to take when all steps before it are done.
enum Planned {
    File(Box<Wanted>),
    DirectoryEnd(DirectoryEnd),
}

/// A file that is wanted and has not begun to arrive.
struct Wanted {
    number: u64,
    directory: Vec<u8>,
    name: Vec<u8>,
    size: u64,
    attributes: Attributes,
    part: Option<PartialFile>,
}

/// A file that is arriving.
struct Arriving {
    wanted: Wanted,
    into: Into,
    /// Bytes of it that were there already.
    resumed: u64,
    /// Bytes of it that the listener was told of, to take back if the file is void.
    told: u64,
}

enum Into {
    File(PartialFile),
    Memory(Box<ContentHasher>),
    Writer(Writer),
    /// The file cannot be written, but its content still arrives.
    Nowhere,
}

/// A piece of a file's content.
enum Chunk<'a> {
    Data(&'a [u8]),
    Zeros(u64),
}

impl Chunk<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zeros(count) => *count,
        }
    }
}

impl<W: Write> Receiver<'_, W> {
    fn run<R: Read>(&mut self, reader: &mut FrameReader<R>) -> Result<(), TransferEnd> {
        self.find_accounts()?;
        while !self.all_announced || !self.plan.is_empty() || self.arriving.is_some() {
            match reader.receive()? {
                ToReceiver::Announce { items, last } => self.announced(items, last)?,
                ToReceiver::File { number, offset } => self.begin(number, offset)?,
                ToReceiver::Data(bytes) => self.content(Chunk::Data(bytes))?,
                ToReceiver::Hole { length } => self.content(Chunk::Zeros(length))?,
                ToReceiver::End { fingerprint } => self.end(fingerprint)?,
                ToReceiver::LeftOut { number, failure } => self.left_out_there(number, failure)?,
                ToReceiver::Warning { text } => (self.listener)(Event::Warning(&text)),
                ToReceiver::Failed(failure) => return Err(TransferEnd::There(failure)),
            }
            self.go_on()?;
        }
        self.finish_group()?;
        if !self.options.dry_run
            && let Some(destination) = &mut self.destination
        {
            for failure in destination.finish(&mut self.group)? {
                self.left_out.add(failure);
            }
        }
        Ok(())
    }

    fn find_accounts(&mut self) -> Result<(), Failure> {
        let Target::Path(path) = self.target else {
            return Ok(());
        };
        let failed = |kind| Failure::new(Step::SettingOwner, &**path, kind);
        let Options { owner, group, .. } = self.options;
        let user = owner
            .as_deref()
            .map(crate::disk::user)
            .transpose()
            .map_err(failed)?;
        let group = group
            .as_deref()
            .map(crate::disk::group)
            .transpose()
            .map_err(failed)?;
        self.accounts = (user, group);
        Ok(())
    }

    /// Records that something of a tree does not come. If it is a wanted file, its content so far
    /// is void.
    fn left_out_there(&mut self, number: Option<u64>, failure: Failure) -> Result<(), TransferEnd> {
        // The sender finds such failures while it makes the first announcement, and sends them
        // before it.
        let is_early = self.destination.is_none() && number.is_none();
        if self.is_single() && !is_early {
            return Err(LEFT_OUT_ALL);
        }
        if let Some(number) = number {
            match self
                .arriving
                .take_if(|arriving| arriving.wanted.number == number)
            {
                Some(arriving) => self.void(&arriving),
                None => drop(self.next_wanted(number)?),
            }
        }
        self.left_out_there.add(failure);
        Ok(())
    }

    /// Leaves out something of a tree. Fails for a single file, and for a failure that would affect
    /// all files.
    fn leave_out(&mut self, failure: Failure) -> Result<(), TransferEnd> {
        if self.is_single() || !failure.concerns_one_path() {
            return Err(failure.into());
        }
        self.left_out.add(failure);
        Ok(())
    }

    /// Takes back the bytes of a file that does not count.
    fn void(&mut self, arriving: &Arriving) {
        self.summary.resumed_bytes -= arriving.resumed;
        (self.listener)(Event::Void(arriving.told));
    }

    fn is_single(&self) -> bool {
        self.destination.as_ref().is_none_or(Destination::is_single)
    }

    fn next_wanted(&mut self, number: u64) -> Result<Wanted, TransferEnd> {
        match self.plan.pop_front() {
            Some(Planned::File(wanted)) if wanted.number == number && self.arriving.is_none() => {
                Ok(*wanted)
            }
            _ => Err(TransferEnd::Malformed("it sent what nobody wanted")),
        }
    }

    fn begin(&mut self, number: u64, offset: u64) -> Result<(), TransferEnd> {
        if self
            .arriving
            .as_ref()
            .is_some_and(|arriving| arriving.wanted.number == number)
        {
            return self.begin_anew(offset);
        }
        let mut wanted = self.next_wanted(number)?;
        let Some(destination) = &mut self.destination else {
            return Err(TransferEnd::Malformed("it announced nothing"));
        };
        let path = destination.full_path(&wanted);
        (self.listener)(Event::File {
            path: &String::from_utf8_lossy(&path),
            size: wanted.size,
        });
        let part = wanted.part.take();
        let have = match self.target {
            Target::Writer(writer) => writer.lock().hasher.length(),
            _ => part.as_ref().map_or(0, PartialFile::length),
        };
        if offset > 0 && have != offset {
            return Err(TransferEnd::Malformed("it went on with nothing"));
        }
        let hasher = if destination.is_single() {
            ContentHasher::with_sha256()
        } else {
            ContentHasher::default()
        };
        let into = match destination.directory(&wanted.directory) {
            Ok(None) => match self.target {
                // Bytes that went to a writer cannot be taken back.
                Target::Writer(_) if have > offset => {
                    Err(Failure::new(Step::Reading, path, FailureKind::Changed))
                }
                Target::Writer(writer) => Ok(Into::Writer(writer.clone())),
                _ => Ok(Into::Memory(Box::new(ContentHasher::with_sha256()))),
            },
            Ok(Some(directory)) => {
                let partial = match part {
                    Some(mut part) if offset == 0 && part.length() > 0 => {
                        part.restart().map(|()| part)
                    }
                    Some(part) => Ok(part),
                    None => PartialFile::create(
                        self.unfinished,
                        &directory,
                        &wanted.name,
                        wanted.size,
                        &hasher,
                    ),
                };
                self.group.begin_in(directory);
                partial
                    .map(Into::File)
                    .map_err(|error| Failure::io(Step::Creating, &*path, error))
            }
            Err(failure) => Err(failure),
        };
        let into = match into {
            Ok(into) => into,
            Err(failure) => {
                self.leave_out(failure)?;
                Into::Nowhere
            }
        };
        self.summary.resumed_bytes += offset;
        (self.listener)(Event::Resumed(offset));
        self.arriving = Some(Arriving {
            wanted,
            into,
            resumed: offset,
            told: offset,
        });
        Ok(())
    }

    /// Starts an arriving file again, because it changed while it was read.
    fn begin_anew(&mut self, offset: u64) -> Result<(), TransferEnd> {
        let Some(mut arriving) = self.arriving.take() else {
            return Ok(());
        };
        self.void(&arriving);
        (arriving.resumed, arriving.told) = (0, 0);
        match &mut arriving.into {
            Into::File(partial) => {
                let path = self
                    .destination
                    .as_ref()
                    .map(|it| it.full_path(&arriving.wanted))
                    .unwrap_or_default();
                partial
                    .restart()
                    .map_err(|error| Failure::io(Step::Writing, path, error))?;
            }
            Into::Memory(hasher) => {
                hasher.restart();
                self.content.clear();
            }
            Into::Writer(writer) => {
                if writer.lock().hasher.length() > 0 {
                    return Err(Failure::new(
                        Step::Reading,
                        &*arriving.wanted.name,
                        FailureKind::Changed,
                    )
                    .into());
                }
            }
            Into::Nowhere => {}
        }
        self.arriving = Some(arriving);
        if offset == 0 {
            Ok(())
        } else {
            Err(TransferEnd::Malformed("it went on with nothing"))
        }
    }

    fn content(&mut self, chunk: Chunk<'_>) -> Result<(), TransferEnd> {
        let Some(mut arriving) = self.arriving.take() else {
            return Err(TransferEnd::Malformed("it sent content of nothing"));
        };
        let length = chunk.length();
        if matches!(chunk, Chunk::Zeros(_)) && length > MAX_HOLE_BYTES {
            return Err(TransferEnd::Malformed("it sent too long a hole"));
        }
        match &mut arriving.into {
            Into::File(partial) => {
                let written = match chunk {
                    Chunk::Data(bytes) => partial.write(bytes),
                    Chunk::Zeros(count) => {
                        partial.write_zeros(count);
                        Ok(())
                    }
                };
                if let Err(error) = written {
                    let path = self
                        .destination
                        .as_ref()
                        .map(|it| it.full_path(&arriving.wanted))
                        .unwrap_or_default();
                    arriving.into = Into::Nowhere;
                    self.leave_out(Failure::io(Step::Writing, path, error))?;
                }
            }
            Into::Memory(hasher) => {
                let limit = self.target.limit();
                if (self.content.len() as u64).saturating_add(length) > limit {
                    return Err(Failure::new(
                        Step::Reading,
                        &*arriving.wanted.name,
                        FailureKind::TooLong(limit),
                    )
                    .into());
                }
                match chunk {
                    Chunk::Data(bytes) => {
                        hasher.update(bytes);
                        self.content.extend_from_slice(bytes);
                    }
                    Chunk::Zeros(count) => {
                        hasher.update_zeros(count);
                        let length = self.content.len() + usize::try_from(count).unwrap_or(0);
                        self.content.resize(length, 0);
                    }
                }
            }
            Into::Writer(writer) => {
                let mut written = writer.lock();
                match chunk {
                    Chunk::Data(bytes) => written.write(bytes),
                    Chunk::Zeros(count) => written.write_zeros(count),
                }
                .map_err(|error| Failure::io(Step::Writing, OUTPUT, error))?;
            }
            Into::Nowhere => {}
        }
        arriving.told = arriving.told.saturating_add(length);
        self.arriving = Some(arriving);
        (self.listener)(Event::Bytes(length));
        Ok(())
    }

    fn end(&mut self, fingerprint: Fingerprint) -> Result<(), TransferEnd> {
        let Some(arriving) = self.arriving.take() else {
            return Err(TransferEnd::Malformed("it ended what had not begun"));
        };
        let hasher = match &arriving.into {
            Into::File(partial) => partial.hasher().clone(),
            Into::Memory(hasher) => ContentHasher::clone(hasher),
            Into::Writer(writer) => {
                let mut written = writer.lock();
                written
                    .flush()
                    .map_err(|error| Failure::io(Step::Writing, OUTPUT, error))?;
                written.hasher.clone()
            }
            Into::Nowhere => {
                self.void(&arriving);
                return Ok(());
            }
        };
        let length = hasher.length();
        let (arrived, sha256) = hasher.finish();
        let destination = self
            .destination
            .as_ref()
            .ok_or(TransferEnd::Malformed("it announced nothing"))?;
        let path = destination.full_path(&arriving.wanted);
        if arrived != fingerprint {
            self.void(&arriving);
            return self.leave_out(Failure::new(Step::Writing, path, FailureKind::WrongDigest));
        }
        self.summary.files += 1;
        self.summary.bytes += length;
        self.summary.digest = sha256.filter(|_| destination.is_single());
        if let Into::File(partial) = arriving.into {
            self.group.place(
                partial,
                arriving.wanted.name,
                arriving.wanted.attributes,
                path,
                self.options.delete,
            );
        }
        Ok(())
    }

    /// Makes a hasher for the next file.
    fn new_hasher(&self) -> ContentHasher {
        if self.is_single() {
            ContentHasher::with_sha256()
        } else {
            ContentHasher::default()
        }
    }

    /// Takes steps that no longer wait for a file.
    fn go_on(&mut self) -> Result<(), TransferEnd> {
        while self.arriving.is_none()
            && let Some(Planned::DirectoryEnd(_)) = self.plan.front()
        {
            if let Some(Planned::DirectoryEnd(end)) = self.plan.pop_front() {
                self.group.leave(end);
            }
        }
        if self.group.is_full() {
            self.finish_group()
        } else {
            Ok(())
        }
    }

    fn finish_group(&mut self) -> Result<(), TransferEnd> {
        let Some(destination) = &mut self.destination else {
            return Ok(());
        };
        let Outcome {
            removed,
            failures,
            files,
            bytes,
        } = self.group.finish(destination, self.options)?;
        self.summary.files -= files;
        self.summary.bytes -= bytes;
        for failure in failures {
            self.leave_out(failure)?;
        }
        for path in removed {
            self.summary.deleted += path.count;
            self.tell(crate::Change::Delete, path.path);
        }
        Ok(())
    }

    /// Reports a change, if reports were asked for.
    fn tell(&mut self, kind: crate::Change, path: Vec<u8>) {
        if self.options.report {
            (self.listener)(Event::Change {
                kind,
                path: &String::from_utf8_lossy(&path),
            });
            self.writer.send(&ToSender::Change { kind, path });
        }
    }

    /// Handles a cut link: puts whole files into their places, and leaves the beginning of a large
    /// file for the next transfer.
    fn leave_parts(&mut self) {
        let _ = self.finish_group();
        if let Some(Arriving {
            into: Into::File(partial),
            ..
        }) = self.arriving.take()
        {
            partial.leave();
        }
        for step in self.plan.drain(..) {
            if let Planned::File(wanted) = step {
                wanted.part.map(PartialFile::leave);
            }
        }
    }
}
