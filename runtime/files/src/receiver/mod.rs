//! The receiver: asks for those announced entries that it wants, and puts what arrives into its
//! place.
//!
//! Everything that the sender sends is checked: names lead only into the target, announcements are
//! no longer than allowed, content matches its fingerprint. A file that is put into its place is
//! whole, and would survive a loss of power there.
//!
//! A receiver has two states. Before the first announcement it has no destination, and a
//! [`Report`] is all there is; the root that is announced first makes a [`Receiver`] of it.

mod announcements;
mod arriving;
mod destination;
mod entry;
mod group;
mod names;
mod plan;
mod report;
mod settings;
mod sink;
mod target;
mod transfer;

use std::io::{Read, Write};

pub(crate) use self::destination::check_target;
pub use self::target::{Target, Writer};
use self::{
    announcements::{Announcements, FirstAnnouncement},
    arriving::Arriving,
    group::{Group, Outcome},
    plan::Wanted,
    report::Report,
    settings::Settings,
    sink::Chunk,
    transfer::Transfer,
};
use crate::{
    Change, Event, Failure, Listener, Options, Summary, TransferEnd, Unfinished,
    fingerprint::Fingerprint,
    wire::{FrameReader, FrameWriter, ToReceiver},
};

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
    let mut report = Report::new(writer, listener, options.report);
    let ended = Settings::new(target, options, resuming, unfinished)
        .map_err(TransferEnd::Here)
        .and_then(|settings| receive_all(&settings, reader, &mut report));
    match &ended {
        Ok(_) => report.finish(),
        Err(TransferEnd::Here(failure)) => report.fail(failure),
        Err(_) => {}
    }
    let content = ended?;
    report.into_outcome().map(|summary| (summary, content))
}

/// Returns the content, if the target is memory.
fn receive_all<'a, R: Read, W: Write>(
    settings: &Settings<'a>,
    reader: &mut FrameReader<R>,
    report: &mut Report<'a, W>,
) -> Result<Vec<u8>, TransferEnd> {
    let first = first_announcement(reader, report)?;
    let mut receiver = Receiver::new(first, settings, report)?;
    let ended = receiver.run(reader);
    if ended == Err(TransferEnd::Cut) {
        receiver.leave_parts();
    }
    ended.map(|()| receiver.content)
}

fn first_announcement<R: Read, W: Write>(
    reader: &mut FrameReader<R>,
    report: &mut Report<'_, W>,
) -> Result<FirstAnnouncement, TransferEnd> {
    loop {
        match reader.receive()? {
            ToReceiver::Announce { items, last } => return FirstAnnouncement::new(items, last),
            // The sender finds such failures while it makes the first announcement, and sends them
            // before it.
            ToReceiver::LeftOut {
                number: None,
                failure,
            } => report.leave_out_there(failure),
            ToReceiver::LeftOut { .. } => return Err(LEFT_OUT_ALL),
            ToReceiver::Warning { text } => report.event(Event::Warning(&text)),
            ToReceiver::Failed(failure) => return Err(TransferEnd::There(failure)),
            ToReceiver::File { .. }
            | ToReceiver::Data(_)
            | ToReceiver::Hole { .. }
            | ToReceiver::End { .. } => {
                return Err(TransferEnd::Malformed("it sent what was not announced"));
            }
        }
    }
}

/// A receiver that knows its destination.
struct Receiver<'a, 'r, W: Write> {
    transfer: Transfer<'a, 'r, W>,
    announcements: Announcements,
    arriving: Option<Arriving>,
    group: Group,
    /// The content that arrived, if the target is memory.
    content: Vec<u8>,
}

impl<'a, 'r, W: Write> Receiver<'a, 'r, W> {
    fn new(
        first: FirstAnnouncement,
        settings: &'r Settings<'a>,
        report: &'r mut Report<'a, W>,
    ) -> Result<Self, TransferEnd> {
        let (announcements, transfer) = Announcements::new(first, settings, report)?;
        Ok(Self {
            transfer,
            announcements,
            arriving: None,
            group: Group::default(),
            content: Vec::new(),
        })
    }

