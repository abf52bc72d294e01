//! Sending and receiving files and trees, at both ends of a session.
//!
//! There are two roles. The *sender* announces its entries and sends those that are wanted; the
//! *receiver* compares them with the target, and writes. For `put` the controller sends and the
//! agent receives, for `get` it is the other way round: the controller calls [`put`] or [`get`] and
//! the agent [`serve`], each with one end of the same stream. All of these block; their memory is
//! the same for any file and any number of files.
//!
//! A file is written under a temporary name in its directory, hashed at both ends while it travels,
//! given its mode, owner and time, flushed to disk, and renamed. So at any time there is either the
//! whole old file or the whole new one.
//!
//! ```
//! use std::{io::pipe, sync::Arc, thread};
//! use wxec_files::{Listener, Options, Source, Unfinished, put, serve};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("motd").into_os_string().into_encoded_bytes();
//! let (here, there) = (pipe()?, pipe()?);
//! let agent = thread::spawn(move || serve(there.0, here.1, &Unfinished::default()));
//! let listener: Listener = Arc::new(|_| {});
//! let source = Source::Memory { bytes: b"hello".into(), mode: 0o644 };
//! let summary = put(&source, &path, &Options::default(), false, here.0, there.1, &listener)?;
//! assert_eq!((summary.files, summary.bytes), (1, 5));
//! assert_eq!(std::fs::read(directory.path().join("motd"))?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// From the bottom up: a module uses only those above it in this list.
/// Paths and names, as bytes; no I/O.
mod path;
/// Fingerprints of content, in which holes cost nothing.
mod fingerprint;
/// The options of a transfer, its events and its result.
mod options;
/// Failures, and the ends of transfers.
mod failure;
/// Messages between the two roles, in frames.
mod wire;
/// Files and directories, as both roles find and write them.
mod disk;
/// The role that announces entries and sends those that are wanted.
mod sender;
/// The role that compares entries with its target, and writes.
mod receiver;
#[cfg(test)]
mod tests;

use std::{
    io::{Read, Write},
    sync::Arc,
};

pub use disk::{MIN_PART_BYTES, Unfinished};
pub use failure::{Failure, FailureKind, Incomplete, LeftOut, Step, TransferEnd};
pub use options::{Change, Event, Links, Listener, Options, Summary};
pub use path::{names_directory, part_name};
pub use receiver::{Target, Writer};
pub use sender::{Reader, Source};

use wire::{FrameReader, FrameWriter, Request, ToReceiver};

/// Sends `source` to `path` at the other end of a stream, which runs [`serve`]. `resuming` is true
/// if this was tried a moment ago and the link was cut.
pub fn put<R: Read + Send + 'static, W: Write>(
    source: &Source,
    path: &[u8],
    options: &Options,
    resuming: bool,
    reader: R,
    writer: W,
    listener: &Listener,
) -> Result<Summary, TransferEnd> {
    let mut writer = FrameWriter::new(writer);
    writer.send(&Request::Receive {
        path: path.to_vec(),
        options: options.clone(),
        resuming,
    });
    sender::send(
        source,
        options,
        FrameReader::new(reader),
        &mut writer,
        listener,
    )
}

/// Receives `path` from the other end of a stream, which runs [`serve`], into `target`. Also
/// returns the content, if the target is memory. In a `target` that [names a
/// directory](names_directory) the entry gets the last name of `path`; the other end cannot choose
/// it.
#[allow(
    clippy::too_many_arguments,
    reason = "each is another thing, and there are two callers"
)]
pub fn get<R: Read, W: Write>(
    path: &[u8],
    target: &Target,
    options: &Options,
    resuming: bool,
    reader: R,
    writer: W,
    unfinished: &Unfinished,
    listener: &Listener,
) -> Result<(Summary, Vec<u8>), TransferEnd> {
    let target = &target.named(path)?;
    let mut writer = FrameWriter::new(writer);
    writer.send(&Request::Send {
        path: path.to_vec(),
        options: options.clone(),
    });
    writer.flush();
    receiver::receive(
        target,
        options,
        resuming,
        &mut FrameReader::new(reader),
        &mut writer,
        unfinished,
        listener,
    )
}

/// Checks that `source`, which is here, can be sent, before a host is asked to take it.
pub fn check_source(source: &Source, options: &Options) -> Result<(), Failure> {
    match source {
        Source::Path(path) => sender::check_source(path, options.links),
        Source::Memory { .. } | Source::Reader { .. } => Ok(()),
    }
}

/// Checks that `path` of the other end may be put at `target`, which is here, before a host is
/// asked for it.
pub fn check_target(path: &[u8], target: &Target) -> Result<(), Failure> {
    match target.named(path)? {
        Target::Path(path) => receiver::check_target(&path),
        Target::Memory { .. } | Target::Writer(_) => Ok(()),
    }
}

/// Serves the request of the other end of a stream. Keeps files that are not whole yet in
/// `unfinished`.
///
/// `reader` ends when the other end gives up, and fails when the link is cut: the part of a large
/// file then stays for the next transfer.
pub fn serve<R: Read + Send + 'static, W: Write>(
    reader: R,
    writer: W,
    unfinished: &Unfinished,
) -> Result<Summary, TransferEnd> {
    let (mut reader, mut writer) = (FrameReader::new(reader), FrameWriter::new(writer));
    let silent: Listener = Arc::new(|_| {});
    match reader.receive()? {
        Request::Receive {
            path,
            options,
            resuming,
        } => {
            let target = Target::Path(path);
            receiver::receive(
                &target,
                &options,
                resuming,
                &mut reader,
                &mut writer,
                unfinished,
                &silent,
            )
            .map(|(summary, _)| summary)
        }
        Request::Send { path, options } => {
            let path = disk::expand_home(path).inspect_err(|failure| {
                writer.send(&ToReceiver::Failed(failure.clone()));
                writer.flush();
            })?;
            let source = Source::Path(path);
            sender::send(&source, &options, reader, &mut writer, &silent)
        }
    }
}
