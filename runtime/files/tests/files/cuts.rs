//! Cut links, and transfers that are given up.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::{FileExt, PermissionsExt, symlink},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wxec_files::{
    Event, FailureKind, LeftOut, Listener, Options, Source, Summary, Target, TransferEnd,
    Unfinished, Writer, get, part_name, put, serve,
};

use crate::pair::{Cut, End, Place, bytes, link, no_listener, noise, put_path};

const SIZE: usize = 8 << 20;

/// Returns the result of a put whose link is cut after this many bytes, and the number of bytes
/// read.
fn put_cut(place: &Place, after: u64, resuming: bool) -> (Result<Summary, TransferEnd>, u64) {
    let (here, there) = link();
    let read = Arc::<AtomicU64>::default();
    let cut = Cut {
        reader: there.reader,
        left: after,
        read: read.clone(),
    };
    let agent = thread::spawn(move || serve(cut, there.writer, &Unfinished::default()));
    let source = Source::Path(bytes(place.path("source")));
    let target = bytes(place.path("target"));
    let ended = put(
        &source,
        &target,
        &Options::default(),
        resuming,
        here.reader,
        here.writer,
        &no_listener(),
    );
    let _ = agent.join().unwrap();
    (ended, read.load(Ordering::Relaxed))
}

fn part(place: &Place) -> PathBuf {
    place.path(String::from_utf8(part_name(b"target")).unwrap())
}

#[test]
fn a_cut_put_leaves_the_old_file_and_goes_on() {
    let place = Place::new();
    let content = noise(SIZE);
    place.write("source", &content);
    place.write("target", "old");
    let (ended, first) = put_cut(&place, 5 << 20, false);
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(place.read("target"), b"old");
    assert_eq!(
        fs::metadata(part(&place)).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (ended, second) = put_cut(&place, u64::MAX, true);
    let summary = ended.unwrap();
    assert!(summary.resumed_bytes > 4 << 20, "{summary:?}");
    assert_eq!(
        (summary.bytes, summary.digest),
        (SIZE as u64, Some(wxec_protocol::Digest::of(&content)))
    );
    assert!(
        first + second < (SIZE + SIZE / 4) as u64,
        "{first} + {second}"
    );
    assert!(place.read("target") == content);
    assert_eq!(place.list("."), ["source", "target"]);
}

#[test]
fn what_was_written_to_a_writer_is_gone_on_from() {
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let place = Place::new();
    let mut content = noise(SIZE);
    content[3 << 20..4 << 20].fill(0);
    place.write("source", &content);
    let get_cut = |target: &Target, after: u64| {
        let (here, there) = link();
        let agent =
            thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
        let cut = Cut {
            reader: here.reader,
            left: after,
            read: Arc::default(),
        };
        let (source, unfinished) = (bytes(place.path("source")), Unfinished::default());
        let ended = get(
            &source,
            target,
            &Options::default(),
            false,
            cut,
            here.writer,
            &unfinished,
            &no_listener(),
        );
        let _ = agent.join().unwrap();
        ended.map(|(summary, _)| summary)
    };
    let kept = Arc::<Mutex<Vec<u8>>>::default();
    let target = Target::Writer(Writer::new(Kept(kept.clone())));
    assert_eq!(get_cut(&target, 4 << 20), Err(TransferEnd::Cut));
    let before = kept.lock().unwrap().len();
    let summary = get_cut(&target, u64::MAX).unwrap();
    assert_eq!(
        (summary.bytes, summary.resumed_bytes),
        (SIZE as u64, before as u64)
    );
    assert_eq!(summary.digest, Some(wxec_protocol::Digest::of(&content)));
    assert!(before > 4 << 20 && *kept.lock().unwrap() == content);

    // Bytes that went to a writer cannot be taken back.
    let target = Target::Writer(Writer::new(Kept(Arc::default())));
    assert_eq!(get_cut(&target, 4 << 20), Err(TransferEnd::Cut));
    place.write("source", noise(SIZE - 1));
    let Err(TransferEnd::Here(failure)) = get_cut(&target, u64::MAX) else {
        panic!()
    };
    assert_eq!(failure.kind, FailureKind::Changed);
}

#[test]
fn a_sparse_part_is_gone_on_with() {
    let place = Place::new();
    let file = fs::File::create(place.path("source")).unwrap();
    // Without its holes, it would be too large for this test.
    file.set_len(1 << 40).unwrap();
    file.write_all_at(&noise(SIZE), 1 << 39).unwrap();
    assert!(put_cut(&place, 5 << 20, false).0.is_err());
    let summary = put_cut(&place, u64::MAX, true).0.unwrap();
    assert!(
        summary.resumed_bytes > 1 << 39 && summary.bytes == 1 << 40,
        "{summary:?}"
    );
    let mut middle = vec![0; SIZE];
    fs::File::open(place.path("target"))
        .unwrap()
        .read_exact_at(&mut middle, 1 << 39)
        .unwrap();
    assert!(middle == noise(SIZE));
}

#[test]
fn a_part_of_another_file_is_not_gone_on_with() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    assert!(put_cut(&place, 5 << 20, false).0.is_err());
    let mut other = noise(SIZE);
    other[0] ^= 1;
    place.write("source", &other);
    let summary = put_cut(&place, u64::MAX, false).0.unwrap();
    assert_eq!(summary.resumed_bytes, 0);
    assert!(place.read("target") == other);
    assert_eq!(place.list("."), ["source", "target"]);
}

