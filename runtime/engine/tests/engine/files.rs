//! Files: guests reach what they were granted, by every way that leads there, and nothing else.

use std::{fs, os::unix::fs::symlink, path::Path};

use tempfile::TempDir;
use wxec_protocol::{Fault, Grants, LimitKind, Limits, Need};

use crate::script::{
    FIRST, Fd, Open, Script,
    errno::{
        ACCES, BADF, ISDIR, LOOP, MFILE, NAMETOOLONG, NOENT, NOTCAPABLE, NOTDIR, NOTEMPTY, NOTSOCK,
        NOTSUP, OK, PERM,
    },
};

/// Creates a directory `in` that may be granted, with a file and a directory, beside a file that
/// never is.
fn world() -> TempDir {
    let world = tempfile::tempdir().unwrap();
    let root = world.path();
    fs::create_dir_all(root.join("in/sub")).unwrap();
    fs::create_dir(root.join("out")).unwrap();
    fs::write(root.join("in/file"), "granted").unwrap();
    fs::write(root.join("in/sub/file"), "granted").unwrap();
    fs::write(root.join("secret"), "secret").unwrap();
    fs::write(root.join("out/secret"), "secret").unwrap();
    world
}

fn path(world: &TempDir, name: &str) -> String {
    world.path().join(name).to_str().unwrap().to_owned()
}

