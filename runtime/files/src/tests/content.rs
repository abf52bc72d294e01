//! Content that is not as announced: the old file stays.

use std::fs;

use super::*;
use crate::wire::MAX_HOLE_BYTES;

#[test]
fn content_is_what_its_digest_says_or_nothing() {
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("file");
    fs::write(&target, "old").unwrap();
    let messages = [
        announce(vec![Item::Root(file(b"x"))]),
        ToReceiver::File {
            number: 0,
            offset: 0,
        },
        ToReceiver::Data(b"hellO"),
        ToReceiver::End {
            fingerprint: hello(),
        },
    ];
    let ended = hear(&target, &Options::default(), &messages);
    assert!(
        matches!(
            ended,
            Err(TransferEnd::Here(Failure {
                kind: FailureKind::WrongDigest,
                ..
            }))
        ),
        "{ended:?}"
    );
    assert_eq!(
        (fs::read(&target).unwrap(), list(place.path()).len()),
        (b"old".into(), 1)
    );
}

#[test]
fn holes_are_bounded() {
    let place = tempfile::tempdir().unwrap();
    let begin = || {
        vec![
            announce(vec![Item::Root(file(b"x"))]),
            ToReceiver::File {
                number: 0,
                offset: 0,
            },
        ]
    };
    let hole = |length| ToReceiver::Hole { length };
    for length in [MAX_HOLE_BYTES + 1, u64::MAX] {
        let messages: Vec<_> = begin().into_iter().chain([hole(length)]).collect();
        let ended = hear(&place.path().join("x"), &Options::default(), &messages);
        assert_eq!(
            ended,
            Err(TransferEnd::Malformed("it sent too long a hole"))
        );
    }
    // In memory, holes take as much space as other bytes.
    let messages: Vec<_> = begin().into_iter().chain([hole(MAX_HOLE_BYTES)]).collect();
    let target = Target::Memory { limit: 1 << 20 };
    let ended = receive(&target, &Options::default(), wire(&messages));
    let Err(TransferEnd::Here(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::TooLong(1 << 20));
    assert!(list(place.path()).is_empty());
}
