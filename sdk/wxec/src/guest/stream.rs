//! A stream of bytes that the host has open for this call.

use std::{io, time::Duration};

use wxec_protocol::abi::StreamSelect;

use super::{ask, imports};

/// The handle of a stream. Dropping it closes the stream.
#[derive(Debug)]
pub(super) struct Stream(i32);

impl Stream {
    /// Takes over a stream that the host has opened.
    pub(super) fn of(handle: i32) -> Self {
        Self(handle)
    }

    pub(super) fn handle(&self) -> i32 {
        self.0
    }

    /// Bounds how long reading may wait.
    pub(super) fn set_read_timeout(&self, within: Option<Duration>) {
        let ms = within.map_or(-1, |within| {
            i64::try_from(within.as_millis()).unwrap_or(i64::MAX)
        });
        let _ = imports::stream_timeout(self.0, 0, ms);
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        ask::count(imports::stream_read(self.0, buffer))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        ask::count(imports::stream_write(self.0, bytes))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = imports::stream_close(self.0);
    }
}

/// Waits until one of some streams is ready. Returns its index in both lists, counted through
/// `write` and then `read`.
pub(super) fn select(write: Vec<i32>, read: Vec<i32>) -> io::Result<usize> {
    let (place, ()) = ask::ask(imports::stream_select, &StreamSelect { write, read })?;
    Ok(usize::try_from(place).expect("it is not negative"))
}