/// Returns a path as libraries look it up below the preopen `/`.
fn from_root(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn denied(fault: &Fault) -> &[Need] {
    let Fault::Denied { needs, .. } = fault else {
        panic!("not denied: {fault:?}")
    };
    needs
}

#[tokio::test]
async fn a_directory_that_may_be_read_cannot_be_changed() {
    let world = world();
    let answers = Script::default()
        .open(FIRST, "file", Open::Read)
        .open(FIRST, "sub/../file", Open::Read)
        .open(FIRST, "sub", Open::Directory)
        .open(Fd::OpenedBy(2), "file", Open::Read)
        .list(FIRST)
        .stat(FIRST, "file")
        .open(FIRST, "missing", Open::Read)
        .run(Grants::none().read(path(&world, "in")))
        .await;
    assert_eq!(answers, [OK, OK, OK, OK, OK, OK, NOENT]);

    let answers = Script::default()
        .open(FIRST, "file", Open::Write)
        .open(FIRST, "new", Open::Create)
        .create_directory(FIRST, "new")
        .unlink(FIRST, "file")
        .remove_directory(FIRST, "sub")
        .symlink("file", FIRST, "new")
        .link(FIRST, "file", FIRST, "new")
        .rename(FIRST, "file", FIRST, "new")
        .set_times(FIRST, "file")
        .run(Grants::none().read(path(&world, "in")))
        .await;
    assert_eq!(answers, [PERM; 9]);
    assert_eq!(
        fs::read_to_string(path(&world, "in/file")).unwrap(),
        "granted"
    );
    assert!(!Path::new(&path(&world, "in/new")).exists());
}

/// Same as natively, where `rmdir` takes any number of slashes.
#[tokio::test]
async fn a_directory_is_removed_with_slashes_behind_its_name() {
    let world = world();
    symlink("sub", path(&world, "in/link")).unwrap();
    let root = path(&world, "in");
    let answers = Script::default()
        .create_directory(FIRST, "new/")
        .remove_directory(FIRST, "new/")
        .create_directory(FIRST, "new")
        .remove_directory(FIRST, "./new//")
        .remove_directory(FIRST, "file/")
        .remove_directory(FIRST, "link/")
        .remove_directory(FIRST, "/")
        .remove_directory(FIRST, "")
        .create_directory(Fd::Number(4), &format!("{}/new/", from_root(&root)))
        .remove_directory(Fd::Number(4), &format!("{}/new/", from_root(&root)))
        .run(Grants::none().write(&root))
        .await;
    assert_eq!(
        answers,
        [OK, OK, OK, OK, NOTDIR, NOTDIR, PERM, NOENT, OK, OK]
    );
}

/// Libraries look a path up in the granted directory or below `/`; the system's own answers come
/// back either way.
#[tokio::test]
async fn slashes_and_dots_mean_what_they_do_natively() {
    for from_root in [false, true] {
        let world = world();
        let root = path(&world, "in");
        let (fd, root_path) = if from_root {
            (Fd::Number(4), format!("{}/", self::from_root(&root)))
        } else {
            (FIRST, String::new())
        };
        let at = |name: &str| format!("{root_path}{name}");
        let answers = Script::default()
            .create_directory(fd, &at("dir"))
            .create_directory(fd, &at("dir/nested/"))
            .open(
                fd,
                &at("dir/.//nested/../../dir/nested/../nested///./../../file"),
                Open::Read,
            )
            .open(fd, &at("dir/nested///"), Open::Directory)
            .open(fd, &at("file/"), Open::Read)
            .open(fd, &at("missing/"), Open::Read)
            .rename(fd, &at("dir/nested/"), fd, &at("dir/moved/"))
            .unlink(fd, &at("dir/moved/"))
            .unlink(fd, &at("file/"))
            .symlink("nowhere", fd, &at("new/"))
            .symlink("nowhere", fd, &at("loose"))
            .open(fd, &at("loose"), Open::NoFollow)
            .unlink(fd, &at("loose"))
            .remove_directory(fd, &at("dir"))
            .remove_directory(fd, &at("dir/moved/"))
            .remove_directory(fd, &at("dir//"))
            .run(Grants::none().write(&root))
            .await;
        let expected = [
            OK, OK, OK, OK, NOTDIR, NOENT, OK, ISDIR, NOTDIR, NOENT, OK, LOOP, OK, NOTEMPTY, OK, OK,
        ];
        assert_eq!(answers, expected, "below `/`: {from_root}");
    }
}

/// The placeholder for `/` exists only for looking up paths.
#[tokio::test]
async fn a_guest_that_was_granted_nothing_has_nothing_open() {
    let world = world();
    let answers = Script::default()
        .shut_down(FIRST)
        .shut_down(Fd::Number(1))
        .run(Grants::none())
        .await;
    assert_eq!(answers, [BADF, NOTSOCK]);
    let answers = Script::default()
        .shut_down(FIRST)
        .run(Grants::none().read(path(&world, "in")))
        .await;
    assert_eq!(answers, [NOTSOCK]);
}

#[tokio::test]
async fn a_directory_that_may_be_changed_can_be() {
    let world = world();
    let answers = Script::default()
        .open(FIRST, "new", Open::Create)
        .create_directory(FIRST, "directory")
        .rename(FIRST, "new", FIRST, "directory/newer")
        .link(FIRST, "file", FIRST, "directory/linked")
        .unlink(FIRST, "file")
        .symlink("linked", FIRST, "directory/link")
        .open(FIRST, "directory/link", Open::Read)
        .read_link(FIRST, "directory/link")
        .set_times(FIRST, "directory/linked")
        .run(Grants::none().write(path(&world, "in")))
        .await;
    assert_eq!(answers, [OK; 9]);
    assert!(!Path::new(&path(&world, "in/file")).exists());
    assert_eq!(
        fs::read_to_string(path(&world, "in/directory/link")).unwrap(),
        "granted"
    );
}

#[tokio::test]
async fn a_file_is_granted_with_nothing_beside_it() {
    let world = world();
    let file = path(&world, "in/file");
    let beside = path(&world, "in/sub/file");
    let answers = Script::default()
        .open(FIRST, from_root(&file), Open::Read)
        .stat(FIRST, from_root(&file))
        .open(
            FIRST,
            from_root(&format!("{}/../file", path(&world, "in/sub"))),
            Open::Read,
        )
        .open(FIRST, from_root(&file), Open::Write)
        .open(FIRST, from_root(&beside), Open::Read)
        .open(FIRST, from_root(&format!("{file}/../sub/file")), Open::Read)
        .open(FIRST, from_root(&format!("{file}/")), Open::Read)
        .stat(FIRST, from_root(&path(&world, "in")))
        .list(FIRST)
        .run(Grants::none().read(&*file))
        .await;
    assert_eq!(
        answers,
        [
            OK, OK, OK, PERM, NOTCAPABLE, NOTCAPABLE, NOTDIR, NOTCAPABLE, NOTCAPABLE
        ]
    );
}

#[tokio::test]
async fn the_directory_of_a_granted_file_has_no_number() {
    let world = world();
    // The root is number 3, and the directory 4.
    let hidden = Fd::Number(4);
    let answers = Script::default()
        .prestat(FIRST)
        .prestat(hidden)
        .open(hidden, "file", Open::Read)
        .open(hidden, "sub/file", Open::Read)
        .stat(hidden, "sub")
        .list(hidden)
        .renumber(hidden, FIRST)
        .renumber(hidden, Fd::Number(2))
        .renumber(Fd::Number(2), hidden)
        .close(hidden)
        .rename(hidden, "file", hidden, "new")
        .run(Grants::none().write(path(&world, "in/file")))
        .await;
    assert_eq!(answers[0], OK);
    assert_eq!(answers[1..], [BADF; 10]);
}

#[tokio::test]
async fn the_root_is_always_the_root() {
    let world = world();
    let file = path(&world, "in/file");
    let answers = Script::default()
        .open(FIRST, from_root(&file), Open::Read)
        .renumber(Fd::OpenedBy(0), FIRST)
        .renumber(FIRST, Fd::OpenedBy(0))
        .close(FIRST)
        .close(FIRST)
        .open(FIRST, from_root(&file), Open::Read)
        .list(FIRST)
        .run(Grants::none().read(&*file))
        .await;
    assert_eq!(answers, [OK, NOTSUP, NOTSUP, OK, BADF, BADF, BADF]);
}

#[tokio::test]
async fn a_file_may_be_a_link_when_it_is_granted_and_not_become_one() {
    let world = world();
    symlink(path(&world, "secret"), path(&world, "in/link")).unwrap();
    let link = path(&world, "in/link");
    let open = |how| {
        Script::default()
            .open(FIRST, from_root(&link), how)
            .run(Grants::none().write(&*link))
    };
    assert_eq!(open(Open::Read).await, [OK], "what it leads to was granted");

    // A file that is missing may be created, but no link in its place: the next call would be
    // granted what the link leads to. The same goes for files that have another name already.
    let new = path(&world, "in/new");
    let answers = Script::default()
        .open(FIRST, from_root(&new), Open::Create)
        .unlink(FIRST, from_root(&new))
        .symlink("../secret", FIRST, from_root(&new))
        .link(FIRST, from_root(&link), FIRST, from_root(&new))
        .rename(FIRST, from_root(&link), FIRST, from_root(&new))
        .run(Grants::none().write(&*new).write(&*link))
        .await;
    assert_eq!(answers, [OK, OK, NOTSUP, NOTSUP, NOTSUP]);

    // Another program may create the file before the call does.
    let file = path(&world, "in/file");
    let opened = Script::default().open(FIRST, from_root(&file), Open::Read);
    let grants = Grants::none().write(&*file);
    assert_eq!(opened.run(grants).await, [OK]);
}

#[tokio::test]
async fn what_was_granted_below_what_can_be_changed_stays_there() {
    let world = world();
    let (around, app) = (path(&world, "in"), path(&world, "in/app"));
    symlink("../out", &app).unwrap();
    let open = |grants| {
        Script::default()
            .open(FIRST, "app/secret", Open::Read)
            .open(Fd::Number(4), "secret", Open::Read)
            .run(grants)
    };
    let answers = open(Grants::none().write(&*around).read(&*app)).await;
    assert!(answers.iter().all(|answer| *answer != OK), "{answers:?}");
    // A link that no guest can have put there is as good as what it leads to.
    let answers = open(Grants::none().read(&*around).read(&*app)).await;
    assert!(answers[0] != OK && answers[1] == OK, "{answers:?}");
}

#[tokio::test]
async fn grants_add_up() {
    let world = world();
    let directory = path(&world, "in");
    let write = || Script::default().open(FIRST, "file", Open::Write);
    assert_eq!(
        write()
            .run(Grants::none().read(&*directory).write(&*directory))
            .await,
        [OK]
    );
    assert_eq!(
        write()
            .run(Grants::none().write(&*directory).read(&*directory))
            .await,
        [OK]
    );
}

#[tokio::test]
async fn no_link_leads_out() {
    let world = world();
    let make = |leads_to: &str, name: &str| symlink(leads_to, path(&world, name)).unwrap();
    make("../secret", "in/up");
    make(&path(&world, "secret"), "in/absolute");
    make("up", "in/chain");
    make("../out", "in/directory");
    make("sub/../../secret", "in/winding");
    make("/", "in/root");
    for name in [
        "up",
        "absolute",
        "chain",
        "directory/secret",
        "winding",
        "root/etc/passwd",
        "../secret",
        "/etc/passwd",
    ] {
        for grants in [
            Grants::none().read(path(&world, "in")),
            Grants::none().write(path(&world, "in")),
        ] {
            let answers = Script::default()
                .open(FIRST, name, Open::Read)
                .stat(FIRST, name)
                .open(FIRST, name, Open::Write)
                .open(FIRST, name, Open::Truncate)
                .set_times(FIRST, name)
                .run(grants)
                .await;
            assert!(
                answers.iter().all(|answer| *answer != OK),
                "{name}: {answers:?}"
            );
        }
    }
    assert_eq!(
        fs::read_to_string(path(&world, "secret")).unwrap(),
        "secret"
    );
}

#[tokio::test]
async fn a_guest_cannot_make_itself_a_way_out() {
    let world = world();
    let answers = Script::default()
        .symlink("../secret", FIRST, "up")
        .open(FIRST, "up", Open::Read)
        .symlink(&path(&world, "secret"), FIRST, "absolute")
        .open(FIRST, "absolute", Open::Read)
        .rename(FIRST, "file", FIRST, "../out/file")
        .rename(FIRST, "../secret", FIRST, "file")
        .link(FIRST, "../secret", FIRST, "linked")
        .link(FIRST, "file", FIRST, "../out/file")
        .create_directory(FIRST, "../out/directory")
        .unlink(FIRST, "../secret")
        .run(Grants::none().write(path(&world, "in")))
        .await;
    // Links may lead anywhere, as long as the host does not follow them.
    for (call, answer) in answers.iter().enumerate().filter(|(call, _)| *call != 0) {
        assert!(*answer != OK, "{call}: {answers:?}");
    }
    assert!(!Path::new(&path(&world, "out/file")).exists());
    assert!(Path::new(&path(&world, "secret")).exists());
}

/// GHSA-vqjp-4c8c-hfgg: a slash behind a link made it lead out.
#[tokio::test]
async fn ghsa_vqjp_4c8c_hfgg_a_slash_behind_a_link_leads_nowhere() {
    let world = world();
    symlink("../out", path(&world, "in/link")).unwrap();
    symlink("link/", path(&world, "in/chain")).unwrap();
    for name in [
        "link/",
        "link//",
        "link/.",
        "link/./",
        "chain/",
        "sub/../link/",
    ] {
        let answers = Script::default()
            .open(FIRST, name, Open::Directory)
            .stat(FIRST, name)
            .open(FIRST, &format!("{name}secret"), Open::Read)
            .create_directory(FIRST, &format!("{name}new"))
            .remove_directory(FIRST, name)
            .rename(FIRST, name, FIRST, "moved")
            .rename(FIRST, "sub", FIRST, name)
            .set_times(FIRST, name)
            .run(Grants::none().write(path(&world, "in")))
            .await;
        // Renaming the link itself does no harm, and neither does putting something in its place.
        for call in [0, 1, 2, 3, 7] {
            assert!(answers[call] != OK, "{name}, call {call}: {answers:?}");
        }
        assert!(!Path::new(&path(&world, "out/new")).exists(), "{name}");
        assert!(Path::new(&path(&world, "out/secret")).exists(), "{name}");
    }
}

/// GHSA-2r75-cxrj-cmph: opening a file that may only be read could truncate it.
#[tokio::test]
async fn ghsa_2r75_cxrj_cmph_nothing_is_truncated_that_may_only_be_read() {
    let world = world();
    let answers = Script::default()
        .open(FIRST, "file", Open::Truncate)
        .open(Fd::Number(3), "sub/file", Open::Truncate)
        .run(Grants::none().read(path(&world, "in")))
        .await;
    assert_eq!(answers, [PERM, PERM]);

    let file = path(&world, "in/file");
    let by_name = Script::default().open(FIRST, from_root(&file), Open::Truncate);
    assert_eq!(by_name.run(Grants::none().read(&*file)).await, [PERM]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "granted");
}

/// GHSA-4ch3-9j33-3pmj: a link or a name could be moved to a directory that must not be changed.
#[tokio::test]
async fn ghsa_4ch3_9j33_3pmj_nothing_moves_to_where_nothing_may_change() {
    let world = world();
    let (writable, readable) = (Fd::Number(3), Fd::Number(4));
    let answers = Script::default()
        .link(writable, "file", readable, "linked")
        .rename(writable, "file", readable, "moved")
        .link(readable, "secret", writable, "linked")
        .rename(readable, "secret", writable, "moved")
        .run(
            Grants::none()
                .write(path(&world, "in"))
                .read(path(&world, "out")),
        )
        .await;
    assert!(answers.iter().all(|answer| *answer != OK), "{answers:?}");
    assert_eq!(fs::read_dir(path(&world, "out")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(path(&world, "in")).unwrap().count(), 2);
}

/// GHSA-3p27-qvp9-27qf: giving a descriptor's number to another one left the old one open.
#[tokio::test]
async fn ghsa_3p27_qvp9_27qf_a_number_given_away_is_closed() {
    let world = world();
    let grants = Grants::none().read(path(&world, "in"));
    let open_now = || {
        let links = fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links.filter(|link| link.starts_with(world.path())).count()
    };
    let mut script = Script::default();
    for call in 0..30 {
        script = script.open(FIRST, "file", Open::Read);
        if call > 0 {
            script = script.renumber(Fd::OpenedBy(2 * call), Fd::OpenedBy(0));
        } else {
            script = script.stat(FIRST, "file");
        }
    }
    // Two open files at a time are enough for the test.
    let limits = Limits {
        open_files: 2,
        ..Limits::default()
    };
    let fault = script.give_up(grants, limits).await;
    assert!(matches!(fault, Fault::Task(_)), "{fault:?}");
    assert_eq!(open_now(), 0);
}

#[tokio::test]
async fn what_was_not_granted_is_named_if_a_guest_gives_up() {
    let world = world();
    let secret = path(&world, "secret");
    let script = |how| Script::default().open(FIRST, from_root(&secret), how);
    let fault = script(Open::Read)
        .give_up(Grants::none(), Limits::default())
        .await;
    assert_eq!(denied(&fault), [Need::Read(secret.clone())]);
    let fault = script(Open::Create)
        .give_up(Grants::none(), Limits::default())
        .await;
    assert_eq!(denied(&fault), [Need::Write(secret.clone())]);

    let reading = Grants::none().read(path(&world, "in"));
    let fault = Script::default()
        .unlink(FIRST, "file")
        .give_up(reading.clone(), Limits::default())
        .await;
    assert_eq!(denied(&fault), [Need::Write(path(&world, "in/file"))]);

    let went_on = Script::default()
        .unlink(FIRST, "file")
        .open(FIRST, "file", Open::Read);
    let fault = went_on.give_up(reading, Limits::default()).await;
    assert!(
        matches!(fault, Fault::Task(_)),
        "it got something since: {fault:?}"
    );
}

#[tokio::test]
async fn a_guest_may_be_refused_the_time_and_random_numbers() {
    let script = || Script::default().time().random();
    assert_eq!(script().run(Grants::none()).await, [OK, OK]);
    assert_eq!(
        script().run(Grants::none().without_clock()).await,
        [ACCES, OK]
    );
    assert_eq!(
        script().run(Grants::none().without_random()).await,
        [OK, ACCES]
    );
    let without = Grants::none().without_clock().without_random();
    assert_eq!(
        denied(&script().give_up(without, Limits::default()).await),
        [Need::Random]
    );
}

#[tokio::test]
async fn open_files_are_counted() {
    let world = world();
    let limits = Limits {
        open_files: 2,
        ..Limits::default()
    };
    let grants = Grants::none().read(path(&world, "in"));
    let open = |script: Script| script.open(FIRST, "file", Open::Read);
    let fault = open(open(open(Script::default())))
        .give_up(grants.clone(), limits.clone())
        .await;
    assert_eq!(
        fault,
        Fault::Limit {
            which: LimitKind::OpenFiles,
            limit: 2,
            asked: 3
        }
    );

    let closed = open(open(open(Script::default())).close(Fd::OpenedBy(0)));
    let fault = closed.give_up(grants.clone(), limits).await;
    assert!(matches!(fault, Fault::Task(_)), "{fault:?}");

    let many = (0..257).fold(Script::default(), |script, _| open(script));
    let answers = many.run(grants).await;
    assert_eq!(
        (answers[255], answers[256]),
        (OK, MFILE),
        "256 are enough for most"
    );
}

#[tokio::test]
async fn what_might_keep_a_thread_waiting_is_not_opened() {
    let world = world();
    let made = std::process::Command::new("mkfifo")
        .arg(path(&world, "in/fifo"))
        .status()
        .unwrap();
    assert!(made.success());
    let _listener = std::os::unix::net::UnixListener::bind(path(&world, "in/socket")).unwrap();
    symlink("fifo", path(&world, "in/link")).unwrap();
    let open = |script: Script, name| {
        script
            .open(FIRST, name, Open::Read)
            .open(FIRST, name, Open::Write)
    };
    let script = open(open(open(Script::default(), "fifo"), "socket"), "link");
    assert_eq!(
        script.run(Grants::none().write(path(&world, "in"))).await,
        [NOTSUP; 6]
    );

    let devices = Script::default().open(FIRST, "null", Open::Read);
    assert_eq!(
        devices.run(Grants::none().read("/dev")).await,
        [NOTSUP],
        "some devices wait as well"
    );
    let by_name = Script::default().open(FIRST, "dev/null", Open::Read);
    assert_eq!(by_name.run(Grants::none().read("/dev/null")).await, [OK]);
}

#[tokio::test]
async fn a_grant_of_nothing_is_nothing() {
    let world = world();
    let missing = path(&world, "missing");
    let below = format!("{missing}/file");
    let answers = Script::default()
        .open(FIRST, from_root(&missing), Open::Read)
        .open(FIRST, from_root(&below), Open::Read)
        .run(Grants::none().read(&*missing).read(&*below))
        .await;
    assert_eq!(answers, [NOENT, NOENT]);
}

#[tokio::test]
async fn nothing_is_found_below_a_granted_directory_that_is_missing() {
    let world = world();
    let (missing, parent_is_missing) = (path(&world, "missing"), path(&world, "missing/too"));
    let answers = Script::default()
        .open(FIRST, from_root(&missing), Open::Directory)
        .open(FIRST, from_root(&format!("{missing}/")), Open::Directory)
        .open(FIRST, from_root(&format!("{missing}/file")), Open::Read)
        .open(FIRST, from_root(&format!("{missing}/file")), Open::Create)
        .open(FIRST, "data/file", Open::Read)
        .stat(FIRST, "data")
        .open(
            FIRST,
            from_root(&format!("{}/below", path(&world, "in/file"))),
            Open::Read,
        )
        .run(
            Grants::none()
                .write(&*missing)
                .dir(&*parent_is_missing, "/data", true)
                .read(path(&world, "in/file")),
        )
        .await;
    assert_eq!(answers, [NOENT, NOENT, NOENT, NOENT, NOENT, NOENT, NOTDIR]);
}

#[tokio::test]
async fn a_guest_finds_a_directory_where_it_was_put() {
    let world = world();
    let grants = Grants::none().dir(path(&world, "in"), "/data", false).dir(
        path(&world, "in/file"),
        "/etc/conf",
        false,
    );
    let answers = Script::default()
        .prestat(Fd::Number(3))
        .prestat(Fd::Number(4))
        .prestat(Fd::Number(5))
        .open(Fd::Number(4), "data/sub/file", Open::Read)
        .open(Fd::Number(4), "etc/conf", Open::Read)
        .open(
            Fd::Number(4),
            from_root(&path(&world, "in/file")),
            Open::Read,
        )
        .run(grants)
        .await;
    assert_eq!(answers, [OK, OK, BADF, OK, OK, NOTCAPABLE]);
}

#[tokio::test]
async fn strange_paths_are_no_trouble() {
    let world = world();
    let long = "a/".repeat(3000);
    let answers = Script::default()
        .open(FIRST, &long, Open::Read)
        .open(FIRST, "a\0b", Open::Read)
        .open(FIRST, "", Open::Read)
        .open(FIRST, &"a".repeat(256), Open::Read)
        .open(FIRST, ".", Open::Directory)
        .open(FIRST, "file", Open::NoFollow)
        .run(Grants::none().read(path(&world, "in")))
        .await;
    assert_eq!(answers[0], NAMETOOLONG);
    assert!(
        answers[1..4].iter().all(|answer| *answer != OK),
        "{answers:?}"
    );
    assert_eq!(answers[4..], [OK, OK]);
}
