//! The receiver: says what it wants of what is announced, and puts what arrives into its place.
//!
//! Whatever the sender says is checked: names lead nowhere but into the target, announcements are no longer than they may be,
//! content is what its digest says. What is put into a place is whole, and would survive a loss of power there.

mod announced;
mod destination;
mod group;

use std::{
    collections::VecDeque,
    io::{Read, Write},
};

use wxec_protocol::{Digest, Hasher};

use self::{
    announced::Announcing,
    destination::Destination,
    group::{Group, Leave},
};
use crate::{
    Doing, Event, Failure, FailureKind, Listener, Options, Summary, TransferEnd,
    link::{FrameReader, FrameWriter},
    message::{BATCH_ENTRIES, MAX_AHEAD, ToReceiver, ToSender},
    options::{Shown, Target},
    unfinished::{Growing, Look, Unfinished},
};

/// What may be announced and not have arrived: an honest sender is never further ahead.
const MAX_PLANNED: usize = (MAX_AHEAD + 2) * BATCH_ENTRIES;

/// Receives into `target`, until everything is in its place. Returns the content too, if that is memory.
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
        changed: None,
    };
    let ended = receiver.run(reader);
    match &ended {
        Ok(()) => {
            receiver.writer.say(&ToSender::Finished(receiver.summary));
            receiver.writer.flush();
        }
        Err(TransferEnd::Here(failure)) => {
            receiver.writer.say(&ToSender::Failed(failure.clone()));
            receiver.writer.flush();
        }
        Err(TransferEnd::Cut) => receiver.leave_parts(),
        Err(_) => {}
    }
    ended?;
    receiver.changed.map_or(Ok((receiver.summary, receiver.content)), |failure| Err(TransferEnd::There(failure)))
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
    /// Known as soon as the first entry is.
    destination: Option<Destination>,
    announcing: Announcing,
    all_announced: bool,
    /// The next entry's number.
    number: u64,
    /// What is to come, in order.
    plan: VecDeque<Step>,
    arriving: Option<Arriving>,
    group: Group,
    content: Vec<u8>,
    summary: Summary,
    /// The first of the files that were left out because they changed all the time.
    changed: Option<Failure>,
}

/// What is to be done when everything before it is.
enum Step {
    File(Box<Wanted>),
    Leave(Leave),
}

/// A file that is to come.
struct Wanted {
    number: u64,
    directory: Vec<u8>,
    name: Vec<u8>,
    size: u64,
    look: Look,
    part: Option<Growing>,
}

/// A file that is coming.
struct Arriving {
    wanted: Wanted,
    into: Into,
    /// Bytes of it that were there already.
    resumed: u64,
}

enum Into {
    File(Growing),
    Memory(Hasher),
}

