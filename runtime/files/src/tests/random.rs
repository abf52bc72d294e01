//! Random messages and bytes: nothing outside of the target is touched, and nothing is left behind.

use std::fs;

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{Change, Links, wire::Want};

fn some_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"a".to_vec()),
        Just(b"b".to_vec()),
        Just(b"..".to_vec()),
        vec(any::<u8>(), 0..4)
    ]
}

fn some_entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        (0..10_u64, any::<bool>()).prop_map(|(size, has)| Kind::File {
            size,
            fingerprint: has.then(hello)
        }),
        Just(Kind::Directory),
        prop_oneof![Just(b"..".to_vec()), Just(b"../outside".to_vec())]
            .prop_map(|target| Kind::Link { target }),
    ];
    let time = (any::<i64>(), any::<u32>()).prop_map(|(seconds, nanoseconds)| Time {
        seconds,
        nanoseconds,
    });
    (some_name(), kind, any::<u32>(), time).prop_map(|(name, kind, mode, modified)| Entry {
        name,
        kind,
        mode,
        modified,
    })
}

fn some_message() -> impl Strategy<Value = ToReceiver<'static>> {
    let path = vec(some_name(), 0..3).prop_map(|names| names.join(&b'/'));
    let item = prop_oneof![
        1 => some_entry().prop_map(Item::Root),
        3 => some_entry().prop_map(Item::Entry),
        2 => path.prop_map(|path| Item::DirectoryStart { path, modified: NOW }),
        1 => any::<bool>().prop_map(|complete| Item::DirectoryEnd { complete }),
    ];
    prop_oneof![
        (vec(item, 0..6), any::<bool>())
            .prop_map(|(items, last)| ToReceiver::Announce { items, last }),
        (0..4_u64, 0..2_u64).prop_map(|(number, offset)| ToReceiver::File { number, offset }),
        Just(ToReceiver::Data(b"hello")),
        any::<u64>().prop_map(|length| ToReceiver::Hole { length }),
        Just(ToReceiver::End {
            fingerprint: hello()
        }),
        option::of(0..4_u64).prop_map(|number| ToReceiver::LeftOut {
            number,
            failure: refused()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_sender_gets_out_of_the_target(
        is_tree in any::<bool>(),
        delete in any::<bool>(),
        rest in vec(some_message(), 0..12),
    ) {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("outside")).unwrap();
        fs::write(place.path().join("outside/a"), "untouched").unwrap();
        let root = if is_tree { entry(b"x", Kind::Directory) } else { file(b"x") };
        let mut messages = vec![ToReceiver::Announce { items: vec![Item::Root(root)], last: false }];
        messages.extend(rest);
        let options = Options { delete, ..Options::default() };
        let _ = hear(&place.path().join("target"), &options, &messages);
        let outside = list(&place.path().join("outside"));
        prop_assert_eq!(outside.len(), 1);
        prop_assert_eq!(fs::read(place.path().join("outside/a")).unwrap(), b"untouched");
        for path in list(place.path()) {
            prop_assert!(!path.contains(".wxec-"), "{} was left", path);
        }
    }

    #[test]
    fn any_bytes_are_heard_out(bytes in vec(any::<u8>(), 0..200)) {
        let place = tempfile::tempdir().unwrap();
        let ended = receive(&target(&place.path().join("x")), &Options::default(), &*bytes);
        prop_assert!(ended.is_err());
        fs::write(place.path().join("a"), "hello").unwrap();
        let _ = send(&source(&place.path().join("a")), Cursor::new(bytes));
    }
}

/// Every message is read as it was written.
#[test]
fn messages_survive_the_wire() {
    let failure = Failure {
        path: b"\xff".into(),
        step: Step::Syncing,
        kind: FailureKind::UnknownAccount("x".into()),
    };
    let said = [
        ToSender::Wants {
            wants: vec![Want {
                number: 1,
                part: None,
            }],
        },
        ToSender::Change {
            kind: Change::Delete,
            path: b"a".into(),
        },
        ToSender::Warning { text: "w".into() },
        ToSender::LeftOut(failure.clone()),
        ToSender::Finished {
            summary: Summary {
                digest: Some(Digest::of(b"")),
                ..Summary::default()
            },
            more: 7,
        },
        ToSender::Failed(failure),
    ];
    let mut reader = FrameReader::new(wire(&said));
    for message in &said {
        let read: ToSender = reader.receive().unwrap();
        assert_eq!(format!("{read:?}"), format!("{message:?}"));
    }
    assert_eq!(Links::default(), Links::FollowFirst);
}
