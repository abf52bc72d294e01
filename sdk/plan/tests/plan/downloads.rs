//! Files from elsewhere. `curl` reads those of this machine by `file://`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use wxec::module::Digest;
use wxec_plan::{Archive, FaultKind, Run, State, archive, download, exists, file};

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn lacks_curl() -> bool {
    let lacks = Command::new("curl").arg("--version").output().is_err();
    if lacks {
        eprintln!("skipped: there is no `curl` here");
    }
    lacks
}

#[test]
fn a_file_is_fetched_if_its_digest_is_another_one() {
    if lacks_curl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(&from, "hello").unwrap();
    let tool = download(format!("file://{}", from.display()), &to)
        .sha256(HELLO)
        .mode(0o755);

    let mut preview = Run::preview();
    assert!(tool.ensure(&mut preview).unwrap().changed);
    exists(&to).ensure(&mut preview).unwrap();
    // Its digest is foreseen, its content is not.
    file(&to).content("other").ensure(&mut preview).unwrap();
    let states: Vec<_> = preview
        .report()
        .steps
        .iter()
        .map(|step| &step.state)
        .collect();
    assert!(matches!(states[2], State::Unknown { .. }), "{states:?}");
    assert!(!to.exists());

    assert!(tool.ensure(&mut Run::new()).unwrap().changed);
    assert_eq!(fs::read(&to).unwrap(), b"hello");
    assert_eq!(
        fs::metadata(&to).unwrap().permissions().mode() & 0o7777,
        0o755
    );
    fs::remove_file(&from).unwrap();
    for mut run in [Run::new(), Run::preview()] {
        assert!(!tool.ensure(&mut run).unwrap().changed);
    }
    fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(tool.ensure(&mut Run::new()).unwrap().changed);
    fs::write(&from, "hello").unwrap();
    fs::write(&to, "changed").unwrap();
    assert!(tool.ensure(&mut Run::new()).unwrap().changed);
    assert_eq!(fs::read(&to).unwrap(), b"hello");
}

#[test]
fn what_is_wrong_is_never_visible() {
    if lacks_curl() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(&from, "hell0").unwrap();
    let url = format!("file://{}", from.display());
    let nothing = format!("file://{}/nothing", place.path().display());
    let faults = [
        (download(&url, &to).sha256(HELLO), FaultKind::Verify),
        (
            download(&url, &to).unverified().max_bytes(4),
            FaultKind::TooLarge,
        ),
        (download(&nothing, &to).unverified(), FaultKind::Command),
        (download(&url, &to), FaultKind::Refused),
        (download(&url, &to).sha256("abc"), FaultKind::Refused),
        (download("--version", &to).unverified(), FaultKind::Refused),
    ];
    for (wrong, kind) in faults {
        let fault = wrong.ensure(&mut Run::new()).unwrap_err();
        // `curl` knows the size of a file before, and refuses it itself.
        let is_refused = kind == FaultKind::TooLarge && fault.kind == FaultKind::Command;
        assert!(fault.kind == kind || is_refused, "{fault}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "{fault}");
    }
    let taken = download(&url, &to).unverified();
    assert!(taken.ensure(&mut Run::new()).unwrap().changed);
    fs::write(&from, "another").unwrap();
    assert!(!taken.ensure(&mut Run::new()).unwrap().changed);
}

/// Packs what a script makes in a folder. Returns the archive and its digest.
fn packed(place: &Path, name: &str, script: &str) -> (PathBuf, String) {
    let archive = place.join(name);
    let script = format!(
        "set -e; rm -rf src; mkdir src; cd src; {script}; cd ..; tar -czf {name} -C src .; rm -r src"
    );
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place)
        .status();
    assert!(status.unwrap().success());
    let digest = Digest::of(&fs::read(&archive).unwrap()).to_string();
    (archive, digest)
}

#[test]
fn an_archive_is_unpacked_once_and_replaced_by_another_one() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("app");
    let script = "mkdir -p app-1/bin; echo 1 >app-1/bin/tool; ln -s bin/tool app-1/tool";
    let (packed_1, digest_1) = packed(place.path(), "1.tgz", script);
    let (packed_2, digest_2) = packed(place.path(), "2.tgz", "mkdir a; echo 2 >a/other");
    let first = archive(&packed_1, &folder).sha256(&digest_1).strip(2);

    let mut preview = Run::preview();
    assert!(first.ensure(&mut preview).unwrap().changed);
    file(folder.join("conf")).ensure(&mut preview).unwrap();
    let states: Vec<_> = preview
        .report()
        .steps
        .iter()
        .map(|step| &step.state)
        .collect();
    assert!(matches!(states[1], State::Unknown { .. }), "{states:?}");
    assert!(!folder.exists());

    assert!(first.ensure(&mut Run::new()).unwrap().changed);
    assert_eq!(fs::read_to_string(folder.join("tool")).unwrap(), "1\n");
    fs::remove_file(&packed_1).unwrap();
    for mut run in [Run::new(), Run::preview()] {
        assert!(!first.ensure(&mut run).unwrap().changed);
    }

    let second = archive(&packed_2, &folder).sha256(&digest_2);
    assert!(second.ensure(&mut Run::new()).unwrap().changed);
    assert_eq!(fs::read_to_string(folder.join("a/other")).unwrap(), "2\n");
    assert!(!folder.join("tool").exists());
    let mut names: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["2.tgz", "app"]);
    second.absent().ensure(&mut Run::new()).unwrap();
    assert!(!folder.exists());
}

#[test]
fn archives_that_do_harm_and_folders_of_others_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("app");
    let refused = |archive: Archive, kind: FaultKind| {
        let fault = archive.ensure(&mut Run::new()).unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(!folder.join("f").exists());
        let names = fs::read_dir(place.path()).unwrap();
        let mut names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        assert!(names.all(|name| !name.starts_with('.')), "{fault}");
    };
    for script in ["ln -s /etc f", "ln -s ../x f", "mkfifo f"] {
        let (packed, digest) = packed(place.path(), "bad.tgz", script);
        refused(archive(packed, &folder).sha256(digest), FaultKind::Refused);
    }
    let (packed, digest) = packed(place.path(), "good.tgz", "echo hello >f");
    let good = || archive(&packed, &folder);
    refused(good(), FaultKind::Refused);
    refused(good().sha256(HELLO), FaultKind::Verify);
    refused(good().sha256(&digest).max_bytes(5), FaultKind::TooLarge);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("theirs"), "").unwrap();
    refused(good().sha256(&digest), FaultKind::Refused);
    assert!(folder.join("theirs").exists());
}
