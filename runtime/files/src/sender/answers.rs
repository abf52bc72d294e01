//! The answers of the receiver, read on a thread of their own, so that the receiver can always
//! write: otherwise each end could wait for the other to read. The answers that wait are bounded,
//! because few announcements are unanswered at any time.

use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use crate::{
    Event, Listener, Summary, TransferEnd,
    failure::{Failures, MAX_LEFT_OUT},
    wire::{BATCH_ENTRIES, FrameReader, MAX_AHEAD, ToSender, Want},
};

/// The thread needs little more than the decoding of a frame takes.
const STACK_BYTES: usize = 256 << 10;

/// Messages of the receiver that the sender must act on.
pub(super) enum Answer {
    Wants(Vec<Want>),
    Finished(Summary, Failures),
    Ended(TransferEnd),
}

/// Starts to read answers. Reports events to `listener` at once.
pub(super) fn read_answers<R: Read + Send + 'static>(
    reader: FrameReader<R>,
    listener: Listener,
) -> io::Result<Receiver<Answer>> {
    let (answers, received) = mpsc::sync_channel(MAX_AHEAD + 2);
    thread::Builder::new()
        .name("wxec-files".into())
        .stack_size(STACK_BYTES)
        .spawn(move || pass_on(reader, &answers, &listener))?;
    Ok(received)
}

fn pass_on<R: Read>(mut reader: FrameReader<R>, answers: &SyncSender<Answer>, listener: &Listener) {
    let mut left_out = Failures::default();
    loop {
        let Some(answer) = next_answer(&mut reader, &mut left_out, listener) else {
            continue;
        };
        let is_last = !matches!(answer, Answer::Wants(_));
        // Stops if there are more answers than questions. The sender may have ended already; ignore
        // that.
        if answers.try_send(answer).is_err() || is_last {
            return;
        }
    }
}

/// Reads a message. Returns `None` if the sender need not act on it.
fn next_answer<R: Read>(
    reader: &mut FrameReader<R>,
    left_out: &mut Failures,
    listener: &Listener,
) -> Option<Answer> {
    let message = match reader.receive() {
        Ok(message) => message,
        Err(end) => return Some(Answer::Ended(end)),
    };
    match message {
        ToSender::Change { kind, path } => {
            let path = &String::from_utf8_lossy(&path);
            listener(Event::Change { kind, path });
            None
        }
        ToSender::Warning { text } => {
            listener(Event::Warning(&text));
            None
        }
        ToSender::Wants { wants } if wants.len() > BATCH_ENTRIES => {
            Some(malformed("it wants more than there is"))
        }
        ToSender::Wants { wants } => Some(Answer::Wants(wants)),
        ToSender::LeftOut(_) if left_out.named.len() >= MAX_LEFT_OUT => {
            Some(malformed("it named too much that it left out"))
        }
        ToSender::LeftOut(failure) => {
            left_out.add(failure);
            None
        }
        ToSender::Finished { summary, more } => {
            left_out.more = more;
            Some(Answer::Finished(summary, std::mem::take(left_out)))
        }
        ToSender::Failed(failure) => Some(Answer::Ended(TransferEnd::There(failure))),
    }
}

fn malformed(reason: &'static str) -> Answer {
    Answer::Ended(TransferEnd::Malformed(reason))
}
