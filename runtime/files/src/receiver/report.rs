//! The report of a transfer: to the sender, to the listener at this end, and in the result.

use std::io::Write;

use crate::{
    Change, Event, Failure, Listener, Summary, TransferEnd,
    failure::{Failures, outcome},
    wire::{FrameWriter, ToSender, Want},
};

pub(super) struct Report<'a, W: Write> {
    writer: &'a mut FrameWriter<W>,
    listener: &'a Listener,
    /// True if changes were asked for.
    tells_changes: bool,
    pub(super) summary: Summary,
    /// Entries of a tree that could not be put into their places.
    left_out: Failures,
    /// Entries of a tree that could not be sent.
    left_out_there: Failures,
}

impl<'a, W: Write> Report<'a, W> {
    pub(super) fn new(
        writer: &'a mut FrameWriter<W>,
        listener: &'a Listener,
        tells_changes: bool,
    ) -> Self {
        Self {
            writer,
            listener,
            tells_changes,
            summary: Summary::default(),
            left_out: Failures::default(),
            left_out_there: Failures::default(),
        }
    }

    /// Reports an event at this end.
    pub(super) fn event(&self, event: Event<'_>) {
        (self.listener)(event);
    }

    /// Reports a change at both ends, if changes were asked for.
    pub(super) fn change(&mut self, kind: Change, path: Vec<u8>) {
        if self.tells_changes {
            self.event(Event::Change {
                kind,
                path: &String::from_utf8_lossy(&path),
            });
            self.writer.send(&ToSender::Change { kind, path });
        }
    }

    /// Answers an announcement.
    pub(super) fn answer(&mut self, wants: Vec<Want>) {
        self.writer.send(&ToSender::Wants { wants });
        self.writer.flush();
    }

    /// Adds an entry that could not be put into its place.
    pub(super) fn leave_out(&mut self, failure: Failure) {
        self.left_out.add(failure);
    }

    /// Adds an entry that could not be sent.
    pub(super) fn leave_out_there(&mut self, failure: Failure) {
        self.left_out_there.add(failure);
    }

    /// Returns true if something could not be sent.
    pub(super) fn lacks_something_there(&self) -> bool {
        !self.left_out_there.named.is_empty()
    }

    /// Tells the sender that everything is in its place.
    pub(super) fn finish(&mut self) {
        for failure in &self.left_out.named {
            self.writer.send(&ToSender::LeftOut(failure.clone()));
        }
        self.writer.send(&ToSender::Finished {
            summary: self.summary,
            more: self.left_out.more,
        });
        self.writer.flush();
    }

    /// Tells the sender of a failure that ends the transfer.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.writer.send(&ToSender::Failed(failure.clone()));
        self.writer.flush();
    }

    /// Returns the result of a transfer that ran to its end.
    pub(super) fn into_outcome(self) -> Result<Summary, TransferEnd> {
        outcome(self.summary, self.left_out, self.left_out_there)
    }
}
