//! File transfers over streams. Each transfer has its own thread, which waits for its disk and its
//! stream.

use std::{
    collections::HashMap,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::task::{JoinHandle, JoinSet};
use wxec_files::Unfinished;
use wxec_protocol::{StreamEnd, StreamId};

use crate::{
    streams::{Input, StreamEvent, Streams},
    tasks::boxed,
};

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

/// Starts work on a thread that may block. It is boxed, because tokio is compiled for each type of
/// work.
fn blocking(work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let work: Box<dyn FnOnce() + Send> = Box::new(work);
    tokio::task::spawn_blocking(work)
}

impl Files {
    /// Serves the request in the first message on a stream.
    pub(crate) fn open(&mut self, id: StreamId, streams: &mut Streams) {
        let (input, output) = streams.blocking(id);
        let (unfinished, lost) = (Unfinished::default(), Arc::<AtomicBool>::default());
        let reader = Reader {
            input,
            lost: lost.clone(),
        };
        let files = unfinished.clone();
        let events = streams.events().clone();
        let task = tokio::spawn(boxed(async move {
            // Finishes the stream as well.
            let served = blocking(move || _ = wxec_files::serve(reader, output, &files)).await;
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
                let _ = blocking(move || unfinished.give_up()).await;
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
    input: Input,
    lost: Arc<AtomicBool>,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 if self.lost.load(SeqCst) => Err(io::ErrorKind::ConnectionAborted.into()),
            length => Ok(length),
        }
    }
}
