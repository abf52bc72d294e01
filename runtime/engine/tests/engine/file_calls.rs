//! Calls about files, for which WASI has no words: they reach what was granted, and nothing else.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
    sync::Arc,
};

use tempfile::TempDir;
use wxec_engine::Request;
use wxec_protocol::{
    Fault, Grants, Need, Terms,
    abi::{FileAction, FileKind, FileStatus},
};

use crate::asking::{
    Answer, Scripted, Step, file_call, file_status, file_symlink, file_sync, give_up, set_mode,
    set_owner, start,
};

/// Creates a directory `in` that may be granted, beside a file that never is.
fn world() -> TempDir {
    let world = tempfile::tempdir().unwrap();
    let root = world.path();
    fs::create_dir_all(root.join("in/sub")).unwrap();
    fs::write(root.join("in/file"), "granted").unwrap();
    fs::set_permissions(root.join("in/file"), Permissions::from_mode(0o640)).unwrap();
    fs::write(root.join("secret"), "secret").unwrap();
    world
}

fn path(world: &TempDir, name: &str) -> String {
    world.path().join(name).to_str().unwrap().to_owned()
}

fn mode(world: &TempDir, name: &str) -> u32 {
    fs::symlink_metadata(path(world, name)).unwrap().mode() & 0o7777
}

fn is_refused(answer: &Answer, need: &Need) {
    assert_eq!(answer.error().need.as_ref(), Some(need));
}

/// Runs the steps in a call that may do everything to `in`.
async fn free(world: &TempDir, steps: &[Step]) -> Vec<Answer> {
    let grants = Grants::none().write(path(world, "in")).attributes();
    Scripted::new(grants).run(steps).await.unwrap()
}

#[tokio::test]
async fn the_status_is_that_of_the_name_itself() {
    let world = world();
    symlink("/anywhere/else", path(&world, "in/link")).unwrap();
    let _socket = UnixListener::bind(path(&world, "in/socket")).unwrap();
    let scripted = Scripted::new(Grants::none().read(path(&world, "in")));
    let steps = ["file", "sub", "link", "socket"]
        .map(|name| file_status(&path(&world, &format!("in/{name}"))));
    let answers = scripted.run(&steps).await.unwrap();
    let found: Vec<FileStatus> = answers.iter().map(Answer::reply).collect();
    let kinds: Vec<_> = found.iter().map(|found| found.kind).collect();
    let [file, directory, link, other] = [
        FileKind::File,
        FileKind::Directory,
        FileKind::Symlink,
        FileKind::Other,
    ];
    assert_eq!(kinds, [file, directory, link, other]);
    let real = fs::metadata(path(&world, "in/file")).unwrap();
    let [file, _, link, _] = &found[..] else {
        panic!("four steps")
    };
    assert_eq!(
        (file.mode, file.size, file.target.as_deref()),
        (0o640, 7, None)
    );
    assert_eq!((file.inode, file.uid), (real.ino(), real.uid()));
    assert_eq!(
        file.modified_ns,
        real.mtime() * 1_000_000_000 + real.mtime_nsec()
    );
    assert_eq!(link.target.as_deref(), Some(&b"/anywhere/else"[..]));

    let missing = scripted.last(&[file_status(&path(&world, "in/no"))]).await;
    assert_eq!(missing.error().kind, "NotFound");
}

#[tokio::test]
async fn what_was_not_granted_is_refused_and_the_flag_is_named() {
    let world = world();
    let (file, secret) = (path(&world, "in/file"), path(&world, "secret"));
    let read = Scripted::new(Grants::none().read(path(&world, "in")).attributes());
    is_refused(
        &read.last(&[file_status(&secret)]).await,
        &Need::Read(secret.clone()),
    );
    for step in [
        set_mode(&file, 0o777),
        set_owner(&file, 1),
        file_symlink("x", &file),
    ] {
        is_refused(&read.last(&[step]).await, &Need::Write(file.clone()));
    }
    let directory = path(&world, "in/sub");
    is_refused(
        &read.last(&[file_sync(&directory)]).await,
        &Need::Write(directory),
    );

    let write = Scripted::new(Grants::none().write(path(&world, "in")));
    is_refused(
        &write.last(&[set_mode(&file, 0o777)]).await,
        &Need::Attributes,
    );
    is_refused(&write.last(&[set_owner(&file, 1)]).await, &Need::Attributes);
    let fault = write.run(&[set_mode(&file, 0o777), give_up()]).await;
    let fault = fault.unwrap_err();
    assert!(
        matches!(&fault, Fault::Denied { needs, .. } if *needs == [Need::Attributes]),
        "{fault:?}"
    );
    assert_eq!(
        (mode(&world, "in/file"), fs::read(&secret).unwrap()),
        (0o640, b"secret".to_vec())
    );
}