#[test]
fn a_part_of_a_file_that_is_small_now_goes_away() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    assert!(put_cut(&place, 5 << 20, false).0.is_err());
    place.write("source", "small");
    put_cut(&place, u64::MAX, false).0.unwrap();
    assert_eq!(place.list("."), ["source", "target"]);
}

#[test]
fn nothing_that_somebody_else_may_have_written_is_gone_on_with() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    place.write("secret", "untouched");
    for plant in [0, 1, 2] {
        match plant {
            0 => symlink("secret", part(&place)).unwrap(),
            1 => fs::hard_link(place.path("secret"), part(&place)).unwrap(),
            _ => fs::create_dir(part(&place)).unwrap(),
        }
        put_cut(&place, u64::MAX, false).0.unwrap();
        assert!(place.read("target") == noise(SIZE));
        assert_eq!(place.read("secret"), b"untouched");
        let _ = fs::remove_file(part(&place));
    }
}

#[test]
fn a_small_file_leaves_nothing_when_it_is_cut() {
    let place = Place::new();
    place.write("source", noise(500_000));
    assert!(put_cut(&place, 200_000, false).0.is_err());
    assert_eq!(place.list("."), ["source"]);
}

#[test]
fn a_cut_tree_goes_on_where_it_was() {
    let place = Place::new();
    for file in 0..50 {
        place.write(&format!("source/{file}"), noise(50_000 + file));
    }
    place.write("source/large", noise(SIZE));
    let mut total = 0;
    for after in [1 << 20, 3 << 20, 5 << 20, u64::MAX] {
        let (ended, read) = put_cut(&place, after, true);
        total += read;
        if ended.is_ok() {
            break;
        }
    }
    assert!(total < 2 * (SIZE + 50 * 50_000) as u64, "{total}");
    let (source, target) = (place.list("source"), place.list("target"));
    assert_eq!(source, target);
    assert!(
        source
            .iter()
            .all(|name| place.read(&format!("source/{name}"))
                == place.read(&format!("target/{name}")))
    );
}

#[test]
fn a_transfer_that_is_given_up_leaves_nothing() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    place.write("target", "old");
    let (here, there) = link();
    // The stream ends regularly, not as a cut link.
    let reader = there.reader.take(5 << 20);
    let agent = thread::spawn(move || serve(reader, there.writer, &Unfinished::default()));
    let source = Source::Path(bytes(place.path("source")));
    let target = bytes(place.path("target"));
    assert!(
        put(
            &source,
            &target,
            &Options::default(),
            false,
            here.reader,
            here.writer,
            &no_listener()
        )
        .is_err()
    );
    assert_eq!(agent.join().unwrap(), Err(TransferEnd::Closed));
    assert_eq!(
        (place.read("target"), place.list(".")),
        (b"old".into(), vec!["source".into(), "target".into()])
    );
}

#[test]
fn what_is_unfinished_can_be_removed_at_any_time() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    let unfinished = Unfinished::default();
    let (End { reader, writer }, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let give_up = unfinished.clone();
    let listener = Arc::new(move |event: Event<'_>| {
        if let Event::Bytes(_) = event {
            give_up.give_up();
        }
    });
    let target = Target::Path(bytes(place.path("target")));
    let ended = get(
        &bytes(place.path("source")),
        &target,
        &Options::default(),
        false,
        reader,
        writer,
        &unfinished,
        &(listener as _),
    );
    let Err(TransferEnd::Here(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::Cancelled);
    let _ = agent.join().unwrap();
    assert_eq!(place.list("."), ["source"]);
}

