//! Names and links that lead elsewhere: nothing outside of the target is touched.

use std::{
    fs,
    io::pipe,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use super::*;
use crate::{LeftOut, Links};

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
                Item::DirectoryEnd { complete: true },
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
    path: &Path,
    asked: &[u8],
    options: &Options,
    messages: &[ToReceiver<'_>],
) -> Result<Summary, TransferEnd> {
    crate::get(
        asked,
        &target(path),
        options,
        false,
        wire(messages),
        Vec::new(),
        &Unfinished::default(),
        &no_listener(),
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
        Item::DirectoryEnd { complete: true },
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
        Item::DirectoryEnd { complete: true },
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
fn is_left_out(ended: &Result<Summary, TransferEnd>, reason: &FailureKind) -> bool {
    let Err(TransferEnd::Incomplete(end)) = ended else {
        return false;
    };
    matches!(&*end.left_out, [LeftOut::Here(failure)] if failure.kind == *reason)
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
        Item::DirectoryEnd { complete: true },
        enter(b"link"),
        Item::Entry(file(b"a")),
        Item::DirectoryEnd { complete: true },
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
        Err(TransferEnd::Malformed("it sent what was not wanted"))
    );
    assert!(list(&place.path().join("elsewhere")).is_empty());
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("elsewhere")).unwrap();
    let tree = place.path().join("tree");
    let (read, write) = pipe().unwrap();
    let agent = std::thread::spawn({
        let target = target(&tree);
        move || receive(&target, &Options::default(), read)
    });
    let mut writer = FrameWriter::new(write);
    let root = Item::Root(entry(b"x", Kind::Directory));
    let items = vec![
        root,
        enter(b""),
        Item::Entry(entry(b"a", Kind::Directory)),
        Item::Entry(entry(b"b", Kind::Directory)),
        Item::DirectoryEnd { complete: true },
    ];
    writer.send(&ToReceiver::Announce { items, last: false });
    writer.flush();
    let since = Instant::now();
    while !tree.join("b").exists() {
        assert!(since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::remove_dir(tree.join("a")).unwrap();
    symlink("../elsewhere", tree.join("a")).unwrap();
    writer.send(&announce(vec![
        enter(b"a"),
        Item::Entry(file(b"c")),
        Item::DirectoryEnd { complete: true },
    ]));
    writer.flush();
    let ended = agent.join().unwrap();
    assert!(is_left_out(&ended, &FailureKind::IsALink), "{ended:?}");
    assert!(list(&place.path().join("elsewhere")).is_empty());
}
