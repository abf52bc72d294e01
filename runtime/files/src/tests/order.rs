//! Announcements and files in the wrong order, or without end.

use super::*;
use crate::wire::{BATCH_ENTRIES, MAX_AHEAD};

#[test]
fn disorder_is_refused() {
    let root = || announce(vec![Item::Root(file(b"x"))]);
    let data = || ToReceiver::Data(b"hello");
    let end = || ToReceiver::End {
        fingerprint: hello(),
    };
    let begin = |number, offset| ToReceiver::File { number, offset };
    let left_out = |number| ToReceiver::LeftOut {
        number,
        failure: refused(),
    };
    let too_much = || Item::DirectoryStart {
        path: Vec::new(),
        modified: NOW,
    };
    for messages in [
        vec![announce(vec![])],
        vec![announce(vec![enter(b"")])],
        vec![announce(vec![Item::Entry(file(b"x"))])],
        vec![announce(vec![Item::DirectoryEnd { complete: true }])],
        vec![announce(vec![
            Item::Root(file(b"x")),
            Item::Root(file(b"x")),
        ])],
        vec![announce(vec![Item::Root(file(b"x")), enter(b"")])],
        vec![announce(vec![
            Item::Root(entry(b"x", Kind::Directory)),
            Item::Entry(file(b"x")),
        ])],
        vec![announce(vec![
            Item::Root(entry(b"x", Kind::Directory)),
            enter(b""),
            enter(b""),
        ])],
        vec![announce((0..=BATCH_ENTRIES).map(|_| too_much()).collect())],
        vec![root(), root()],
        vec![root(), data()],
        vec![root(), end()],
        vec![root(), begin(1, 0)],
        vec![root(), begin(0, 1)],
        vec![root(), begin(0, 0), begin(0, 1)],
        vec![root(), left_out(Some(7))],
        vec![root(), left_out(Some(0))],
        vec![root(), left_out(None)],
        vec![left_out(None), root()],
        vec![left_out(Some(0)), root()],
        vec![root(), begin(0, 0), left_out(None)],
        vec![root(), begin(0, 0), left_out(Some(0))],
        vec![begin(0, 0)],
        vec![data()],
    ] {
        let place = tempfile::tempdir().unwrap();
        let ended = hear(&place.path().join("x"), &Options::default(), &messages);
        assert!(
            matches!(ended, Err(TransferEnd::Malformed(_))),
            "{messages:?}: {ended:?}"
        );
        assert!(
            list(place.path()).iter().all(|path| path.ends_with("/x")),
            "{messages:?}"
        );
    }
}

#[test]
fn nobody_announces_without_end() {
    let place = tempfile::tempdir().unwrap();
    let mut messages = vec![ToReceiver::Announce {
        items: vec![Item::Root(entry(b"x", Kind::Directory)), enter(b"")],
        last: false,
    }];
    for batch in 0..=MAX_AHEAD + 2 {
        let files = (0..BATCH_ENTRIES)
            .map(|index| Item::Entry(file(format!("{batch}-{index}").as_bytes())));
        messages.push(ToReceiver::Announce {
            items: files.collect(),
            last: false,
        });
    }
    let ended = hear(&place.path().join("tree"), &Options::default(), &messages);
    assert_eq!(ended, Err(TransferEnd::Malformed("it announced too much")));
}
