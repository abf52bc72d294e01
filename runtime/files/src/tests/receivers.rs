//! Receivers that want what there is not, or answer without end.

use std::{fs, io::pipe};

use super::*;
use crate::{
    LeftOut, Reader,
    failure::MAX_LEFT_OUT,
    wire::{BATCH_ENTRIES, Part, Want},
};

#[test]
fn a_receiver_gets_only_what_was_announced() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "hello").unwrap();
    let want = |number| Want { number, part: None };
    let wants = |wants: &[u64]| ToSender::Wants {
        wants: wants.iter().map(|number| want(*number)).collect(),
    };
    let finished = || ToSender::Finished {
        summary: Summary::default(),
        more: 0,
    };
    for messages in [
        vec![wants(&[1])],
        vec![wants(&[0, 0])],
        vec![wants(&[]), wants(&[])],
        vec![finished()],
        (0..100).map(|_| wants(&[])).collect(),
    ] {
        let ended = tell(&place.path().join("a"), &messages);
        assert!(
            matches!(ended, Err(TransferEnd::Malformed(_) | TransferEnd::Closed)),
            "{messages:?}: {ended:?}"
        );
    }
    // The receiver may claim a part that it cannot have.
    let part = Some(Part {
        length: u64::MAX,
        fingerprint: Fingerprint::Whole(Digest::of(b"")),
    });
    let lie = ToSender::Wants {
        wants: vec![Want { number: 0, part }],
    };
    assert_eq!(
        tell(&place.path().join("a"), &[lie, finished()]),
        Ok(Summary::default())
    );
}

#[test]
fn what_is_left_out_is_named_within_reason() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "hello").unwrap();
    let long = Failure::new(
        Step::Writing,
        vec![b'x'; 100_000],
        FailureKind::Other("y".repeat(100_000)),
    );
    let named = |count: usize| {
        let mut messages = vec![ToSender::Wants { wants: vec![] }];
        messages.extend((0..count).map(|_| ToSender::LeftOut(long.clone())));
        messages.push(ToSender::Finished {
            summary: Summary::default(),
            more: u64::MAX,
        });
        tell(&place.path().join("a"), &messages)
    };
    let Err(TransferEnd::Incomplete(end)) = named(MAX_LEFT_OUT) else {
        panic!()
    };
    assert_eq!((end.left_out.len(), end.more), (MAX_LEFT_OUT, u64::MAX));
    assert!(end.to_string().len() < 100);
    let LeftOut::There(failure) = &end.left_out[0] else {
        panic!()
    };
    assert!(failure.path.len() < 10_000 && failure.to_string().len() < 3000);
    assert_eq!(
        named(MAX_LEFT_OUT + 1),
        Err(TransferEnd::Malformed("it named too much that it left out"))
    );
    // In the other direction, a tree may have any number of them, but only some are kept.
    let items = vec![
        Item::Root(entry(b"x", Kind::Directory)),
        enter(b""),
        Item::DirectoryEnd { complete: true },
    ];
    let mut messages = vec![ToReceiver::Announce { items, last: false }];
    messages.extend((0..500).map(|_| ToReceiver::LeftOut {
        number: None,
        failure: long.clone(),
    }));
    messages.push(announce(vec![]));
    let ended = hear(&place.path().join("tree"), &Options::default(), &messages);
    let Err(TransferEnd::Incomplete(end)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!((end.left_out.len(), end.more), (MAX_LEFT_OUT, 400));
}

#[test]
fn a_reader_that_has_nothing_to_say_hides_no_failure() {
    let (idle, _open) = pipe().unwrap();
    let failure = Failure::new(Step::Writing, "x", FailureKind::NoSpace);
    let want = Want {
        number: 0,
        part: None,
    };
    let messages = [
        ToSender::Wants { wants: vec![want] },
        ToSender::Failed(failure.clone()),
    ];
    let source = Source::Reader {
        reader: Reader::new(idle),
        mode: 0o644,
    };
    let ended = send(&source, wire(&messages));
    assert_eq!(ended, Err(TransferEnd::There(failure)));
}

#[test]
fn answers_to_nothing_are_not_kept() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "hello").unwrap();
    let want = |number| Want { number, part: None };
    let wants = |count| ToSender::Wants {
        wants: vec![want(0); count],
    };
    let answers = std::iter::repeat_n(BATCH_ENTRIES, 1000);
    let messages: Vec<_> = std::iter::once(1).chain(answers).map(wants).collect();
    // Without the check, this source would go on for ever.
    let source = Source::Reader {
        reader: Reader::new(std::io::repeat(1)),
        mode: 0o644,
    };
    let ended = send(&source, wire(&messages));
    assert_eq!(
        ended,
        Err(TransferEnd::Malformed("it answered more than it was asked"))
    );
    assert_eq!(
        tell(&place.path().join("a"), &[wants(BATCH_ENTRIES + 1)]),
        Err(TransferEnd::Malformed("it wants more than there is"))
    );
}
