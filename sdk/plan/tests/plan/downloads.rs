//! Files from elsewhere. `curl` reads those of this machine by `file://`.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use wxec_plan::{FaultKind, Run, State, download, exists, file};

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
