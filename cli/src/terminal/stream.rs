//! Stdout or stderr, written without a buffer.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::Mutex,
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::base::sync::lock;

/// Stdout or stderr, instead of [`io::stdout`], which reports success for writes to a closed file
/// descriptor.
#[derive(Debug)]
pub(crate) struct Stream(Mutex<Option<File>>);

impl Stream {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Writes `bytes` to the stream, which is always the same, in one piece.
    pub(crate) fn write_all(&self, stream: impl AsFd, bytes: &[u8]) -> io::Result<()> {
        let mut file = lock(&self.0);
        if file.is_none() {
            // The parent process may have left the stream non-blocking, as rsync does.
            let flags = fcntl_getfl(&stream)?;
            if flags.contains(OFlags::NONBLOCK) {
                fcntl_setfl(&stream, flags - OFlags::NONBLOCK)?;
            }
            *file = Some(stream.as_fd().try_clone_to_owned()?.into());
        }
        file.as_mut().expect("it was just opened").write_all(bytes)
    }
}