impl<W: Write> Receiver<'_, W> {
    fn run<R: Read>(&mut self, reader: &mut FrameReader<R>) -> Result<(), TransferEnd> {
        self.find_accounts()?;
        while !self.all_announced || !self.plan.is_empty() || self.arriving.is_some() {
            match reader.receive()? {
                ToReceiver::Announce { items, last } => self.announced(items, last)?,
                ToReceiver::File { number, offset } => self.begin(number, offset)?,
                ToReceiver::Data(bytes) => self.data(bytes)?,
                ToReceiver::End { digest } => self.end(digest)?,
                ToReceiver::Gone { number } => self.leave_out(number)?,
                ToReceiver::Changed { number, failure } => {
                    self.leave_out(number)?;
                    self.changed.get_or_insert(failure);
                }
                ToReceiver::Warning { text } => (self.listener)(Event::Warning(&text)),
                ToReceiver::Failed(failure) => return Err(TransferEnd::There(failure)),
            }
            self.go_on()?;
        }
        self.finish_group()?;
        if !self.options.dry_run
            && let Some(destination) = &mut self.destination
        {
            destination.finish(&mut self.group)?;
        }
        Ok(())
    }

    fn find_accounts(&mut self) -> Result<(), Failure> {
        let Target::Path(path) = self.target else { return Ok(()) };
        let failed = |kind| Failure::new(Doing::SettingOwner, &**path, kind);
        let Options { owner, group, .. } = self.options;
        let user = owner.as_deref().map(crate::account::user).transpose().map_err(failed)?;
        let group = group.as_deref().map(crate::account::group).transpose().map_err(failed)?;
        self.accounts = (user, group);
        Ok(())
    }

    /// A file of a tree does not come, or what came of it is void.
    fn leave_out(&mut self, number: u64) -> Result<(), TransferEnd> {
        if self.destination.as_ref().is_none_or(Destination::is_single) {
            return Err(TransferEnd::Malformed("it left out what was asked for"));
        }
        match self.arriving.take_if(|arriving| arriving.wanted.number == number) {
            Some(Arriving { into, resumed, .. }) => {
                self.summary.resumed_bytes -= resumed;
                if let Into::File(growing) = into {
                    (self.listener)(Event::Void(growing.length()));
                }
            }
            None => drop(self.next_wanted(number)?),
        }
        Ok(())
    }

    fn next_wanted(&mut self, number: u64) -> Result<Wanted, TransferEnd> {
        match self.plan.pop_front() {
            Some(Step::File(wanted)) if wanted.number == number && self.arriving.is_none() => Ok(*wanted),
            _ => Err(TransferEnd::Malformed("it sent what nobody wanted")),
        }
    }

    fn begin(&mut self, number: u64, offset: u64) -> Result<(), TransferEnd> {
        if let Some(arriving) = self.arriving.as_mut().filter(|arriving| arriving.wanted.number == number) {
            let void = match &mut arriving.into {
                Into::File(growing) => {
                    let length = growing.length();
                    let path = self.destination.as_ref().map(|it| it.shown(&arriving.wanted)).unwrap_or_default();
                    growing.restart().map_err(|error| Failure::io(Doing::Writing, path, error))?;
                    length
                }
                Into::Memory(hasher) => {
                    *hasher = Hasher::default();
                    std::mem::take(&mut self.content).len() as u64
                }
            };
            (self.listener)(Event::Void(void));
            self.summary.resumed_bytes -= std::mem::take(&mut arriving.resumed);
            return if offset == 0 { Ok(()) } else { Err(TransferEnd::Malformed("it went on with nothing")) };
        }
        let mut wanted = self.next_wanted(number)?;
        let Some(destination) = &mut self.destination else {
            return Err(TransferEnd::Malformed("it announced nothing"));
        };
        let path = destination.shown(&wanted);
        (self.listener)(Event::File { path: &Shown(&path).to_string(), size: wanted.size });
        let mut have = 0;
        let into = match destination.directory(&wanted.directory)? {
            None => Into::Memory(Hasher::default()),
            Some(directory) => {
                let failed = |error| Failure::io(Doing::Creating, &*path, error);
                let mut growing = match wanted.part.take() {
                    Some(part) => part,
                    None => Growing::create(self.unfinished, &directory, &wanted.name, wanted.size).map_err(failed)?,
                };
                if offset == 0 && growing.length() > 0 {
                    growing.restart().map_err(failed)?;
                }
                have = growing.length();
                self.group.begin_in(directory);
                Into::File(growing)
            }
        };
        if offset != have {
            return Err(TransferEnd::Malformed("it went on with nothing"));
        }
        self.summary.resumed_bytes += offset;
        (self.listener)(Event::Resumed(offset));
        self.arriving = Some(Arriving { wanted, into, resumed: offset });
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), TransferEnd> {
        let Some(Arriving { wanted, into, .. }) = &mut self.arriving else {
            return Err(TransferEnd::Malformed("it sent content of nothing"));
        };
        match into {
            Into::File(growing) => growing.write(bytes).map_err(|error| {
                let path = self.destination.as_ref().map(|it| it.shown(wanted)).unwrap_or_default();
                Failure::io(Doing::Writing, path, error)
            })?,
            Into::Memory(hasher) => {
                let limit = self.target.memory();
                if (self.content.len() + bytes.len()) as u64 > limit {
                    return Err(Failure::new(Doing::Reading, &*wanted.name, FailureKind::TooLong(limit)).into());
                }
                hasher.update(bytes);
                self.content.extend_from_slice(bytes);
            }
        }
        (self.listener)(Event::Bytes(bytes.len() as u64));
        Ok(())
    }

    fn end(&mut self, digest: Digest) -> Result<(), TransferEnd> {
        let Some(Arriving { wanted, into, .. }) = self.arriving.take() else {
            return Err(TransferEnd::Malformed("it ended what had not begun"));
        };
        let (arrived, length) = match &into {
            Into::File(growing) => (growing.digest(), growing.length()),
            Into::Memory(hasher) => (hasher.clone().finish(), self.content.len() as u64),
        };
        let destination = self.destination.as_ref().ok_or(TransferEnd::Malformed("it announced nothing"))?;
        let path = destination.shown(&wanted);
        if arrived != digest {
            return Err(Failure::new(Doing::Writing, path, FailureKind::WrongDigest).into());
        }
        self.summary.files += 1;
        self.summary.bytes += length;
        self.summary.digest = destination.is_single().then_some(digest);
        if let Into::File(growing) = into {
            self.group.place(growing, wanted.name, wanted.look, path, self.options.delete);
        }
        Ok(())
    }

    /// Does what waits for nothing any more.
    fn go_on(&mut self) -> Result<(), TransferEnd> {
        while self.arriving.is_none()
            && let Some(Step::Leave(_)) = self.plan.front()
        {
            if let Some(Step::Leave(leave)) = self.plan.pop_front() {
                self.group.leave(leave);
            }
        }
        if self.group.is_full() { self.finish_group() } else { Ok(()) }
    }

    fn finish_group(&mut self) -> Result<(), TransferEnd> {
        let Some(destination) = &mut self.destination else { return Ok(()) };
        let removed = self.group.finish(destination, self.options)?;
        for path in removed {
            self.summary.deleted += path.count;
            self.tell(crate::Change::Delete, path.path);
        }
        Ok(())
    }

    /// Tells of a change, if anybody asked for it.
    fn tell(&mut self, kind: crate::Change, path: Vec<u8>) {
        if self.options.report {
            (self.listener)(Event::Change { kind, path: &Shown(&path).to_string() });
            self.writer.say(&ToSender::Change { kind, path });
        }
    }

    /// The link was cut: what is whole is put into its place, and the beginning of a large file is left for the next transfer.
    fn leave_parts(&mut self) {
        let _ = self.finish_group();
        if let Some(Arriving { into: Into::File(growing), .. }) = self.arriving.take() {
            growing.leave();
        }
        for step in self.plan.drain(..) {
            if let Step::File(wanted) = step {
                wanted.part.map(Growing::leave);
            }
        }
    }
}