/// Puts or gets `source`, and calls `change` whenever some of it has travelled.
fn transfer_while(
    place: &Place,
    is_get: bool,
    change: impl Fn() + Send + Sync + 'static,
) -> (Result<Summary, TransferEnd>, Vec<String>) {
    let (here, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let warnings = Arc::<Mutex<Vec<String>>>::default();
    let heard = warnings.clone();
    let listener: Listener = Arc::new(move |event: Event<'_>| match event {
        Event::Bytes(_) => change(),
        Event::Warning(text) => heard.lock().unwrap().push(text.into()),
        _ => {}
    });
    let (source, target) = (bytes(place.path("source")), bytes(place.path("target")));
    let ended = if is_get {
        let target = Target::Path(target);
        let unfinished = Unfinished::default();
        get(
            &source,
            &target,
            &Options::default(),
            false,
            here.reader,
            here.writer,
            &unfinished,
            &listener,
        )
        .map(|(summary, _)| summary)
    } else {
        put(
            &Source::Path(source),
            &target,
            &Options::default(),
            false,
            here.reader,
            here.writer,
            &listener,
        )
    };
    let _ = agent.join().unwrap();
    let warnings = std::mem::take(&mut *warnings.lock().unwrap());
    (ended, warnings)
}

/// Writes other bytes at the beginning at each call.
fn scribble(path: PathBuf) -> impl Fn() + Send + Sync + 'static {
    let count = AtomicU64::new(0);
    let file = fs::File::options().write(true).open(path).unwrap();
    move || {
        file.write_all_at(&count.fetch_add(1, Ordering::Relaxed).to_le_bytes(), 0)
            .unwrap()
    }
}

