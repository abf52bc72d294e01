//! Supplies a task with what is in a channel.

use std::{future::pending, pin::Pin, sync::Arc};

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wxec_protocol::encode_item;

use super::{
    outcome::{Outcome, dropped, ended, reason_of_end},
    running::Bridge,
};
use crate::{
    base::runtime,
    channel::{ChannelEnd, Receiver, Source, channel},
    error::{CallError, CallErrorKind},
    session::{stream::StreamWriter, task_stream::TaskStream},
};

/// Announces an item that never comes: the receiver learns that something is missing.
const UNFINISHED_ITEM: [u8; 4] = 1_u32.to_le_bytes();

/// Supplies a task with what is in a channel.
pub(super) struct Supply<T> {
    pub(super) receiver: Receiver<T>,
    pub(super) host: Arc<str>,
}

impl<T: Serialize + Send + 'static> Bridge for Supply<T> {
    fn run(
        self: Box<Self>,
        stream: TaskStream,
        outcome: Outcome,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Self { receiver, host } = *self;
            let receiver = receiver.queued();
            let TaskStream {
                mut reader,
                mut writer,
                ended: stream_ended,
                ..
            } = stream;
            let call_ended = ended(outcome.clone());
            let over = async {
                let mut ignored = vec![0; 64];
                while let Ok(1..) = reader.read(&mut ignored).await {}
                reason_of_end(stream_ended, call_ended).await
            };
            let end = tokio::select! {
                supplied = supply(&receiver, &mut writer) => {
                    if let Err(kind) = supplied {
                        receiver.end_with(ChannelEnd::Failed(Box::new(CallError::new(host, kind))));
                        // The task must not mistake the items it got for all of them.
                        let _ = writer.write_all(&UNFINISHED_ITEM).await;
                    }
                    // The end of the stream follows all that was sent.
                    let _ = writer.shutdown().await;
                    return;
                },
                end = over => end,
                () = dropped(outcome) => ChannelEnd::Cancelled,
            };
            receiver.end_with(end);
            reader.close();
        })
    }

    fn give_up(self: Box<Self>, end: ChannelEnd) {
        self.receiver.end_with(end);
    }
}

/// Sends all items of a channel.
async fn supply<T: Serialize + Send + 'static>(
    receiver: &Receiver<T>,
    writer: &mut StreamWriter,
) -> Result<(), CallErrorKind> {
    while let Ok(item) = receiver.recv_async().await {
        let item = encode_item(&item).map_err(CallErrorKind::Encode)?;
        if writer.write_all(&item).await.is_err() {
            // The stream is over; the branch that reads it tells why.
            pending::<()>().await;
        }
    }
    Ok(())
}

impl<T: Send + 'static> Receiver<T> {
    /// Moves an iterator behind a queue: it may block, on a thread where that harms no other code.
    fn queued(self) -> Self {
        if matches!(*self.source, Source::Queue(_)) {
            return self;
        }
        let (sender, receiver) = channel();
        runtime::spawn(runtime::blocking(move || {
            _ = self.into_iter().try_for_each(|item| sender.send(item))
        }));
        receiver
    }
}