#[tokio::test]
async fn links_lead_nowhere() {
    let world = world();
    let secret = path(&world, "secret");
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    symlink(&secret, path(&world, "in/link")).unwrap();
    symlink("../secret", path(&world, "in/relative")).unwrap();
    symlink(world.path(), path(&world, "in/up")).unwrap();
    symlink("..", path(&world, "in/sub/up")).unwrap();
    let steps = [
        set_mode(&path(&world, "in/link"), 0o777),
        set_mode(&path(&world, "in/relative"), 0o777),
        set_mode(&path(&world, "in/up/secret"), 0o777),
        file_status(&path(&world, "in/up/secret")),
        file_symlink("x", &path(&world, "in/up/new")),
        file_sync(&path(&world, "in/up")),
        // Inside of what was granted, a directory may be a link.
        file_status(&path(&world, "in/sub/up/file")),
    ];
    let answers = free(&world, &steps).await;
    let (last, others) = answers.split_last().unwrap();
    for answer in others {
        let kind = answer.error().kind;
        let kinds = [
            "InvalidInput",
            "PermissionDenied",
            "FilesystemLoop",
            "NotADirectory",
        ];
        assert!(kinds.contains(&&*kind), "{kind}");
    }
    assert_eq!(last.reply::<FileStatus>().size, 7);
    assert_eq!(
        (mode(&world, "secret"), fs::read(&secret).unwrap()),
        (0o600, b"secret".to_vec())
    );
    assert!(!world.path().join("new").exists());
}

#[tokio::test]
async fn mode_owner_links_and_names_are_set() {
    let world = world();
    let [file, link, new] = ["in/file", "in/link", "in/file"].map(|name| path(&world, name));
    let uid = fs::metadata(&file).unwrap().uid();
    let steps = [
        set_owner(&file, uid),
        set_mode(&file, 0o4750),
        set_mode(&path(&world, "in/sub"), 0o700),
        file_symlink("/etc/hostname", &link),
        file_sync(&path(&world, "in")),
    ];
    for answer in free(&world, &steps).await {
        assert_eq!(answer.number, 0, "{answer:?}");
    }
    assert_eq!(
        (mode(&world, "in/file"), mode(&world, "in/sub")),
        (0o4750, 0o700)
    );
    assert_eq!(
        fs::read_link(&link).unwrap().to_str(),
        Some("/etc/hostname")
    );

    for step in [set_mode(&new, 0o10000), set_owner(&new, u32::MAX)] {
        assert_eq!(free(&world, &[step]).await[0].error().kind, "InvalidInput");
    }
    let incomplete = file_call(FileAction::Symlink, &path(&world, "in/other"));
    let incomplete = free(&world, &[incomplete]).await;
    assert_eq!(incomplete[0].error().kind, "InvalidInput");
    let taken = free(&world, &[file_symlink("x", &new)]).await;
    assert_eq!(taken[0].error().kind, "AlreadyExists");
}

#[tokio::test]
async fn a_file_granted_by_its_name_keeps_the_name() {
    let world = world();
    let file = path(&world, "in/file");
    let grants = Grants::none()
        .write(&file)
        .write(path(&world, "in/sub"))
        .attributes();
    let scripted = Scripted::new(grants);
    assert_eq!(scripted.last(&[set_mode(&file, 0o600)]).await.number, 0);
    let replaced = scripted.last(&[file_symlink("/etc/passwd", &file)]).await;
    assert_eq!(replaced.error().kind, "InvalidInput");
    assert_eq!(fs::read(&file).unwrap(), b"granted");
}

