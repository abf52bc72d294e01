//! A stream for threads that may block. One of its two ends drives the session while its thread
//! waits, so that what it carries wakes no other thread on its way.

use std::{
    future::poll_fn,
    io::{self, Read, Write},
    mem,
    sync::Arc,
    task::Poll,
};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::{
    conversation::Conversation,
    stream::{StreamReader, StreamWriter},
};
use crate::base::wait;

/// The end of a stream that drives the session: the one that carries most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leading {
    Reader,
    Writer,
}

/// Reads from a stream.
pub(crate) struct BlockingReader {
    reader: StreamReader,
    /// Set if this end leads.
    conversation: Option<Arc<Conversation>>,
}

/// Writes to a stream.
pub(crate) struct BlockingWriter {
    writer: StreamWriter,
    /// Set if this end leads.
    conversation: Option<Arc<Conversation>>,
}

/// Makes a stream one for threads.
pub(super) fn blocking(
    reader: StreamReader,
    writer: StreamWriter,
    conversation: &Arc<Conversation>,
    leading: Leading,
) -> (BlockingReader, BlockingWriter) {
    let leads = |end| (leading == end).then(|| conversation.clone());
    let reader = BlockingReader {
        reader,
        conversation: leads(Leading::Reader),
    };
    let writer = BlockingWriter {
        writer,
        conversation: leads(Leading::Writer),
    };
    (reader, writer)
}

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.conversation {
            None => wait::block_on(self.reader.read(buffer)),
            Some(conversation) => lead_to_read(conversation, &mut self.reader, buffer),
        }
    }
}

/// Reads what is there. If there is nothing, or the driver has to know how much was taken, drives
/// the session.
fn lead_to_read(
    conversation: &Arc<Conversation>,
    reader: &mut StreamReader,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let mut buffer = ReadBuf::new(buffer);
    let mut drives = reader.needs_driver();
    let read = poll_fn(|context| {
        if mem::take(&mut drives) {
            conversation.offer_to_stream();
            reader.give_credit();
            // The thread returns here after it has driven once.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        reader.poll_take(context, &mut buffer)
    });
    wait::block_on(read)?;
    Ok(buffer.filled().len())
}

impl Write for BlockingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.conversation {
            None => wait::block_on(self.writer.write(bytes)),
            Some(conversation) => wait::block_on(async {
                conversation.offer_to_stream();
                let length = self.writer.write(bytes).await?;
                self.writer.left().await;
                Ok(length)
            }),
        }
    }

    /// Has the session's task look after the session: the thread may wait for something else now.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(conversation) = &self.conversation {
            conversation.wake();
        }
        Ok(())
    }
}
