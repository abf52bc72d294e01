//! The receiver, as the sender sees it: messages to it, and its answers.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use super::{
    announcements::{Announced, Announcement},
    answers::{Answer, read_answers},
};
use crate::{
    Event, Failure, Listener, Step, TransferEnd,
    failure::Failures,
    wire::{FrameReader, FrameWriter, ToReceiver},
};

const TOO_MANY_ANSWERS: TransferEnd = TransferEnd::Malformed("it answered more than it was asked");

/// A receiver that takes no more has sent its reason within this time, or never will.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Peer<'a, W: Write> {
    writer: &'a mut FrameWriter<W>,
    answers: Receiver<Answer>,
    /// Answers that came while something else had to be done first.
    kept: VecDeque<Answer>,
    /// The files of announcements that are not answered yet.
    unanswered: VecDeque<Vec<Announced>>,
    listener: &'a Listener,
    /// Entries of a tree that could not be sent.
    left_out: Failures,
}

impl<'a, W: Write> Peer<'a, W> {
    pub(super) fn new<R: Read + Send + 'static>(
        reader: FrameReader<R>,
        writer: &'a mut FrameWriter<W>,
        listener: &'a Listener,
    ) -> Result<Self, Failure> {
        let answers = read_answers(reader, listener.clone())
            .map_err(|error| Failure::io(Step::Reading, "a thread", error))?;
        Ok(Self {
            writer,
            answers,
            kept: VecDeque::new(),
            unanswered: VecDeque::new(),
            listener,
            left_out: Failures::default(),
        })
    }

    /// Adds a message, which travels once there are enough or they are [flushed](Self::flush).
    pub(super) fn send(&mut self, message: &ToReceiver<'_>) {
        self.writer.send(message);
    }

    pub(super) fn flush(&mut self) {
        self.writer.flush();
    }

    pub(super) fn announce(&mut self, announcement: Announcement) {
        let Announcement { items, files, last } = announcement;
        self.send(&ToReceiver::Announce { items, last });
        self.unanswered.push_back(files);
    }

    /// Returns the number of announcements that are not answered yet.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Returns the files of the announcement that is answered next.
    pub(super) fn answered_files(&mut self) -> Result<Vec<Announced>, TransferEnd> {
        self.unanswered
            .pop_front()
            .ok_or(TransferEnd::Malformed("nothing was asked"))
    }

    /// Waits for the next answer.
    pub(super) fn next_answer(&mut self) -> Result<Answer, TransferEnd> {
        match self.kept.pop_front() {
            Some(answer) => Ok(answer),
            None => self.answers.recv().map_err(|_| TOO_MANY_ANSWERS),
        }
    }

    /// Fails if the receiver has given up. Its other answers wait for their turn.
    pub(super) fn check(&mut self) -> Result<(), TransferEnd> {
        if self.writer.is_broken() {
            return Err(self.last_word());
        }
        while let Ok(answer) = self.answers.try_recv() {
            match answer {
                Answer::Ended(end) => return Err(end),
                Answer::Wants(_) if self.kept.len() >= self.unanswered.len() => {
                    return Err(TOO_MANY_ANSWERS);
                }
                answer => self.kept.push_back(answer),
            }
        }
        Ok(())
    }

    /// Waits for the reason of a receiver that takes no more.
    fn last_word(&self) -> TransferEnd {
        let until = Instant::now() + LAST_WORD_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok(Answer::Ended(end)) => return end,
                Ok(_) => {}
                Err(_) => return TransferEnd::Cut,
            }
        }
    }

    /// Reports an event at this end.
    pub(super) fn report(&self, event: Event<'_>) {
        (self.listener)(event);
    }

    /// Reports a warning at both ends. Must come before the last message that the receiver waits
    /// for.
    pub(super) fn warn(&mut self, text: String) {
        self.report(Event::Warning(&text));
        self.send(&ToReceiver::Warning { text });
    }

    /// Leaves out something of a tree that cannot be sent.
    pub(super) fn leave_out(&mut self, number: Option<u64>, failure: Failure) {
        self.send(&ToReceiver::LeftOut {
            number,
            failure: failure.clone(),
        });
        self.left_out.add(failure);
    }

    /// Returns the entries that were left out.
    pub(super) fn into_left_out(self) -> Failures {
        self.left_out
    }
}
