//! Peers that violate the protocol: nothing outside the target is touched, and nothing wrong is
//! left behind.

use std::{
    collections::BTreeSet,
    fs,
    io::{Cursor, pipe},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{collection::vec, option, prelude::*};
use wxec_protocol::Digest;

use crate::{
    Change, Doing, Failure, FailureKind, LeftOut, Links, Listener, Options, Reader, Source,
    Summary, Target, TransferEnd, Unfinished,
    failure::MAX_LEFT_OUT,
    fingerprint::Fingerprint,
    link::{FrameReader, FrameWriter},
    message::{
        BATCH_ENTRIES, Entry, Item, Kind, MAX_AHEAD, MAX_HOLE_BYTES, Part, Time, ToReceiver,
        ToSender, Want,
    },
    receiver, sender,
};

const NOW: Time = Time {
    seconds: 1,
    nanoseconds: 2,
};

fn nobody() -> Listener {
    Arc::new(|_| {})
}

/// Returns the end of a receiver that gets these messages, and then the end of the stream.
fn hear(
    target: &Path,
    options: &Options,
    messages: &[ToReceiver<'_>],
) -> Result<Summary, TransferEnd> {
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    messages.iter().for_each(|message| writer.say(message));
    assert!(writer.flush());
    drop(writer);
    let target = Target::Path(target.as_os_str().as_bytes().to_vec());
    let mut reader = FrameReader::new(Cursor::new(wire));
    let mut sink = FrameWriter::new(Vec::new());
    let unfinished = Unfinished::default();
    receiver::receive(
        &target,
        options,
        false,
        &mut reader,
        &mut sink,
        &unfinished,
        &nobody(),
    )
    .map(|(summary, _)| summary)
}

/// Returns the end of a sender that gets these messages, and then the end of the stream.
fn tell(source: &Path, messages: &[ToSender]) -> Result<Summary, TransferEnd> {
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    messages.iter().for_each(|message| writer.say(message));
    assert!(writer.flush());
    drop(writer);
    let source = Source::Path(source.as_os_str().as_bytes().to_vec());
    let mut sink = FrameWriter::new(Vec::new());
    sender::send(
        &source,
        &Options::default(),
        FrameReader::new(Cursor::new(wire)),
        &mut sink,
        &nobody(),
    )
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
    Item::Enter {
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

#[test]
fn the_messages_of_these_tests_are_right() {
    let place = tempfile::tempdir().unwrap();
    let root = Item::Root(entry(b"x", Kind::Directory));
    let mut messages = vec![announce(vec![
        root,
        enter(b""),
        Item::Entry(file(b"a")),
        Item::Leave { complete: true },
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

#[test]
fn names_lead_nowhere_but_into_the_target() {
    let place = tempfile::tempdir().unwrap();
    let root = || Item::Root(entry(b"x", Kind::Directory));
    for name in [
        &b".."[..],
        b".",
        b"",
        b"a/b",
        b"/etc",
        b"a\0b",
        &[b'a'; 256],
    ] {
        for kind in [
            Kind::Directory,
            Kind::Link {
                target: b"/etc".into(),
            },
            file(b"").kind,
        ] {
            let items = vec![
                root(),
                enter(b""),
                Item::Entry(entry(name, kind)),
                Item::Leave { complete: true },
            ];
            let ended = hear(
                &place.path().join("tree"),
                &Options::default(),
                &[announce(items)],
            );
            assert!(matches!(ended, Err(TransferEnd::Malformed(_))), "{ended:?}");
        }
    }
    for path in [&b".."[..], b"/", b"/etc", b"a/../..", b"a//b", b"a/"] {
        let ended = hear(
            &place.path().join("tree"),
            &Options::default(),
            &[announce(vec![root(), enter(path)])],
        );
        assert!(matches!(ended, Err(TransferEnd::Malformed(_))), "{ended:?}");
    }
    // If the target is a directory to put it into, the sender chooses the name.
    fs::create_dir(place.path().join("into")).unwrap();
    for name in [&b".."[..], b".", b"a/../../b", b""] {
        let into = place.path().join("into/");
        let ended = hear(
            &into,
            &Options::default(),
            &[announce(vec![Item::Root(file(name))])],
        );
        assert!(
            matches!(
                ended,
                Err(TransferEnd::Here(Failure {
                    kind: FailureKind::NoName,
                    ..
                }))
            ),
            "{ended:?}"
        );
    }
}

/// Returns the end of a get from a host that sends these messages.
fn get_from(
    target: &Path,
    asked: &[u8],
    options: &Options,
    messages: &[ToReceiver<'_>],
) -> Result<Summary, TransferEnd> {
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    messages.iter().for_each(|message| writer.say(message));
    assert!(writer.flush());
    drop(writer);
    let target = Target::Path(target.as_os_str().as_bytes().to_vec());
    let unfinished = Unfinished::default();
    crate::get(
        asked,
        &target,
        options,
        false,
        Cursor::new(wire),
        Vec::new(),
        &unfinished,
        &nobody(),
    )
    .map(|(summary, _)| summary)
}

#[test]
fn a_host_does_not_choose_the_name_of_what_was_asked_for() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join(".bashrc"), "untouched").unwrap();
    fs::create_dir(place.path().join("Documents")).unwrap();
    fs::write(place.path().join("Documents/letter"), "untouched").unwrap();
    let here = place.path().join("");
    let mut messages = vec![announce(vec![Item::Root(file(b".bashrc"))])];
    messages.extend(content(0));
    for asked in [
        "/var/log/syslog",
        "syslog",
        "~/syslog",
        "/var/log/syslog/",
        "log/syslog/.",
    ] {
        get_from(&here, asked.as_bytes(), &Options::default(), &messages).unwrap();
        assert_eq!(fs::read(place.path().join("syslog")).unwrap(), b"hello");
        fs::remove_file(place.path().join("syslog")).unwrap();
    }
    let options = Options {
        delete: true,
        ..Options::default()
    };
    let messages = [announce(vec![
        Item::Root(entry(b"Documents", Kind::Directory)),
        enter(b""),
        Item::Leave { complete: true },
    ])];
    get_from(&here, b"/srv/www", &options, &messages).unwrap();
    assert!(place.path().join("www").is_dir());
    assert_eq!(
        fs::read(place.path().join("Documents/letter")).unwrap(),
        b"untouched"
    );
    assert_eq!(
        fs::read(place.path().join(".bashrc")).unwrap(),
        b"untouched"
    );
    // A source that has no name of its own needs one from the user.
    for asked in [
        "~", "~/", "~/.", "~root", "~root/", ".", "..", "/", "a/..", "",
    ] {
        let ended = get_from(&here, asked.as_bytes(), &options, &messages);
        assert!(
            matches!(
                ended,
                Err(TransferEnd::Here(Failure {
                    kind: FailureKind::NoName,
                    ..
                }))
            ),
            "{asked}: {ended:?}"
        );
    }
}

#[test]
fn links_that_were_to_be_followed_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let link = || {
        entry(
            b"x",
            Kind::Link {
                target: b"/etc/shadow".into(),
            },
        )
    };
    let root = [announce(vec![Item::Root(link())])];
    let inner = [announce(vec![
        Item::Root(entry(b"x", Kind::Directory)),
        enter(b""),
        Item::Entry(link()),
        Item::Leave { complete: true },
    ])];
    for (links, messages) in [
        (Links::FollowFirst, &root),
        (Links::Follow, &root),
        (Links::Follow, &inner),
    ] {
        let ended = hear(
            &place.path().join("y"),
            &Options {
                links,
                ..Options::default()
            },
            messages,
        );
        assert_eq!(
            ended,
            Err(TransferEnd::Malformed(
                "it announced a link that was to be followed"
            ))
        );
        assert!(
            !list(place.path())
                .iter()
                .any(|path| Path::new(path).is_symlink())
        );
    }
    for (links, messages) in [
        (Links::Keep, &root),
        (Links::FollowFirst, &inner),
        (Links::Keep, &inner),
    ] {
        let target = place
            .path()
            .join(format!("{links:?}{:?}", messages.as_ptr()));
        hear(
            &target,
            &Options {
                links,
                ..Options::default()
            },
            messages,
        )
        .unwrap();
    }
}

/// Returns true if one entry was left out, at the end that is tested, for this reason.
fn is_left_out(ended: &Result<Summary, TransferEnd>, why: &FailureKind) -> bool {
    let Err(TransferEnd::Incomplete(end)) = ended else {
        return false;
    };
    matches!(&*end.left_out, [LeftOut::Here(failure)] if failure.kind == *why)
}

#[test]
fn a_link_it_sent_itself_leads_nowhere() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("elsewhere")).unwrap();
    let target = b"../elsewhere".to_vec();
    let items = vec![
        Item::Root(entry(b"x", Kind::Directory)),
        enter(b""),
        Item::Entry(entry(b"link", Kind::Link { target })),
        Item::Leave { complete: true },
        enter(b"link"),
        Item::Entry(file(b"a")),
        Item::Leave { complete: true },
    ];
    let options = Options {
        delete: true,
        ..Options::default()
    };
    let ended = hear(
        &place.path().join("tree"),
        &options,
        &[announce(items.clone())],
    );
    assert!(is_left_out(&ended, &FailureKind::IsALink), "{ended:?}");
    let announced = ToReceiver::Announce { items, last: false };
    let messages: Vec<_> = [announced].into_iter().chain(content(2)).collect();
    let ended = hear(&place.path().join("tree"), &options, &messages);
    assert_eq!(
        ended,
        Err(TransferEnd::Malformed("it sent what nobody wanted"))
    );
    assert!(list(&place.path().join("elsewhere")).is_empty());
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("elsewhere")).unwrap();
    let target = place.path().join("tree");
    let (read, write) = pipe().unwrap();
    let agent = std::thread::spawn({
        let target = target.clone();
        move || {
            let target = Target::Path(target.as_os_str().as_bytes().to_vec());
            let mut sink = FrameWriter::new(Vec::new());
            let options = Options::default();
            let unfinished = Unfinished::default();
            receiver::receive(
                &target,
                &options,
                false,
                &mut FrameReader::new(read),
                &mut sink,
                &unfinished,
                &nobody(),
            )
        }
    });
    let mut writer = FrameWriter::new(write);
    let root = Item::Root(entry(b"x", Kind::Directory));
    let items = vec![
        root,
        enter(b""),
        Item::Entry(entry(b"a", Kind::Directory)),
        Item::Entry(entry(b"b", Kind::Directory)),
        Item::Leave { complete: true },
    ];
    writer.say(&ToReceiver::Announce { items, last: false });
    writer.flush();
    let since = Instant::now();
    while !target.join("b").exists() {
        assert!(since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::remove_dir(target.join("a")).unwrap();
    symlink("../elsewhere", target.join("a")).unwrap();
    writer.say(&announce(vec![
        enter(b"a"),
        Item::Entry(file(b"c")),
        Item::Leave { complete: true },
    ]));
    writer.flush();
    let ended = agent.join().unwrap().map(|(summary, _)| summary);
    assert!(is_left_out(&ended, &FailureKind::IsALink), "{ended:?}");
    assert!(list(&place.path().join("elsewhere")).is_empty());
}

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
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    begin()
        .iter()
        .chain([&hole(MAX_HOLE_BYTES)])
        .for_each(|message| writer.say(message));
    drop(writer);
    let (mut reader, mut sink) = (
        FrameReader::new(Cursor::new(wire)),
        FrameWriter::new(Vec::new()),
    );
    let target = Target::Memory { limit: 1 << 20 };
    let unfinished = Unfinished::default();
    let ended = receiver::receive(
        &target,
        &Options::default(),
        false,
        &mut reader,
        &mut sink,
        &unfinished,
        &nobody(),
    );
    let Err(TransferEnd::Here(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::TooLong(1 << 20));
    assert!(list(place.path()).is_empty());
}

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
    let too_much = || Item::Enter {
        path: Vec::new(),
        modified: NOW,
    };
    for messages in [
        vec![announce(vec![])],
        vec![announce(vec![enter(b"")])],
        vec![announce(vec![Item::Entry(file(b"x"))])],
        vec![announce(vec![Item::Leave { complete: true }])],
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
        Doing::Writing,
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
        Item::Leave { complete: true },
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
    let failure = Failure::new(Doing::Writing, "x", FailureKind::NoSpace);
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    writer.say(&ToSender::Wants {
        wants: vec![Want {
            number: 0,
            part: None,
        }],
    });
    writer.say(&ToSender::Failed(failure.clone()));
    drop(writer);
    let source = Source::Reader {
        reader: Reader::new(idle),
        mode: 0o644,
    };
    let (reader, mut sink) = (
        FrameReader::new(Cursor::new(wire)),
        FrameWriter::new(Vec::new()),
    );
    let ended = sender::send(&source, &Options::default(), reader, &mut sink, &nobody());
    assert_eq!(ended, Err(TransferEnd::There(failure)));
}

#[test]
fn answers_to_nothing_are_not_kept() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "hello").unwrap();
    let want = |number| Want { number, part: None };
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    writer.say(&ToSender::Wants {
        wants: vec![want(0)],
    });
    for _ in 0..1000 {
        writer.say(&ToSender::Wants {
            wants: vec![want(0); BATCH_ENTRIES],
        });
    }
    drop(writer);
    // Without the check, this source would go on for ever.
    let source = Source::Reader {
        reader: Reader::new(std::io::repeat(1)),
        mode: 0o644,
    };
    let mut sink = FrameWriter::new(std::io::sink());
    let reader = FrameReader::new(Cursor::new(wire));
    let ended = sender::send(&source, &Options::default(), reader, &mut sink, &nobody());
    assert_eq!(
        ended,
        Err(TransferEnd::Malformed("it answered more than it was asked"))
    );
    let many = ToSender::Wants {
        wants: vec![want(0); BATCH_ENTRIES + 1],
    };
    assert_eq!(
        tell(&place.path().join("a"), &[many]),
        Err(TransferEnd::Malformed("it wants more than there is"))
    );
}

fn refused() -> Failure {
    Failure::new(Doing::Reading, "x", FailureKind::PermissionDenied)
}

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
        2 => path.prop_map(|path| Item::Enter { path, modified: NOW }),
        1 => any::<bool>().prop_map(|complete| Item::Leave { complete }),
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
        let target = Target::Path(place.path().join("x").as_os_str().as_bytes().to_vec());
        let mut sink = FrameWriter::new(Vec::new());
        let mut reader = FrameReader::new(Cursor::new(&bytes));
        let ended = receiver::receive(
            &target, &Options::default(), false, &mut reader, &mut sink, &Unfinished::default(), &nobody(),
        );
        prop_assert!(ended.is_err());
        fs::write(place.path().join("a"), "hello").unwrap();
        let source = Source::Path(place.path().join("a").as_os_str().as_bytes().to_vec());
        let mut sink = FrameWriter::new(Vec::new());
        let reader = FrameReader::new(Cursor::new(bytes));
        let _ = sender::send(&source, &Options::default(), reader, &mut sink, &nobody());
    }
}

/// Every message is read as it was written.
#[test]
fn messages_survive_the_wire() {
    let failure = Failure {
        path: b"\xff".into(),
        doing: Doing::Syncing,
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
    let mut wire = Vec::new();
    let mut writer = FrameWriter::new(&mut wire);
    said.iter().for_each(|message| writer.say(message));
    assert!(writer.flush());
    drop(writer);
    let mut reader = FrameReader::new(Cursor::new(wire));
    for message in &said {
        let read: ToSender = reader.receive().unwrap();
        assert_eq!(format!("{read:?}"), format!("{message:?}"));
    }
    assert_eq!(Links::default(), Links::FollowFirst);
}