#[test]
fn a_source_that_does_not_hold_still_is_not_transferred() {
    let place = Place::new();
    let path = place.write("source", noise(SIZE));
    place.write("target", "old");
    let (ended, _) = transfer_while(&place, false, scribble(path));
    let Err(TransferEnd::Here(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::Changed);
    assert_eq!(
        (place.read("target"), place.list(".")),
        (b"old".into(), vec!["source".into(), "target".into()])
    );
}

#[test]
fn a_log_that_is_always_written_arrives_as_it_was() {
    for is_get in [false, true] {
        let place = Place::new();
        let content = noise(SIZE);
        let path = place.write("source", &content);
        let log = fs::File::options().append(true).open(path).unwrap();
        let (ended, warnings) =
            transfer_while(&place, is_get, move || (&log).write_all(b"more").unwrap());
        ended.unwrap();
        let target = place.read("target");
        assert!(target.starts_with(&content) && place.read("source").starts_with(&target));
        assert_eq!(
            warnings,
            [format!(
                "{} grew meanwhile: what it had is there",
                place.path("source").display()
            )]
        );
        assert_eq!(place.list("."), ["source", "target"]);
    }
}

#[test]
fn a_file_of_a_tree_that_does_not_hold_still_is_left_out_alone_and_named() {
    for is_get in [false, true] {
        let place = Place::new();
        for name in ["a", "b", "inner/c"] {
            place.write(&format!("source/{name}"), name);
        }
        let path = place.write("source/inner/busy", noise(SIZE));
        place.write("target/inner/busy", "old");
        let (ended, warnings) = transfer_while(&place, is_get, scribble(path.clone()));
        let Err(TransferEnd::Incomplete(end)) = ended else {
            panic!("{ended:?}")
        };
        let [LeftOut::Here(failure) | LeftOut::There(failure)] = &*end.left_out else {
            panic!("{end:?}")
        };
        assert_eq!(
            (&failure.kind, &failure.path),
            (&FailureKind::Changed, &bytes(&path))
        );
        assert_eq!((end.summary.files, warnings.len()), (3, 0));
        assert_eq!(place.list("target"), place.list("source"));
        assert_eq!(
            (
                place.read("target/inner/busy"),
                place.read("target/inner/c")
            ),
            (b"old".into(), b"inner/c".into())
        );
    }
}

#[test]
fn a_source_that_changes_once_is_read_again() {
    let place = Place::new();
    let path = place.write("source", noise(SIZE));
    let (here, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let changed = AtomicU64::new(0);
    let listener = Arc::new(move |event: Event<'_>| {
        if matches!(event, Event::Bytes(_)) && changed.fetch_add(1, Ordering::Relaxed) == 0 {
            fs::write(&path, "less").unwrap();
        }
    });
    let source = Source::Path(bytes(place.path("source")));
    let target = bytes(place.path("target"));
    put(
        &source,
        &target,
        &Options::default(),
        false,
        here.reader,
        here.writer,
        &(listener as _),
    )
    .unwrap();
    let _ = agent.join().unwrap();
    assert!(place.read("target") == b"less");
    assert_eq!(place.list("."), ["source", "target"]);
}

#[test]
fn what_was_gone_on_with_counts_though_another_file_was_begun_anew() {
    let place = Place::new();
    place.write("source/a", noise(SIZE));
    place.write("source/b", noise(SIZE));
    assert!(put_cut(&place, 5 << 20, false).0.is_err());
    let other = if place.path("target/.a.wxec-part").exists() {
        "b"
    } else {
        "a"
    };
    let (here, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let (source, target) = (place.path("source"), place.path("target"));
    let (busy, changed, begun) = (source.join(other), AtomicU64::new(0), AtomicU64::new(0));
    let listener: Listener = Arc::new(move |event: Event<'_>| match event {
        Event::File { path, .. } => begun.store(path.ends_with(other).into(), Ordering::Relaxed),
        Event::Bytes(_)
            if begun.load(Ordering::Relaxed) == 1
                && changed.fetch_add(1, Ordering::Relaxed) == 0 =>
        {
            fs::write(&busy, "less").unwrap();
        }
        _ => {}
    });
    let source = Source::Path(bytes(source));
    let summary = put(
        &source,
        &bytes(target),
        &Options::default(),
        true,
        here.reader,
        here.writer,
        &listener,
    );
    let _ = agent.join().unwrap();
    assert_eq!(place.read(&format!("target/{other}")), b"less");
    assert!(summary.unwrap().resumed_bytes > 4 << 20);
}

#[test]
fn a_directory_in_the_targets_place_stays() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    let (here, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let target = place.path("target");
    let made = target.clone();
    // Makes a directory in the target's place while the file travels.
    let listener = Arc::new(move |event: Event<'_>| {
        if let Event::Bytes(_) = event {
            let _ = fs::create_dir(&made);
        }
    });
    let source = Source::Path(bytes(place.path("source")));
    let ended = put(
        &source,
        &bytes(&target),
        &Options::default(),
        false,
        here.reader,
        here.writer,
        &(listener as _),
    );
    let Err(TransferEnd::There(failure)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(failure.kind, FailureKind::IsADirectory);
    let _ = agent.join().unwrap();
    assert_eq!(
        (target.is_dir(), place.list(".")),
        (true, vec!["source".into(), "target".into()])
    );
}

#[test]
fn two_transfers_to_one_place_do_not_meet() {
    let place = Place::new();
    place.write("a", noise(SIZE));
    place.write("b", vec![1; SIZE]);
    thread::scope(|scope| {
        for name in ["a", "b", "a", "b"] {
            let place = &place;
            scope.spawn(move || {
                put_path(place.path(name), place.path("target"), &Options::default()).unwrap()
            });
        }
    });
    let target = place.read("target");
    assert!(target == place.read("a") || target == place.read("b"));
    assert_eq!(place.list("."), ["a", "b", "target"]);
}

#[test]
fn a_transfer_that_goes_on_waits_for_who_has_not_noticed_the_cut() {
    let place = Place::new();
    place.write("source", noise(SIZE));
    let (slow, there) = link();
    let agent = thread::spawn(move || {
        let cut = Cut {
            reader: there.reader,
            left: 5 << 20,
            read: Arc::default(),
        };
        // The link is cut, but this end notices later.
        let late = Late {
            reader: cut,
            after: Duration::from_millis(400),
        };
        serve(late, there.writer, &Unfinished::default())
    });
    let source = Source::Path(bytes(place.path("source")));
    let target = bytes(place.path("target"));
    let sender = thread::spawn(move || {
        put(
            &source,
            &target,
            &Options::default(),
            false,
            slow.reader,
            slow.writer,
            &no_listener(),
        )
    });
    let since = Instant::now();
    while fs::metadata(part(&place)).map_or(0, |part| part.len()) < 4 << 20 {
        assert!(since.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(5));
    }
    let summary = put_cut(&place, u64::MAX, true).0.unwrap();
    assert!(summary.resumed_bytes > 4 << 20, "{summary:?}");
    assert_eq!(agent.join().unwrap(), Err(TransferEnd::Cut));
    assert!(sender.join().unwrap().is_err());
    assert_eq!(place.list("."), ["source", "target"]);
}

/// A reader that reports errors only after a while.
struct Late<R> {
    reader: R,
    after: Duration,
}

impl<R: Read> Read for Late<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer);
        if read.is_err() {
            thread::sleep(self.after);
        }
        read
    }
}
