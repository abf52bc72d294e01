//! Peers that violate the protocol, and messages on the wire. These tests speak the messages
//! themselves, which are private to this crate.

// Names and links that lead elsewhere.
mod names;
// Content and holes that are not as they should be.
mod content;
// Announcements and files in the wrong order, or without end.
mod order;
// Receivers that want what there is not, or answer without end.
mod receivers;
// Random messages and bytes.
mod random;

use std::{
    collections::BTreeSet,
    fs,
    io::{Cursor, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

use serde::Serialize;
use wxec_protocol::Digest;

use crate::{
    Failure, FailureKind, Listener, Options, Source, Step, Summary, Target, TransferEnd,
    Unfinished,
    fingerprint::Fingerprint,
    receiver, sender,
    wire::{Entry, Item, Kind, Time, ToReceiver, ToSender},
    wire::{FrameReader, FrameWriter},
};

const NOW: Time = Time {
    seconds: 1,
    nanoseconds: 2,
};

fn no_listener() -> Listener {
    Arc::new(|_| {})
}

fn target(path: &Path) -> Target {
    Target::Path(path.as_os_str().as_bytes().to_vec())
}

fn source(path: &Path) -> Source {
    Source::Path(path.as_os_str().as_bytes().to_vec())
}

/// Returns messages as they travel.
fn wire<M: Serialize>(messages: &[M]) -> Cursor<Vec<u8>> {
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    messages.iter().for_each(|message| writer.send(message));
    assert!(writer.flush());
    drop(writer);
    Cursor::new(wire)
}

/// Returns the end of a receiver that reads these bytes, and then the end of the stream.
fn receive(target: &Target, options: &Options, wire: impl Read) -> Result<Summary, TransferEnd> {
    receiver::receive(
        target,
        options,
        false,
        &mut FrameReader::new(wire),
        &mut FrameWriter::new(Vec::new()),
        &Unfinished::default(),
        &no_listener(),
    )
    .map(|(summary, _)| summary)
}

/// Returns the end of a sender that reads these bytes, and then the end of the stream.
fn send(source: &Source, wire: Cursor<Vec<u8>>) -> Result<Summary, TransferEnd> {
    sender::send(
        source,
        &Options::default(),
        FrameReader::new(wire),
        &mut FrameWriter::new(std::io::sink()),
        &no_listener(),
    )
}

/// Returns the end of a receiver that gets these messages.
fn hear(
    path: &Path,
    options: &Options,
    messages: &[ToReceiver<'_>],
) -> Result<Summary, TransferEnd> {
    receive(&target(path), options, wire(messages))
}

/// Returns the end of a sender that gets these messages.
fn tell(path: &Path, messages: &[ToSender]) -> Result<Summary, TransferEnd> {
    send(&source(path), wire(messages))
}

fn entry(name: &[u8], kind: Kind) -> Entry {
    Entry {
        name: name.to_vec(),
        kind,
        mode: 0o755,
        modified: NOW,
    }
}

fn file(name: &[u8]) -> Entry {
    entry(
        name,
        Kind::File {
            size: 5,
            fingerprint: None,
        },
    )
}

fn enter(path: &[u8]) -> Item {
    Item::DirectoryStart {
        path: path.to_vec(),
        modified: NOW,
    }
}

fn announce(items: Vec<Item>) -> ToReceiver<'static> {
    ToReceiver::Announce { items, last: true }
}

fn hello() -> Fingerprint {
    Fingerprint::Whole(Digest::of(b"hello"))
}

fn content(number: u64) -> [ToReceiver<'static>; 3] {
    [
        ToReceiver::File { number, offset: 0 },
        ToReceiver::Data(b"hello"),
        ToReceiver::End {
            fingerprint: hello(),
        },
    ]
}

/// Returns everything below a directory.
fn list(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        found.insert(entry.path().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            found.extend(list(&entry.path()));
        }
    }
    found
}

fn refused() -> Failure {
    Failure::new(Step::Reading, "x", FailureKind::PermissionDenied)
}

#[test]
fn the_messages_of_these_tests_are_right() {
    let place = tempfile::tempdir().unwrap();
    let root = Item::Root(entry(b"x", Kind::Directory));
    let mut messages = vec![announce(vec![
        root,
        enter(b""),
        Item::Entry(file(b"a")),
        Item::DirectoryEnd { complete: true },
    ])];
    messages.extend(content(1));
    assert_eq!(
        hear(&place.path().join("tree"), &Options::default(), &messages)
            .unwrap()
            .files,
        1
    );
    assert_eq!(fs::read(place.path().join("tree/a")).unwrap(), b"hello");
    let mut messages = vec![announce(vec![Item::Root(file(b"x"))])];
    messages.extend(content(0));
    assert_eq!(
        hear(&place.path().join("file"), &Options::default(), &messages)
            .unwrap()
            .files,
        1
    );
}
