//! File transfers over streams. Each transfer has its own thread, which waits for its disk and its
//! stream.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Handle,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use wxec_files::Unfinished;
use wxec_protocol::{StreamEnd, StreamId};

use crate::{
    streams::{StreamEvent, Streams},
    tasks::boxed,
};

/// Size of the pipe between a stream and its thread: large enough that neither is woken for every
/// part.
const PIPE_BYTES: usize = 256 << 10;

/// Time for a transfer that has lost its controller to tidy up. The agent exits after 2 s.
const END_WITHIN: Duration = Duration::from_millis(1500);

#[derive(Default)]
pub(crate) struct Files {
    transfers: HashMap<StreamId, Transfer>,
    /// Transfers that the controller gave up and that have not ended yet.
    ending: JoinSet<()>,
}

struct Transfer {
    unfinished: Unfinished,
    /// True if the connection to the controller was lost. The controller may come back for the part
    /// that has arrived.
    lost: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Files {
    /// Serves the request in the first message on a stream.
    pub(crate) fn open(&mut self, id: StreamId, streams: &mut Streams) {
        let (reader, input) = duplex(PIPE_BYTES);
        let (output, writer) = duplex(PIPE_BYTES);
        let (runs, exit) = watch::channel(None);
        streams.feed(id, input);
        let drained = streams.drain(id, output, exit);
        let (unfinished, lost) = (Unfinished::default(), Arc::<AtomicBool>::default());
        let runtime = Handle::current();
        let reader = Reader {
            reader,
            runtime: runtime.clone(),
            lost: lost.clone(),
        };
        let (writer, files) = (Writer { writer, runtime }, unfinished.clone());
        let events = streams.events().clone();
        let task = tokio::spawn(boxed(async move {
            let served =
                tokio::task::spawn_blocking(move || _ = wxec_files::serve(reader, writer, &files))
                    .await;
            // Sends the last output before the stream ends.
            let _ = drained.await;
            drop(runs);
            let end = served.map_or_else(
                |error| StreamEnd::Failed(error.to_string()),
                |()| StreamEnd::Closed,
            );
            let _ = events.send(StreamEvent::End { id, end });
        }));
        self.transfers.insert(
            id,
            Transfer {
                unfinished,
                lost,
                task,
            },
        );
    }

    /// Ends a transfer that the controller gave up, and removes its partial results.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(Transfer {
            unfinished, task, ..
        }) = self.transfers.remove(&id)
        {
            self.ending.spawn(boxed(async move {
                let _ = tokio::task::spawn_blocking(move || unfinished.give_up()).await;
                let _ = task.await;
            }));
        }
        while self.ending.try_join_next().is_some() {}
    }

    /// Forgets a transfer that has ended by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.transfers.remove(&id);
    }

    /// Marks the transfers that are left as lost: the conversation ended without a goodbye. Call
    /// this before the streams end.
    pub(crate) fn lose(&self) {
        self.transfers
            .values()
            .for_each(|transfer| transfer.lost.store(true, SeqCst));
    }

    /// Waits until all transfers have tidied up. Their streams have ended already.
    pub(crate) async fn shut_down(&mut self) {
        let rest: Vec<_> = self
            .transfers
            .drain()
            .map(|(_, transfer)| transfer.task)
            .collect();
        let all = async {
            for task in rest {
                let _ = task.await;
            }
            while self.ending.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(END_WITHIN, all).await;
    }
}

/// A stream for a thread that may block. It ends when the controller finishes or closes it, and
/// fails if the controller is lost.
struct Reader {
    reader: DuplexStream,
    runtime: Handle,
    lost: Arc<AtomicBool>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.runtime.block_on(self.reader.read(buffer))? {
            0 if self.lost.load(SeqCst) => Err(io::ErrorKind::ConnectionAborted.into()),
            length => Ok(length),
        }
    }
}

struct Writer {
    writer: DuplexStream,
    runtime: Handle,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
