//! One file: how it looks, where it goes, what is in the way.

use std::{
    fs::{self, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::{Duration, SystemTime},
};

use wxec_files::{FailureKind, Links, Options, Reader, Source, Step, Target, TransferEnd, Writer};

use crate::pair::{BOTH, Place, bytes, get_path, get_to, noise, put_path, put_source};

#[track_caller]
fn failure(ended: Result<impl std::fmt::Debug, TransferEnd>) -> (FailureKind, String) {
    match ended {
        Err(TransferEnd::Here(failure) | TransferEnd::There(failure)) => {
            (failure.kind.clone(), failure.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_arrives_as_it_was() {
    let place = Place::new();
    for length in [0, 1, 65_535, 65_536, 65_537, 3_000_000] {
        let content = noise(length);
        let source = place.write("source", &content);
        fs::set_permissions(&source, Permissions::from_mode(0o640)).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        fs::File::options()
            .write(true)
            .open(&source)
            .unwrap()
            .set_modified(then)
            .unwrap();
        for (name, transfer) in BOTH {
            let target = place.path(name);
            let summary = transfer(&source, &target, &Options::default()).unwrap();
            assert_eq!((summary.files, summary.bytes), (1, length as u64));
            assert_eq!(summary.digest, Some(wxec_protocol::Digest::of(&content)));
            assert_eq!(fs::read(&target).unwrap(), content);
            let metadata = fs::metadata(&target).unwrap();
            assert_eq!(
                (metadata.mode() & 0o7777, metadata.modified().unwrap()),
                (0o640, then)
            );
        }
    }
    assert_eq!(place.list("."), ["get", "put", "source"]);
}

#[test]
fn bytes_need_no_file() {
    let place = Place::new();
    let source = Source::Memory {
        bytes: b"hello".into(),
        mode: 0o604,
    };
    put_source(&source, place.path("motd"), &Options::default()).unwrap();
    assert_eq!(place.read("motd"), b"hello");
    assert_eq!(
        fs::metadata(place.path("motd")).unwrap().mode() & 0o7777,
        0o604
    );
    let (_, content) = get_to(
        place.path("motd"),
        &Target::Memory { limit: 5 },
        &Options::default(),
    )
    .unwrap();
    assert_eq!(content, b"hello");
    let (kind, _) = failure(get_to(
        place.path("motd"),
        &Target::Memory { limit: 4 },
        &Options::default(),
    ));
    assert_eq!(kind, FailureKind::TooLong(4));
}

#[test]
fn files_of_the_kernel_are_longer_than_they_say() {
    let (_, content) = get_to(
        "/proc/self/status",
        &Target::Memory { limit: 1 << 20 },
        &Options::default(),
    )
    .unwrap();
    assert!(content.starts_with(b"Name:"));
}

#[test]
fn files_of_the_kernel_are_shorter_than_they_say() {
    let place = Place::new();
    let source = std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    let source = if source.exists() {
        source
    } else {
        std::path::Path::new("/sys/kernel/notes")
    };
    let content = fs::read(source).unwrap();
    assert_ne!(
        fs::metadata(source).unwrap().len(),
        content.len() as u64,
        "it says how long it is"
    );
    for (name, transfer) in BOTH {
        let summary = transfer(source, &place.path(name), &Options::default()).unwrap();
        assert_eq!(
            (summary.bytes, place.read(name)),
            (content.len() as u64, content.clone())
        );
    }
}

#[test]
fn what_is_neither_file_nor_directory_is_never_replaced() {
    let place = Place::new();
    let source = place.write("source", "content");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path("socket")).unwrap();
    symlink("fifo", place.path("link")).unwrap();
    // A link like /dev/stdout.
    symlink("/proc/self/fd/1", place.path("stdout")).unwrap();
    symlink("stdout", place.path("further")).unwrap();
    symlink("absent", place.path("dangling")).unwrap();
    let before = place.list(".");
    for (_, transfer) in BOTH {
        for name in ["fifo", "socket", "link", "stdout", "further", "dangling"] {
            let found = fs::symlink_metadata(place.path(name)).unwrap();
            for dry_run in [true, false] {
                let options = Options {
                    dry_run,
                    checksum: true,
                    ..Options::default()
                };
                let (kind, text) = failure(transfer(&source, &place.path(name), &options));
                let why = if name == "dangling" {
                    FailureKind::DanglingLink
                } else {
                    FailureKind::Special
                };
                assert_eq!(kind, why, "{name}");
                assert_eq!(
                    text,
                    format!("cannot replace {}: {why}", place.path(name).display())
                );
            }
            assert_eq!(
                fs::symlink_metadata(place.path(name)).unwrap().ino(),
                found.ino(),
                "{name}"
            );
        }
    }
    assert_eq!(place.list("."), before);
    // `check_target` finds this before a host is asked.
    for name in ["fifo", "socket", "link", "stdout", "further"] {
        let target = Target::Path(bytes(place.path(name)));
        assert_eq!(
            wxec_files::check_target(b"/etc/hostname", &target)
                .unwrap_err()
                .kind,
            FailureKind::Special
        );
    }
    for name in ["source", "", "absent", "absent/absent", "dangling"] {
        wxec_files::check_target(b"/etc/hostname", &Target::Path(bytes(place.path(name)))).unwrap();
    }
}

#[test]
fn a_slash_puts_a_file_into_a_directory() {
    let place = Place::new();
    let source = place.write("source", "content");
    fs::create_dir(place.path("directory")).unwrap();
    let (kind, text) = failure(put_path(
        &source,
        place.path("directory"),
        &Options::default(),
    ));
    assert_eq!(kind, FailureKind::IsADirectory);
    assert_eq!(
        text,
        format!(
            "cannot replace {}: it is a directory",
            place.path("directory").display()
        )
    );
    put_path(&source, place.path("directory/"), &Options::default()).unwrap();
    assert_eq!(place.read("directory/source"), b"content");
    get_path(&source, place.path("directory/.."), &Options::default()).unwrap();
}

#[test]
fn what_is_in_the_way_is_named() {
    let place = Place::new();
    let source = place.write("source", "content");
    let absent = place.path("absent");
    assert_eq!(
        failure(put_path(&absent, place.path("x"), &Options::default())).0,
        FailureKind::NotFound
    );
    assert_eq!(
        failure(get_path(&absent, place.path("x"), &Options::default())).0,
        FailureKind::NotFound
    );
    for (_, transfer) in BOTH {
        let (kind, text) = failure(transfer(
            &source,
            &place.path("absent/x"),
            &Options::default(),
        ));
        assert_eq!(
            (kind, text),
            (
                FailureKind::NotFound,
                format!(
                    "cannot create {}: no such file or directory",
                    absent.display()
                )
            )
        );
    }
    assert_eq!(
        failure(get_path("/dev/null", place.path("x"), &Options::default())).0,
        FailureKind::Special
    );
    let options = Options {
        owner: Some("nobody-of-that-name".into()),
        ..Options::default()
    };
    let (kind, _) = failure(put_path(&source, place.path("x"), &options));
    assert_eq!(
        kind,
        FailureKind::UnknownAccount("nobody-of-that-name".into())
    );
    assert_eq!(place.list("."), ["source"]);
}

#[test]
fn missing_directories_are_made_if_asked_for() {
    let place = Place::new();
    let source = place.write("source", "content");
    let options = Options {
        parents: true,
        ..Options::default()
    };
    put_path(
        &source,
        place.path("a/b/c"),
        &Options {
            dry_run: true,
            ..options.clone()
        },
    )
    .unwrap();
    assert_eq!(place.list("."), ["source"]);
    put_path(&source, place.path("a/b/c"), &options).unwrap();
    assert_eq!(place.read("a/b/c"), b"content");
}

#[test]
fn mode_owner_and_time_are_as_asked_for() {
    let place = Place::new();
    let source = place.write("source", "content");
    let options = Options {
        mode: Some(0o4751),
        times: false,
        ..Options::default()
    };
    put_path(&source, place.path("x"), &options).unwrap();
    assert_eq!(
        fs::metadata(place.path("x")).unwrap().mode() & 0o7777,
        0o4751
    );
    // A source on another machine cannot make a program run as another account.
    fs::set_permissions(&source, Permissions::from_mode(0o6755)).unwrap();
    get_path(&source, place.path("y"), &Options::default()).unwrap();
    assert_eq!(
        fs::metadata(place.path("y")).unwrap().mode() & 0o7777,
        0o755
    );
    let options = Options {
        owner: Some("4321".into()),
        group: Some("8765".into()),
        ..Options::default()
    };
    match put_path(&source, place.path("z"), &options) {
        Ok(_) => {
            let metadata = fs::metadata(place.path("z")).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (4321, 8765));
        }
        // Only root may change owners.
        Err(TransferEnd::There(failure)) => {
            assert_eq!(
                (failure.step, failure.kind),
                (Step::SettingOwner, FailureKind::PermissionDenied)
            );
            assert!(!place.path("z").exists());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mode_that_is_asked_for_is_given_to_equal_files_whole() {
    let place = Place::new();
    let source = place.write("source", "content");
    fs::set_permissions(&source, Permissions::from_mode(0o755)).unwrap();
    put_path(&source, place.path("x"), &Options::default()).unwrap();
    let options = Options {
        mode: Some(0o4755),
        checksum: true,
        ..Options::default()
    };
    assert_eq!(
        put_path(&source, place.path("x"), &options)
            .unwrap()
            .skipped,
        1
    );
    assert_eq!(
        fs::metadata(place.path("x")).unwrap().mode() & 0o7777,
        0o4755
    );
    // Without a mode in the options, such bits are the target's own.
    let options = Options {
        checksum: true,
        ..Options::default()
    };
    assert_eq!(
        put_path(&source, place.path("x"), &options)
            .unwrap()
            .skipped,
        1
    );
    assert_eq!(
        fs::metadata(place.path("x")).unwrap().mode() & 0o7777,
        0o4755
    );
}

#[test]
fn equal_content_is_not_sent_again_if_digests_count() {
    let place = Place::new();
    let source = place.write("source", "content");
    let options = Options {
        checksum: true,
        ..Options::default()
    };
    assert_eq!(
        put_path(&source, place.path("x"), &options).unwrap().files,
        1
    );
    fs::set_permissions(place.path("x"), Permissions::from_mode(0o600)).unwrap();
    let summary = put_path(&source, place.path("x"), &options).unwrap();
    assert_eq!((summary.files, summary.skipped, summary.bytes), (0, 1, 0));
    // Its mode is set all the same.
    assert_eq!(fs::metadata(place.path("x")).unwrap().mode() & 0o777, 0o644);
    // Without `checksum`, a file that is named is sent.
    assert_eq!(
        put_path(&source, place.path("x"), &Options::default())
            .unwrap()
            .files,
        1
    );
}

#[test]
fn a_link_stands_for_its_file_unless_it_is_kept() {
    let place = Place::new();
    place.write("source", "content");
    symlink("source", place.path("link")).unwrap();
    put_path(
        place.path("link"),
        place.path("followed"),
        &Options::default(),
    )
    .unwrap();
    assert!(
        fs::symlink_metadata(place.path("followed"))
            .unwrap()
            .is_file()
    );
    let options = Options {
        links: Links::Keep,
        ..Options::default()
    };
    put_path(place.path("link"), place.path("kept"), &options).unwrap();
    assert_eq!(
        fs::read_link(place.path("kept")).unwrap().to_str(),
        Some("source")
    );
}

#[test]
fn a_link_in_the_targets_place_is_replaced() {
    let place = Place::new();
    let source = place.write("source", "new");
    fs::create_dir(place.path("directory")).unwrap();
    symlink("directory", place.path("to-directory")).unwrap();
    put_path(&source, place.path("to-directory"), &Options::default()).unwrap();
    assert_eq!(
        (place.read("to-directory"), place.list("directory").len()),
        (b"new".into(), 0)
    );
    place.write("elsewhere", "old");
    symlink("elsewhere", place.path("link")).unwrap();
    put_path(&source, place.path("link"), &Options::default()).unwrap();
    assert_eq!(
        (place.read("link"), place.read("elsewhere")),
        (b"new".into(), b"old".into())
    );
}

#[test]
fn holes_stay_holes_and_cost_nothing() {
    for (name, transfer) in BOTH {
        let place = Place::new();
        let file = fs::File::create(place.path("source")).unwrap();
        // Larger than a test could send or hash.
        file.set_len(4 << 40).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"middle", (1 << 40) + 12345).unwrap();
        let summary = transfer(
            &place.path("source"),
            &place.path(name),
            &Options::default(),
        )
        .unwrap();
        assert_eq!((summary.bytes, summary.digest), (4 << 40, None));
        let metadata = fs::metadata(place.path(name)).unwrap();
        assert_eq!(metadata.len(), 4 << 40);
        assert!(metadata.blocks() * 512 < 1 << 20, "{}", metadata.blocks());
        let mut middle = [0; 8];
        let copy = fs::File::open(place.path(name)).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&copy, &mut middle, (1 << 40) + 12344).unwrap();
        assert_eq!(&middle, b"\0middle\0");
        // `checksum` finds it equal without reading the holes.
        let again = Options {
            checksum: true,
            ..Options::default()
        };
        assert_eq!(
            transfer(&place.path("source"), &place.path(name), &again)
                .unwrap()
                .skipped,
            1
        );
    }
}

#[test]
fn zeros_are_the_same_as_holes() {
    let place = Place::new();
    let mut content = noise(100_000);
    content.resize(2 << 20, 0);
    content.extend(noise(100_000));
    let source = place.write("source", &content);
    let summary = put_path(&source, place.path("target"), &Options::default()).unwrap();
    // The digest is the usual one of the content.
    assert_eq!(summary.digest, Some(wxec_protocol::Digest::of(&content)));
    assert!(place.read("target") == content);
    assert!(fs::metadata(place.path("target")).unwrap().blocks() * 512 < 1 << 20);
    let again = Options {
        checksum: true,
        ..Options::default()
    };
    assert_eq!(
        put_path(&source, place.path("target"), &again)
            .unwrap()
            .skipped,
        1
    );
    let (_, read) = get_to(
        place.path("target"),
        &Target::Memory { limit: 8 << 20 },
        &Options::default(),
    )
    .unwrap();
    assert!(read == content);
}

/// A writer that keeps its bytes, or fails.
#[derive(Clone, Default)]
struct Kept {
    bytes: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    fails: bool,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.fails {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        self.bytes.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_read_once_is_put() {
    let place = Place::new();
    let content = noise(3_000_000);
    let source = |content: Vec<u8>| Source::Reader {
        reader: Reader::new(io::Cursor::new(content)),
        mode: 0o640,
    };
    for options in [
        Options::default(),
        Options {
            checksum: true,
            ..Options::default()
        },
    ] {
        let summary = put_source(&source(content.clone()), place.path("target"), &options).unwrap();
        assert_eq!(
            (summary.bytes, summary.digest),
            (3_000_000, Some(wxec_protocol::Digest::of(&content)))
        );
        assert!(place.read("target") == content);
        assert_eq!(
            fs::metadata(place.path("target")).unwrap().mode() & 0o7777,
            0o640
        );
    }
    put_source(
        &source(Vec::new()),
        place.path("empty"),
        &Options::default(),
    )
    .unwrap();
    assert_eq!(place.read("empty"), b"");
    // A reader has no name, and can be read only once.
    let (kind, _) = failure(put_source(
        &source(content.clone()),
        place.path(""),
        &Options::default(),
    ));
    assert_eq!(kind, FailureKind::NoName);
    let once = source(content);
    put_source(&once, place.path("target"), &Options::default()).unwrap();
    let (_, text) = failure(put_source(&once, place.path("target"), &Options::default()));
    assert_eq!(text, "cannot read the input: it was read already");
}

#[test]
fn what_cannot_be_read_once_leaves_the_old_file() {
    struct Fails(u32);
    impl Read for Fails {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            match self.0 {
                0 => Err(io::Error::other("broken")),
                _ => {
                    self.0 -= 1;
                    bytes.fill(1);
                    Ok(bytes.len())
                }
            }
        }
    }
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            std::panic::resume_unwind(Box::new("no end of the content"))
        }
    }
    let place = Place::new();
    place.write("target", "old");
    for (reader, why) in [
        (Reader::new(Fails(10)), "broken"),
        (Reader::new(Panics), "its reader panicked"),
    ] {
        let source = Source::Reader {
            reader,
            mode: 0o644,
        };
        let (_, text) = failure(put_source(
            &source,
            place.path("target"),
            &Options::default(),
        ));
        assert_eq!(text, format!("cannot read the input: {why}"));
        assert_eq!(
            (place.read("target"), place.list(".")),
            (b"old".into(), vec!["target".into()])
        );
    }
}

#[test]
fn content_goes_to_a_writer_as_it_arrives() {
    let place = Place::new();
    let mut content = noise(1_000_000);
    content.resize(2_000_000, 0);
    place.write("source", &content);
    let kept = Kept::default();
    let target = Target::Writer(Writer::new(kept.clone()));
    let (summary, _) = get_to(place.path("source"), &target, &Options::default()).unwrap();
    assert_eq!(
        (summary.bytes, summary.digest),
        (2_000_000, Some(wxec_protocol::Digest::of(&content)))
    );
    assert!(*kept.bytes.lock().unwrap() == content);
    let full = || {
        Target::Writer(Writer::new(Kept {
            fails: true,
            ..Kept::default()
        }))
    };
    let (_, text) = failure(get_to(place.path("source"), &full(), &Options::default()));
    assert_eq!(text, "cannot write the output: no space left there");
    let (kind, _) = failure(get_to(place.path(""), &full(), &Options::default()));
    assert_eq!(kind, FailureKind::IsADirectory);
}

#[test]
fn names_are_any_bytes() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let place = Place::new();
    let source = place.path(OsStr::from_bytes(b"\xff\xfe caf\xc3\xa9 \n\"'*"));
    fs::write(&source, "content").unwrap();
    fs::create_dir(place.path("into")).unwrap();
    put_path(&source, place.path("into/"), &Options::default()).unwrap();
    assert_eq!(
        fs::read(place.path("into").join(source.file_name().unwrap())).unwrap(),
        b"content"
    );
    let long = place.path("n".repeat(255));
    put_path(&source, &long, &Options::default()).unwrap();
    assert_eq!(bytes(long.file_name().unwrap()).len(), 255);
}
