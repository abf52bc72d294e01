//! Trees: entries that are skipped, deleted, left out.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use wxec_files::{FailureKind, LeftOut, Links, Options, Source, TransferEnd};

use crate::pair::{
    BOTH, Place, as_nobody, as_nobody_already, bytes, listener, noise, put_path, put_told,
};

fn options() -> Options {
    Options::default()
}

#[track_caller]
fn in_the_way(ended: Result<wxec_files::Summary, TransferEnd>) -> (FailureKind, String) {
    match ended {
        Err(TransferEnd::Incomplete(end)) => match &*end.left_out {
            [LeftOut::Here(failure) | LeftOut::There(failure)] => (
                failure.kind.clone(),
                String::from_utf8_lossy(&failure.path).into_owned(),
            ),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Mode, time and content of everything in a tree.
fn state(root: &Path) -> Vec<(String, u32, i64, i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = match () {
            () if metadata.is_dir() => Vec::new(),
            () if metadata.is_symlink() => fs::read_link(&path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec(),
            () => fs::read(&path).unwrap(),
        };
        let (seconds, nanoseconds) = if metadata.is_symlink() {
            (0, 0)
        } else {
            (metadata.mtime(), metadata.mtime_nsec())
        };
        let name = path
            .strip_prefix(root)
            .unwrap()
            .to_string_lossy()
            .into_owned();
        found.push((name, metadata.mode(), seconds, nanoseconds, content));
        if metadata.is_dir() {
            pending.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    found.sort();
    found
}

fn sample(place: &Place) {
    place.write("source/a", "1");
    place.write("source/empty", "");
    place.write("source/b/c/d", noise(200_000));
    place.write("source/b/e", "22");
    fs::create_dir_all(place.path("source/nothing/in/here")).unwrap();
    symlink("../a", place.path("source/b/link")).unwrap();
    symlink("nowhere", place.path("source/dangling")).unwrap();
    fs::write(
        place
            .path("source")
            .join(OsStr::from_bytes(b"\xffcaf\xc3\xa9 \n")),
        "3",
    )
    .unwrap();
    fs::set_permissions(place.path("source/b/c"), Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(place.path("source/nothing"), Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(place.path("source/a"), Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_tree_arrives_as_it_was() {
    let place = Place::new();
    sample(&place);
    for (name, transfer) in BOTH {
        let summary = transfer(&place.path("source"), &place.path(name), &options()).unwrap();
        assert_eq!(
            (summary.files, summary.skipped, summary.digest),
            (7, 0, None)
        );
        assert_eq!(state(&place.path(name)), state(&place.path("source")));
        let again = transfer(&place.path("source"), &place.path(name), &options()).unwrap();
        assert_eq!((again.files, again.skipped), (0, 7));
        assert_eq!(state(&place.path(name)), state(&place.path("source")));
    }
}

#[test]
fn a_slash_puts_a_tree_into_a_directory() {
    let place = Place::new();
    sample(&place);
    fs::create_dir(place.path("into")).unwrap();
    put_path(place.path("source"), place.path("into/"), &options()).unwrap();
    put_path(place.path("source/b/."), place.path("into/"), &options()).unwrap();
    assert_eq!(
        state(&place.path("into/source")),
        state(&place.path("source"))
    );
    assert_eq!(state(&place.path("into/b")), state(&place.path("source/b")));
}

#[test]
fn only_what_differs_is_sent() {
    let place = Place::new();
    sample(&place);
    put_path(place.path("source"), place.path("target"), &options()).unwrap();
    // Same size, another time: the kernel's times are milliseconds apart.
    let written = fs::metadata(place.path("source/b/e"))
        .unwrap()
        .modified()
        .unwrap();
    let file = place.write("source/b/e", "33");
    fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(written + Duration::from_secs(1))
        .unwrap();
    let summary = put_path(place.path("source"), place.path("target"), &options()).unwrap();
    assert_eq!((summary.files, summary.bytes, summary.skipped), (1, 2, 6));
    // Same size, same time: only the digest differs.
    let time = fs::metadata(place.path("source/b/e"))
        .unwrap()
        .modified()
        .unwrap();
    let file = place.write("source/b/e", "44");
    fs::File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(
        put_path(place.path("source"), place.path("target"), &options())
            .unwrap()
            .files,
        0
    );
    let checksum = Options {
        checksum: true,
        ..options()
    };
    let summary = put_path(place.path("source"), place.path("target"), &checksum).unwrap();
    assert_eq!((summary.files, summary.skipped), (1, 6));
    assert_eq!(state(&place.path("target")), state(&place.path("source")));
    // The same content with another time is not sent again.
    place.write("target/b/e", "44");
    assert_eq!(
        put_path(place.path("source"), place.path("target"), &checksum)
            .unwrap()
            .files,
        0
    );
    assert_eq!(state(&place.path("target")), state(&place.path("source")));
}

#[test]
fn what_is_not_in_the_source_is_deleted_if_asked_for() {
    let place = Place::new();
    sample(&place);
    for extra in ["target/x", "target/b/y", "target/b/c/z/1/2", "target/old/1"] {
        place.write(extra, "old");
    }
    symlink("/etc", place.path("target/etc")).unwrap();
    fs::set_permissions(place.path("target/b/c"), Permissions::from_mode(0o750)).unwrap();
    put_path(place.path("source"), place.path("target"), &options()).unwrap();
    assert!(place.path("target/x").exists());

    let delete = Options {
        delete: true,
        ..options()
    };
    let (heard, told) = {
        let (listener, heard) = listener();
        let dry = Options {
            dry_run: true,
            report: true,
            ..delete.clone()
        };
        put_told(
            &Source::Path(bytes(place.path("source"))),
            place.path("target"),
            &dry,
            &listener,
        )
        .unwrap();
        (heard.lock().unwrap().clone(), place.list("target"))
    };
    let mut heard: Vec<_> = heard
        .iter()
        .map(|line| line.replace(place.path("target/").to_str().unwrap(), ""))
        .collect();
    heard.sort();
    assert_eq!(
        heard,
        [
            "delete b/c/z",
            "delete b/y",
            "delete etc",
            "delete old",
            "delete x"
        ]
    );
    assert!(told.contains(&"x".into()), "nothing was deleted");

    let summary = put_path(place.path("source"), place.path("target"), &delete).unwrap();
    assert_eq!((summary.files, summary.deleted), (0, 8));
    assert_eq!(state(&place.path("target")), state(&place.path("source")));
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_it_would() {
    let place = Place::new();
    sample(&place);
    place.write("target/a", "old");
    let before = state(&place.path("target"));
    let (listener, heard) = listener();
    let dry = Options {
        dry_run: true,
        report: true,
        ..options()
    };
    let source = Source::Path(bytes(place.path("source")));
    let summary = put_told(&source, place.path("target"), &dry, &listener).unwrap();
    assert_eq!((summary.files, summary.bytes), (7, 200_004));
    assert_eq!(state(&place.path("target")), before);
    let heard = heard.lock().unwrap().clone();
    let target = place.path("target").display().to_string();
    for change in [
        "update {}/a",
        "create {}/b",
        "create {}/b/c/d",
        "create {}/b/link",
        "create {}/nothing/in/here",
    ] {
        assert!(
            heard.contains(&change.replace("{}", &target)),
            "{change}: {heard:?}"
        );
    }
    put_told(&source, place.path("new"), &dry, &listener).unwrap();
    assert!(!place.path("new").exists());
}

#[test]
fn what_is_of_another_kind_is_in_the_way() {
    let place = Place::new();
    sample(&place);
    let target = |name: &str| place.path("target").join(name).display().to_string();
    place.write("target/a/inside", "a directory where a file should be");
    let ended = put_path(place.path("source"), place.path("target"), &options());
    assert_eq!(in_the_way(ended), (FailureKind::IsADirectory, target("a")));
    fs::remove_dir_all(place.path("target")).unwrap();
    place.write("target/b", "a file where a directory should be");
    let ended = put_path(place.path("source"), place.path("target"), &options());
    assert_eq!(in_the_way(ended), (FailureKind::NotADirectory, target("b")));
    fs::remove_file(place.path("target/b")).unwrap();
    place.write("elsewhere/b", "untouched");
    symlink("../elsewhere", place.path("target/b")).unwrap();
    let ended = put_path(place.path("source"), place.path("target"), &options());
    assert_eq!(in_the_way(ended), (FailureKind::IsALink, target("b")));
    fs::remove_file(place.path("target/a")).unwrap();
    place.write("target/a/inside", "again");
    // An entry in the way is deleted with all of its content; the target of a link is not.
    put_path(
        place.path("source"),
        place.path("target"),
        &Options {
            delete: true,
            ..options()
        },
    )
    .unwrap();
    assert_eq!(state(&place.path("target")), state(&place.path("source")));
    assert_eq!(place.list("elsewhere"), ["b"]);
}

/// Returns the number of files transferred, and a sorted list of the paths below the place that
/// were left out.
fn left_out(
    place: &Place,
    ended: Result<wxec_files::Summary, TransferEnd>,
) -> (u64, Vec<(String, FailureKind)>) {
    let Err(TransferEnd::Incomplete(end)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(end.more, 0);
    let mut found: Vec<_> = end
        .left_out
        .iter()
        .map(|one| {
            let (LeftOut::Here(failure) | LeftOut::There(failure)) = one;
            let path = place.path(OsStr::from_bytes(&failure.path));
            (
                path.strip_prefix(place.path(""))
                    .unwrap()
                    .display()
                    .to_string(),
                failure.kind.clone(),
            )
        })
        .collect();
    found.sort_by_key(|(path, _)| path.clone());
    (end.summary.files, found)
}

#[test]
fn what_is_in_the_way_of_some_does_not_stop_the_rest() {
    for (_, transfer) in BOTH {
        let place = Place::new();
        sample(&place);
        place.write("target/a/inside", "a directory where a file should be");
        place.write("target/b", "a file where a directory should be");
        let (files, failed) = left_out(
            &place,
            transfer(&place.path("source"), &place.path("target"), &options()),
        );
        // Entries of `b` are not named as well.
        let expected = [
            ("target/a", FailureKind::IsADirectory),
            ("target/b", FailureKind::NotADirectory),
        ];
        assert_eq!(failed, expected.map(|(path, kind)| (path.to_owned(), kind)));
        assert_eq!(
            (
                files,
                place.read("target/empty"),
                place.path("target/nothing/in/here").is_dir()
            ),
            (3, b"".into(), true)
        );
    }
}

#[test]
fn devices_in_a_tree_are_not_replaced_unless_all_else_is_deleted() {
    let place = Place::new();
    for name in ["fifo", "masked", "dangling", "file"] {
        place.write(&format!("source/{name}"), name);
    }
    fs::create_dir(place.path("target")).unwrap();
    rustix::fs::mknodat(
        CWD,
        place.path("target/fifo"),
        FileType::Fifo,
        Mode::RUSR,
        0,
    )
    .unwrap();
    symlink("/dev/null", place.path("target/masked")).unwrap();
    symlink("absent", place.path("target/dangling")).unwrap();
    let (files, failed) = left_out(
        &place,
        put_path(place.path("source"), place.path("target"), &options()),
    );
    let expected =
        ["target/fifo", "target/masked"].map(|path| (path.to_owned(), FailureKind::Special));
    assert_eq!((files, failed), (2, expected.to_vec()));
    assert!(
        fs::symlink_metadata(place.path("target/masked"))
            .unwrap()
            .is_symlink()
    );
    // Links in trees are content, and replace each other.
    fs::remove_file(place.path("source/masked")).unwrap();
    symlink("/dev/zero", place.path("source/masked")).unwrap();
    put_path(
        place.path("source"),
        place.path("target"),
        &Options {
            delete: true,
            ..options()
        },
    )
    .unwrap();
    assert_eq!(state(&place.path("target")), state(&place.path("source")));
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn directories_that_were_there_keep_their_modes() {
    for (_, transfer) in BOTH {
        let place = Place::new();
        place.write("source/inner/file", "1");
        place.write("target/inner/file", "old");
        for (path, bits) in [
            ("source", 0o750),
            ("source/inner", 0o500),
            ("target", 0o1777),
            ("target/inner", 0o2775),
        ] {
            fs::set_permissions(place.path(path), Permissions::from_mode(bits)).unwrap();
        }
        transfer(&place.path("source"), &place.path("target"), &options()).unwrap();
        assert_eq!(
            (mode(place.path("target")), mode(place.path("target/inner"))),
            (0o1777, 0o2775)
        );
        assert_eq!(place.read("target/inner/file"), b"1");
        let asked = Options {
            mode: Some(0o640),
            ..options()
        };
        transfer(&place.path("source"), &place.path("target"), &asked).unwrap();
        assert_eq!(
            (mode(place.path("target")), mode(place.path("target/inner"))),
            (0o750, 0o750)
        );
    }
}

#[test]
fn a_directory_of_another_account_takes_what_everybody_may_put_there() {
    let place = Place::new();
    place.write("source/file", "1");
    fs::create_dir(place.path("target")).unwrap();
    fs::set_permissions(place.path("target"), Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(place.path(""), Permissions::from_mode(0o755)).unwrap();
    as_nobody_already(|| put_path(place.path("source"), place.path("target"), &options()).unwrap());
    assert_eq!(
        (place.read("target/file"), mode(place.path("target"))),
        (b"1".into(), 0o1777)
    );
}

#[test]
fn sticky_and_setgid_of_directories_travel_and_are_inherited() {
    for (_, transfer) in BOTH {
        let place = Place::new();
        for (path, bits) in [
            ("source", 0o3770),
            ("source/shared", 0o2775),
            ("source/drop", 0o1777),
            ("source/plain", 0o4755),
        ] {
            fs::create_dir(place.path(path)).unwrap();
            fs::set_permissions(place.path(path), Permissions::from_mode(bits)).unwrap();
        }
        transfer(&place.path("source"), &place.path("target"), &options()).unwrap();
        let modes =
            ["", "shared", "drop", "plain"].map(|name| mode(place.path("target").join(name)));
        assert_eq!(modes, [0o3770, 0o2775, 0o3777, 0o2755]);
    }
}

#[test]
fn directories_that_may_not_be_written_are_closed_when_they_are_full() {
    for (_, transfer) in BOTH {
        let place = Place::new();
        place.write("source/closed/inner/file", "1");
        for path in ["source/closed/inner", "source/closed", "source"] {
            fs::set_permissions(place.path(path), Permissions::from_mode(0o555)).unwrap();
        }
        as_nobody(&place, || {
            transfer(&place.path("source"), &place.path("target"), &options()).unwrap()
        });
        assert_eq!(state(&place.path("target")), state(&place.path("source")));
    }
}

#[test]
fn what_cannot_be_read_does_not_stop_the_rest() {
    for (_, transfer) in BOTH {
        let place = Place::new();
        sample(&place);
        place.write("source/closed/inner", "1");
        place.write("source/listed/inner", "1");
        place.write("source/b/secret", "2");
        for old in [
            "target/closed/inner",
            "target/listed/inner",
            "target/b/secret",
        ] {
            place.write(old, "old");
        }
        for (path, mode) in [
            ("source/closed", 0),
            ("source/listed", 0o600),
            ("source/b/secret", 0),
        ] {
            fs::set_permissions(place.path(path), Permissions::from_mode(mode)).unwrap();
        }
        for checksum in [false, true] {
            // Entries that cannot be read do not count as deleted.
            let options = Options {
                delete: true,
                checksum,
                ..options()
            };
            let ended = as_nobody(&place, || {
                transfer(&place.path("source"), &place.path("target"), &options)
            });
            let expected = ["source/b/secret", "source/closed", "source/listed"];
            let expected = expected.map(|path| (path.to_owned(), FailureKind::PermissionDenied));
            assert_eq!(left_out(&place, ended).1, expected);
            for mode in ["target/closed", "target/listed", "target/b/secret"] {
                fs::set_permissions(place.path(mode), Permissions::from_mode(0o700)).unwrap();
            }
            for old in [
                "target/closed/inner",
                "target/listed/inner",
                "target/b/secret",
            ] {
                assert_eq!(place.read(old), b"old", "{old}");
            }
            assert_eq!(
                (place.read("target/a"), place.read("target/b/e")),
                (b"1".into(), b"22".into())
            );
        }
    }
}

#[test]
fn what_cannot_be_written_does_not_stop_the_rest() {
    for (_, transfer) in BOTH {
        let place = Place::new();
        sample(&place);
        for (path, mode) in [("target/b/c", 0o555), ("target/nothing", 0o555)] {
            fs::create_dir_all(place.path(path)).unwrap();
            fs::set_permissions(place.path(path), Permissions::from_mode(mode)).unwrap();
        }
        let ended = as_nobody(&place, || {
            transfer(&place.path("source"), &place.path("target"), &options())
        });
        let (files, failed) = left_out(&place, ended);
        let expected = ["target/b/c/d", "target/nothing/in"];
        assert_eq!(
            failed,
            expected.map(|path| (path.to_owned(), FailureKind::PermissionDenied))
        );
        assert_eq!((files, place.read("target/b/e")), (6, b"22".into()));
    }
}

#[test]
fn what_vanishes_meanwhile_does_not_stop_the_rest() {
    let place = Place::new();
    for name in ["a", "b", "c/d"] {
        place.write(&format!("source/{name}"), noise(500_000));
    }
    let (source, begun) = (place.path("source"), AtomicBool::new(false));
    // All files are announced by then.
    let listener = std::sync::Arc::new(move |event: wxec_files::Event<'_>| {
        if let wxec_files::Event::File { path, .. } = event
            && !begun.swap(true, Ordering::Relaxed)
        {
            for name in ["a", "b", "c/d"]
                .into_iter()
                .filter(|name| !path.ends_with(name))
            {
                fs::remove_file(source.join(name)).unwrap();
            }
        }
    });
    let ended = put_told(
        &Source::Path(bytes(place.path("source"))),
        place.path("target"),
        &options(),
        &(listener as _),
    );
    let (files, failed) = left_out(&place, ended);
    assert_eq!((files, failed.len()), (1, 2));
    assert!(
        failed
            .iter()
            .all(|(path, kind)| path.starts_with("source/") && *kind == FailureKind::NotFound),
        "{failed:?}"
    );
}

#[test]
fn a_path_that_is_too_long_does_not_stop_the_rest() {
    let place = Place::new();
    place.write("source/short", "1");
    // Deeper than a path can be: made step by step.
    let mut directory =
        rustix::fs::openat(CWD, place.path("source"), OFlags::PATH, Mode::empty()).unwrap();
    for _ in 0..20 {
        let name = "d".repeat(250);
        rustix::fs::mkdirat(&directory, &name, Mode::RWXU).unwrap();
        directory = rustix::fs::openat(&directory, &name, OFlags::PATH, Mode::empty()).unwrap();
    }
    let ended = put_path(place.path("source"), place.path("target"), &options());
    let Err(TransferEnd::Incomplete(end)) = ended else {
        panic!("{ended:?}")
    };
    let [LeftOut::Here(failure)] = &*end.left_out else {
        panic!("{end:?}")
    };
    assert_eq!(
        (&failure.kind, end.summary.files),
        (&FailureKind::NameTooLong, 1)
    );
    assert!(
        failure.path.len() > 4000 && failure.to_string().len() < 600,
        "{failure}"
    );
    assert_eq!(place.read("target/short"), b"1");
}

#[test]
fn links_that_lead_in_a_circle_are_named_for_what_they_are() {
    let place = Place::new();
    place.write("source/a", "1");
    symlink("two", place.path("source/one")).unwrap();
    symlink("one", place.path("source/two")).unwrap();
    let ended = put_path(place.path("source/one"), place.path("target"), &options());
    let Err(TransferEnd::Here(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::LinkLoop);
    let ended = put_path(
        place.path("source/a"),
        place.path("source/one/target"),
        &options(),
    );
    let Err(TransferEnd::There(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::LinkLoop);
    let (listener, heard) = listener();
    let follow = Options {
        links: Links::Follow,
        ..options()
    };
    put_told(
        &Source::Path(bytes(place.path("source"))),
        place.path("target"),
        &follow,
        &listener,
    )
    .unwrap();
    let heard = heard.lock().unwrap().clone();
    assert_eq!(
        heard
            .iter()
            .filter(|line| line.ends_with("links lead around in a circle"))
            .count(),
        2,
        "{heard:?}"
    );
}

#[test]
fn what_is_neither_file_nor_directory_is_left_out_by_name() {
    let place = Place::new();
    place.write("source/a", "1");
    let _socket = UnixListener::bind(place.path("source/socket")).unwrap();
    let (listener, heard) = listener();
    let source = Source::Path(bytes(place.path("source")));
    let summary = put_told(&source, place.path("target"), &options(), &listener).unwrap();
    assert_eq!(summary.files, 1);
    let warning = format!(
        "left out {}: it is neither a file nor a directory",
        place.path("source/socket").display()
    );
    assert_eq!(*heard.lock().unwrap(), [warning]);
}

#[test]
fn links_are_followed_if_asked_for_but_not_in_circles() {
    let place = Place::new();
    place.write("source/a", "1");
    place.write("elsewhere/b/c", "2");
    symlink("a", place.path("source/link")).unwrap();
    symlink("../elsewhere/b", place.path("source/tree")).unwrap();
    symlink("..", place.path("source/circle")).unwrap();
    let (listener, heard) = listener();
    let follow = Options {
        links: Links::Follow,
        ..options()
    };
    put_told(
        &Source::Path(bytes(place.path("source"))),
        place.path("target"),
        &follow,
        &listener,
    )
    .unwrap();
    assert_eq!(place.read("target/tree/c"), b"2");
    assert!(
        fs::symlink_metadata(place.path("target/link"))
            .unwrap()
            .is_file()
    );
    assert!(
        heard
            .lock()
            .unwrap()
            .iter()
            .any(|warning| warning.contains("circle"))
    );
}

#[test]
fn directories_that_nobody_may_enter_are_filled_first() {
    let place = Place::new();
    place.write("source/closed/inner/a", "1");
    put_path(
        place.path("source"),
        place.path("target"),
        &Options {
            mode: Some(0o200),
            ..options()
        },
    )
    .unwrap();
    assert_eq!(
        fs::metadata(place.path("target/closed")).unwrap().mode() & 0o7777,
        0o200
    );
    for directory in ["target", "target/closed", "target/closed/inner"] {
        fs::set_permissions(place.path(directory), Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(
        place.list("target"),
        ["closed", "closed/inner", "closed/inner/a"]
    );
}

#[test]
fn deep_trees_need_no_more_open_files() {
    let place = Place::new();
    let deep = "d/".repeat(300);
    place.write(&format!("source/{deep}a"), "1");
    put_path(place.path("source"), place.path("target"), &options()).unwrap();
    assert_eq!(place.read(&format!("target/{deep}a")), b"1");
}

#[test]
fn ten_thousand_files_are_a_few_round_trips() {
    let place = Place::new();
    for directory in 0..100 {
        fs::create_dir_all(place.path(format!("source/{directory}"))).unwrap();
        for file in 0..100 {
            fs::write(
                place.path(format!("source/{directory}/{file}")),
                format!("{directory} {file}"),
            )
            .unwrap();
        }
    }
    for (name, transfer) in BOTH {
        let summary = transfer(&place.path("source"), &place.path(name), &options()).unwrap();
        assert_eq!(summary.files, 10_000);
        assert_eq!(state(&place.path(name)), state(&place.path("source")));
        let again = Options {
            checksum: true,
            delete: true,
            ..options()
        };
        let summary = transfer(&place.path("source"), &place.path(name), &again).unwrap();
        assert_eq!(
            (summary.files, summary.skipped, summary.deleted),
            (0, 10_000, 0)
        );
    }
}

#[test]
fn a_dry_run_gets_as_far_as_a_run() {
    for plant in [0, 1] {
        let place = Place::new();
        place.write("source/a/b/c", "content");
        fs::create_dir_all(place.path("target")).unwrap();
        match plant {
            0 => _ = place.write("target/a", "a file"),
            _ => symlink("../source", place.path("target/a")).unwrap(),
        }
        let options = Options {
            delete: true,
            ..options()
        };
        let dry = Options {
            dry_run: true,
            ..options.clone()
        };
        let dry = put_path(place.path("source"), place.path("target"), &dry).unwrap();
        let done = put_path(place.path("source"), place.path("target"), &options).unwrap();
        assert_eq!((dry.files, done.files), (1, 1));
        assert_eq!(place.read("target/a/b/c"), b"content");
    }
}
