//! Carries data: from the controller into a writer, and from a reader to the controller, each no
//! faster than the other end takes it.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc, watch},
    time::Instant,
};
use wxec_protocol::{CHUNK_BYTES, StreamId};

use super::{Events, StreamEvent};

/// Time to read on after the writing process has ended. Another process may hold its output open
/// and write nothing more, as daemons do for as long as they live. Half a second is enough for the
/// last output of a pipeline, and too short to annoy.
pub(crate) const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// Most bytes that can still be in a pipe then: unprivileged programs cannot make a pipe larger.
/// More must come from other processes.
const MAX_PIPE_BYTES: usize = 1 << 20;

/// Size of the first read buffer, until a stream brings more: thousands of streams may bring
/// nothing.
const FIRST_READ_BYTES: usize = 4 << 10;

/// The way an output ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Every writer has closed it, or the controller wants no more.
    Ended,
    /// Other processes than its own hold it, and were not waited for.
    Held,
}

/// Tells when the process behind an output ended; `None` until then. It stays `None` if only the
/// writer's end shall end the output.
pub(crate) type Exit = watch::Receiver<Option<Instant>>;

/// Writes what the controller sends.
pub(super) async fn feed(
    mut writer: impl AsyncWrite + Unpin,
    mut input: mpsc::UnboundedReceiver<Bytes>,
    id: StreamId,
    events: Events,
) {
    let mut broken = false;
    while let Some(bytes) = input.recv().await {
        // A process may stop reading and continue all the same: data that it does not want counts
        // as taken.
        broken = broken || writer.write_all(&bytes).await.is_err();
        let _ = events.send(StreamEvent::Taken {
            id,
            bytes: bytes.len() as u64,
        });
    }
    if !broken {
        let _ = writer.shutdown().await;
    }
}

/// Reads no more than the controller takes.
pub(super) async fn drain(
    mut reader: impl AsyncRead + Unpin,
    mut exit: Exit,
    credit: Arc<Semaphore>,
    id: StreamId,
    events: Events,
) -> Drained {
    let mut buffer = vec![0; FIRST_READ_BYTES];
    let (mut since_exit, mut drained) = (0, Drained::Ended);
    while let Some(room) = take_credit(&credit, buffer.len()).await {
        let Some(read) = read_until(&mut reader, &mut buffer[..room], &mut exit).await else {
            drained = Drained::Held;
            break;
        };
        // A terminal that no program has open any more reports this by an error.
        let Ok(length @ 1..) = read else { break };
        credit.add_permits(room - length);
        let _ = events.send(StreamEvent::Output {
            id,
            bytes: Bytes::copy_from_slice(&buffer[..length]),
        });
        if length == buffer.len() && length < CHUNK_BYTES {
            buffer.resize(CHUNK_BYTES.min(4 * length), 0);
        }
        since_exit += if exit.borrow().is_some() { length } else { 0 };
        if since_exit > MAX_PIPE_BYTES {
            drained = Drained::Held;
            break;
        }
    }
    let _ = events.send(StreamEvent::Finished { id });
    drained
}

/// Waits for credit, and takes at most `most` bytes of it. Returns `None` if the stream is closed.
pub(super) async fn take_credit(credit: &Semaphore, most: usize) -> Option<usize> {
    credit.acquire().await.ok()?.forget();
    let more = credit.available_permits().min(most - 1);
    // The caller's task is the only one that takes from the semaphore.
    if let Ok(more) = credit.try_acquire_many(u32::try_from(more).unwrap_or(0)) {
        more.forget();
    }
    Some(more + 1)
}

/// Reads once. Returns `None` if nothing comes, and the process has been gone for [`DRAIN_WITHIN`].
async fn read_until(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
    exit: &mut Exit,
) -> Option<io::Result<usize>> {
    tokio::select! {
        // Available output comes first, however long it waited for credit.
        biased;
        read = reader.read(buffer) => Some(read),
        () = drain_timeout(exit) => None,
    }
}

/// Waits until the process has been gone for [`DRAIN_WITHIN`].
async fn drain_timeout(exit: &mut Exit) {
    let exited = exit
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|exited| *exited);
    tokio::time::sleep_until(exited.unwrap_or_else(Instant::now) + DRAIN_WITHIN).await;
}
