//! Items on a stream between this task and its caller.

use std::{io::ErrorKind, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use wxec_protocol::{Items, cbor, encode_item_as};

use super::super::stream::Stream;
use super::end::{ChannelEnd, RecvError, of_write};
use crate::abi::form;

/// Bytes that are read at once.
const PART_BYTES: usize = 64 << 10;

/// Writes an item, and blocks while too many bytes wait for the caller.
pub(super) fn write(stream: &Stream, item: &(impl Serialize + ?Sized)) -> Result<(), ChannelEnd> {
    let bytes = encode_item_as(form::current(), item)
        .map_err(|error| ChannelEnd::Broken(format!("an item {error}")))?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[stream.write(rest).map_err(|error| of_write(&error))?..];
    }
    Ok(())
}

/// Items that the caller sends.
pub(super) struct Incoming {
    stream: Stream,
    items: Items,
    part: Vec<u8>,
    /// The reason why no more items come, once a read has found it.
    pub(super) end: Option<ChannelEnd>,
}

impl Incoming {
    /// Takes the items that come on `stream`.
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            items: Items::default(),
            part: Vec::new(),
            end: None,
        }
    }

    /// Returns the next item, if it comes in time.
    pub(super) fn next<T: DeserializeOwned + 'static>(
        &mut self,
        within: Option<Duration>,
    ) -> Result<T, RecvError> {
        let next = self.take(within);
        if let Err(RecvError::Ended(end)) = &next {
            self.end.get_or_insert_with(|| end.clone());
        }
        next
    }

    fn take<T: DeserializeOwned + 'static>(
        &mut self,
        within: Option<Duration>,
    ) -> Result<T, RecvError> {
        self.stream.set_read_timeout(within);
        loop {
            if let Some(item) = self.items.next_item().map_err(broken)? {
                return cbor::decode_shared_as(form::current(), item).map_err(broken);
            }
            self.part.resize(PART_BYTES, 0);
            match self.stream.read(&mut self.part) {
                Ok(0) => {
                    self.items.finish().map_err(broken)?;
                    return Err(RecvError::Ended(ChannelEnd::Closed));
                }
                Ok(length) => self.items.push(&self.part[..length]),
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    return Err(RecvError::Timeout);
                }
                Err(error) => return Err(broken(error)),
            }
        }
    }
}

fn broken(reason: impl ToString) -> RecvError {
    RecvError::Ended(ChannelEnd::Broken(reason.to_string()))
}