#[tokio::test]
async fn a_preview_that_could_change_anything_is_refused() {
    let world = world();
    let file = path(&world, "in/file");
    let run = async |grants: Grants, steps: &[Step]| {
        let scripted = Scripted::new(Grants::none());
        let request = scripted.request(steps);
        let terms = Terms {
            grants,
            preview: true,
            ..request.terms.clone()
        };
        let request = Request { terms, ..request };
        let completion = scripted.sandbox.run(
            &scripted.program,
            request,
            Arc::default() as Arc<crate::Recorder>,
        );
        completion.await.outcome
    };
    let write = Grants::none().write(path(&world, "in"));
    for (grants, flag) in [
        (write.clone(), "--allow-write="),
        (Grants::none().run("true"), "--allow-run=true"),
        (Grants::none().net("*"), "--allow-net=*"),
        (Grants::none().host("local:"), "--allow-host=local:"),
        (Grants::none().attributes(), "--allow-attributes"),
    ] {
        let fault = run(grants, &[set_mode(&file, 0o777)]).await.unwrap_err();
        assert!(
            matches!(&fault, Fault::PreviewRefused(why) if why.contains(flag)),
            "{fault:?}"
        );
    }

    // Questions have fixed arguments, so a preview may ask them; with other ones they are refused.
    let question = |args: &[&str]| start(&crate::asking::program("getent", args));
    let asked = Grants::none().ask("users").run("getent").harmless();
    let questions = [
        question(&["passwd", "root"]),
        question(&["passwd", "--service=x"]),
    ];
    let answers = crate::asking::answers(&run(asked, &questions).await.unwrap());
    assert!(answers[0].number >= 0, "{:?}", answers[0]);
    is_refused(&answers[1], &Need::Run("getent".into()));
    let output = run(Grants::none().ask("units"), &questions).await.unwrap();
    is_refused(
        &crate::asking::answers(&output)[0],
        &Need::Ask("users".into()),
    );

    // With the grants that a preview may have, every attempt is refused.
    let harmless = write.attributes().run("true").harmless();
    let program = start(&crate::asking::program("true", &[]));
    let attempts = [
        set_mode(&file, 0o777),
        file_symlink("x", &path(&world, "in/new")),
        program,
    ];
    let output = run(harmless, &attempts).await.unwrap();
    let answers = crate::asking::answers(&output);
    assert_eq!(answers.len(), 3);
    for answer in answers {
        assert!(answer.error().need.is_some(), "{answer:?}");
    }
    assert_eq!(
        (
            mode(&world, "in/file"),
            world.path().join("in/new").exists()
        ),
        (0o640, false)
    );
}

#[tokio::test]
async fn an_instance_is_no_place_for_a_preview() {
    let scripted = Scripted::new(Grants::none().run("true"));
    let resident = scripted.sandbox.resident(&scripted.program).unwrap();
    let mut request = scripted.request(&[]);
    request.terms = Terms {
        preview: true,
        ..Terms::default()
    };
    let output = Arc::<crate::Recorder>::default();
    let outcome = scripted
        .sandbox
        .run_resident(&resident, request, output)
        .await
        .outcome;
    assert!(
        matches!(&outcome, Err(Fault::PreviewRefused(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_lock_lasts_as_long_as_the_guest_that_took_it() {
    let world = world();
    let lock = || file_call(FileAction::Lock, &path(&world, "in/file"));
    let scripted = || Scripted::new(Grants::none().write(path(&world, "in")));
    let other = fs::File::open(path(&world, "in/file")).unwrap();
    other.try_lock().unwrap();
    let answers = scripted().run(&[lock()]).await.unwrap();
    assert_eq!(answers[0].error().kind, "WouldBlock");
    other.unlock().unwrap();

    // A second lock of the same file is another one's, also for the guest itself.
    let answers = scripted().run(&[lock(), lock()]).await.unwrap();
    assert_eq!(answers[0].number, 0);
    assert_eq!(answers[1].error().kind, "WouldBlock");
    other.try_lock().unwrap();

    // No more than eight at once; other calls go on.
    other.unlock().unwrap();
    let names: Vec<_> = (0..9)
        .map(|name| path(&world, &format!("in/{name}")))
        .collect();
    names.iter().for_each(|name| fs::write(name, "").unwrap());
    let mut steps: Vec<_> = names
        .iter()
        .map(|name| file_call(FileAction::Lock, name))
        .collect();
    steps.push(file_status(&names[0]));
    let answers = scripted().run(&steps).await.unwrap();
    assert!(answers[..8].iter().all(|answer| answer.number == 0));
    assert_eq!(answers[8].error().kind, "InvalidInput");
    assert_eq!(answers[9].reply::<FileStatus>().size, 0);

    let reads = Scripted::new(Grants::none().read(path(&world, "in")));
    let answers = reads.run(&[lock()]).await.unwrap();
    is_refused(&answers[0], &Need::Write(path(&world, "in/file")));
}
