//! A file that is arriving.

use std::io::Write;

use super::{
    group::{Group, NewFile},
    plan::Wanted,
    report::Report,
    sink::{Chunk, Sink},
    target::Target,
    transfer::Transfer,
};
use crate::{
    Event, Failure, FailureKind, Step, TransferEnd, disk::PartialFile, fingerprint::Fingerprint,
    wire::MAX_HOLE_BYTES,
};

const RESUMED_NOTHING: TransferEnd = TransferEnd::Malformed("it went on with nothing");

pub(super) struct Arriving {
    wanted: Wanted,
    sink: Sink,
    /// Its path for messages.
    path: Vec<u8>,
    /// Bytes of it that were there already.
    resumed: u64,
    /// Bytes of it that the listener has counted, to take back if the file is void.
    reported: u64,
}

impl Arriving {
    /// Begins to receive a wanted file, from `offset` on.
    pub(super) fn new<W: Write>(
        mut wanted: Wanted,
        offset: u64,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<Self, TransferEnd> {
        let path = transfer
            .destination
            .full_path(&wanted.directory, &wanted.name);
        transfer.report.event(Event::File {
            path: &String::from_utf8_lossy(&path),
            size: wanted.size,
        });
        let have = match transfer.settings.target {
            Target::Writer(writer) => writer.lock().hasher.length(),
            _ => wanted.part.as_ref().map_or(0, PartialFile::length),
        };
        if offset > 0 && have != offset {
            return Err(RESUMED_NOTHING);
        }
        let sink = match Sink::open(&mut wanted, offset, &path, transfer) {
            Ok(sink) => sink,
            Err(failure) => {
                transfer.leave_out(failure)?;
                Sink::Discard
            }
        };
        transfer.report.summary.resumed_bytes += offset;
        transfer.report.event(Event::Resumed(offset));
        Ok(Self {
            wanted,
            sink,
            path,
            resumed: offset,
            reported: offset,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.wanted.number
    }

    /// Starts again, because the file changed while it was read.
    pub(super) fn restart<W: Write>(
        &mut self,
        offset: u64,
        report: &mut Report<'_, W>,
    ) -> Result<(), TransferEnd> {
        self.void(report);
        if offset > 0 {
            return Err(RESUMED_NOTHING);
        }
        Ok(self.sink.restart(&self.path)?)
    }

    /// Takes back the bytes of a file that does not count.
    pub(super) fn void<W: Write>(&mut self, report: &mut Report<'_, W>) {
        report.summary.resumed_bytes -= std::mem::take(&mut self.resumed);
        report.event(Event::Void(std::mem::take(&mut self.reported)));
    }

    pub(super) fn write<W: Write>(
        &mut self,
        chunk: &Chunk<'_>,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<(), TransferEnd> {
        let length = chunk.length();
        if matches!(chunk, Chunk::Zeros(_)) && length > MAX_HOLE_BYTES {
            return Err(TransferEnd::Malformed("it sent too long a hole"));
        }
        if let Err(failure) = self.sink.write(chunk, &self.path) {
            self.sink = Sink::Discard;
            transfer.leave_out(failure)?;
        }
        self.reported = self.reported.saturating_add(length);
        transfer.report.event(Event::Bytes(length));
        Ok(())
    }

    /// Ends the file, which must have this fingerprint. A file for a path joins `group`. Returns
    /// the content of a file for memory.
    pub(super) fn finish<W: Write>(
        mut self,
        fingerprint: Fingerprint,
        group: &mut Group,
        transfer: &mut Transfer<'_, '_, W>,
    ) -> Result<Vec<u8>, TransferEnd> {
        let Some(hasher) = self.sink.finish()? else {
            self.void(transfer.report);
            return Ok(Vec::new());
        };
        let length = hasher.length();
        let (arrived, sha256) = hasher.finish();
        if arrived != fingerprint {
            self.void(transfer.report);
            let wrong = FailureKind::WrongDigest;
            transfer.leave_out(Failure::new(Step::Writing, self.path, wrong))?;
            return Ok(Vec::new());
        }
        let summary = &mut transfer.report.summary;
        summary.files += 1;
        summary.bytes += length;
        summary.digest = sha256.filter(|_| transfer.destination.is_single());
        match self.sink {
            Sink::File { partial, directory } => group.add_file(NewFile {
                directory,
                partial,
                name: self.wanted.name,
                attributes: self.wanted.attributes,
                path: self.path,
                clear: transfer.settings.options.delete,
            }),
            Sink::Memory { content, .. } => return Ok(content),
            Sink::Writer(_) | Sink::Discard => {}
        }
        Ok(Vec::new())
    }

    /// Leaves the beginning of a large file for the next transfer.
    pub(super) fn leave(self) {
        if let Sink::File { partial, .. } = self.sink {
            partial.leave();
        }
    }
}
