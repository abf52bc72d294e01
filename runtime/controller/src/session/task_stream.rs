//! The controller's end of a stream of a call, as items.

use bytes::Bytes;
use tokio::{io::AsyncReadExt, sync::oneshot};
use wxec_protocol::{Items, StreamEnd};

use super::{
    loss::Loss,
    stream::{StreamReader, StreamWriter},
};

/// Bytes to read from a stream at once.
const PART_BYTES: usize = 64 << 10;

/// The controller's end of a stream of a call.
pub(crate) struct TaskStream {
    pub(crate) reader: StreamReader,
    pub(crate) writer: StreamWriter,
    pub(crate) ended: oneshot::Receiver<Result<StreamEnd, Loss>>,
    /// Bytes that were read and do not make an item yet.
    items: Items,
}

impl TaskStream {
    pub(crate) fn new(
        reader: StreamReader,
        writer: StreamWriter,
        ended: oneshot::Receiver<Result<StreamEnd, Loss>>,
    ) -> Self {
        Self {
            reader,
            writer,
            ended,
            items: Items::default(),
        }
    }

    /// Returns the next item, as CBOR, or `None` at the end.
    pub(crate) async fn next_item(&mut self) -> Result<Option<Bytes>, Broken> {
        let mut part = Vec::new();
        loop {
            match self.items.next_item() {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(error) => return Err(Broken::Item(error.to_string())),
            }
            part.resize(PART_BYTES, 0);
            match self.reader.read(&mut part).await {
                Ok(0) => return Ok(None),
                Ok(length) => self.items.push(&part[..length]),
                Err(error) => return Err(Broken::Lost(error.to_string())),
            }
        }
    }
}

/// The reason why a stream breaks off.
pub(crate) enum Broken {
    /// Its bytes are not an item.
    Item(String),
    /// The session is lost, so nothing more arrives.
    Lost(String),
}