    fn run<R: Read>(&mut self, reader: &mut FrameReader<R>) -> Result<(), TransferEnd> {
        self.advance()?;
        while !self.is_done() {
            match reader.receive()? {
                ToReceiver::Announce { items, last } => {
                    self.announcements.add(items, last, &mut self.transfer)?;
                }
                ToReceiver::File { number, offset } => self.begin(number, offset)?,
                ToReceiver::Data(bytes) => self.write(&Chunk::Data(bytes))?,
                ToReceiver::Hole { length } => self.write(&Chunk::Zeros(length))?,
                ToReceiver::End { fingerprint } => self.end(fingerprint)?,
                ToReceiver::LeftOut { number, failure } => self.leave_out_there(number, failure)?,
                ToReceiver::Warning { text } => self.transfer.report.event(Event::Warning(&text)),
                ToReceiver::Failed(failure) => return Err(TransferEnd::There(failure)),
            }
            self.advance()?;
        }
        self.finish()
    }

    fn is_done(&self) -> bool {
        self.announcements.are_complete()
            && self.transfer.plan.is_empty()
            && self.arriving.is_none()
    }

    fn begin(&mut self, number: u64, offset: u64) -> Result<(), TransferEnd> {
        match &mut self.arriving {
            Some(arriving) if arriving.number() == number => {
                arriving.restart(offset, self.transfer.report)
            }
            _ => {
                let wanted = self.next_wanted(number)?;
                self.arriving = Some(Arriving::new(wanted, offset, &mut self.transfer)?);
                Ok(())
            }
        }
    }

    fn next_wanted(&mut self, number: u64) -> Result<Wanted, TransferEnd> {
        if self.arriving.is_some() {
            return Err(TransferEnd::Malformed("it sent two files at once"));
        }
        self.transfer.plan.next_file(number)
    }

    fn write(&mut self, chunk: &Chunk<'_>) -> Result<(), TransferEnd> {
        self.arriving
            .as_mut()
            .ok_or(TransferEnd::Malformed("it sent content of nothing"))?
            .write(chunk, &mut self.transfer)
    }

    fn end(&mut self, fingerprint: Fingerprint) -> Result<(), TransferEnd> {
        self.content = self
            .arriving
            .take()
            .ok_or(TransferEnd::Malformed("it ended what had not begun"))?
            .finish(fingerprint, &mut self.group, &mut self.transfer)?;
        Ok(())
    }

    /// Records that something of a tree does not come. If it is a wanted file, its content so far
    /// is void.
    fn leave_out_there(
        &mut self,
        number: Option<u64>,
        failure: Failure,
    ) -> Result<(), TransferEnd> {
        if self.transfer.destination.is_single() {
            return Err(LEFT_OUT_ALL);
        }
        if let Some(number) = number {
            match self
                .arriving
                .take_if(|arriving| arriving.number() == number)
            {
                Some(mut arriving) => arriving.void(self.transfer.report),
                None => drop(self.next_wanted(number)?),
            }
        }
        self.transfer.report.leave_out_there(failure);
        Ok(())
    }

    /// Takes steps that no longer wait for a file.
    fn advance(&mut self) -> Result<(), TransferEnd> {
        while self.arriving.is_none()
            && let Some(end) = self.transfer.plan.next_end()
        {
            self.group.add_end(end);
        }
        if self.group.is_full() {
            self.finish_group()?;
        }
        Ok(())
    }

    /// Puts the files of the group into their places.
    fn finish_group(&mut self) -> Result<(), Failure> {
        let Transfer {
            settings,
            destination,
            ..
        } = &mut self.transfer;
        let Outcome {
            removed,
            failures,
            files,
            bytes,
        } = self.group.finish(destination, settings.options)?;
        self.transfer.report.summary.files -= files;
        self.transfer.report.summary.bytes -= bytes;
        for failure in failures {
            self.transfer.leave_out(failure)?;
        }
        for path in removed {
            self.transfer.report.summary.deleted += path.count;
            self.transfer.report.change(Change::Delete, path.path);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TransferEnd> {
        self.finish_group()?;
        if !self.transfer.settings.options.dry_run {
            for failure in self.transfer.destination.finish(&mut self.group)? {
                self.transfer.report.leave_out(failure);
            }
        }
        Ok(())
    }

    /// Handles a cut link: puts whole files into their places, and leaves the beginning of a large
    /// file for the next transfer.
    fn leave_parts(&mut self) {
        let _ = self.finish_group();
        if let Some(arriving) = self.arriving.take() {
            arriving.leave();
        }
        self.transfer.plan.leave_parts();
    }
}
