//! What the prefabs refuse, and what they leave as it is.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, symlink as link},
    path::Path,
};

use wxec_plan::{Fault, FaultKind, Prefab, Run, file, folder, line, symlink};

use crate::manifest::manifest;

/// Returns the fault of a step, which is the same in a preview, and checks that nothing was written.
#[track_caller]
fn refused(top: &Path, prefab: &impl Prefab) -> Fault {
    let before = manifest(top);
    let fault = Run::new().ensure(prefab).unwrap_err();
    assert_eq!(manifest(top), before, "{fault}");
    assert_eq!(Run::preview().ensure(prefab).unwrap_err(), fault);
    fault
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn nothing_takes_the_place_of_another_kind() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    link("nowhere", at("link")).unwrap();
    fifo(&at("fifo"));
    let top = top.path();
    let kind = |fault: Fault| fault.kind;
    for other in ["folder", "link", "fifo"] {
        assert_eq!(
            kind(refused(top, &file(at(other)).content("x"))),
            FaultKind::Refused
        );
        assert_eq!(
            kind(refused(top, &file(at(other)).mode(0o600))),
            FaultKind::Refused
        );
        assert_eq!(
            kind(refused(top, &file(at(other)).absent())),
            FaultKind::Refused
        );
        assert_eq!(
            kind(refused(top, &line(at(other), "x"))),
            FaultKind::Refused
        );
    }
    for other in ["file", "link", "fifo"] {
        assert_eq!(kind(refused(top, &folder(at(other)))), FaultKind::Refused);
        assert_eq!(
            kind(refused(top, &folder(at(other)).absent())),
            FaultKind::Refused
        );
    }
    for other in ["file", "folder", "fifo"] {
        assert_eq!(
            kind(refused(top, &symlink(at(other), "x"))),
            FaultKind::Refused
        );
        assert_eq!(
            kind(refused(top, &symlink(at(other), "x").absent())),
            FaultKind::Refused
        );
    }
    assert!(
        fs::symlink_metadata(at("fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
}

#[test]
fn what_the_system_lives_on_is_not_removed() {
    let top = tempfile::tempdir().unwrap();
    for path in ["/", "/etc", "/etc/", "/usr/lib", "/proc"] {
        if fs::symlink_metadata(path).unwrap().is_dir() {
            let fault = refused(top.path(), &folder(path).absent());
            assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
        }
    }
    // Nor by a way that leads there.
    link("/", top.path().join("root")).unwrap();
    let fault = refused(top.path(), &folder(top.path().join("root/etc")).absent());
    assert_eq!(fault.path.as_deref(), Some("/etc"));
}

#[test]
fn paths_are_absolute_and_lead_down() {
    let top = tempfile::tempdir().unwrap();
    for path in ["motd", "./motd", "/etc/../tmp/x", ""] {
        let fault = refused(top.path(), &file(path).content("x"));
        assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    }
}

#[test]
fn what_is_needed_is_asked_for() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let kind = |fault: Fault| fault.kind;
    let top = top.path();
    assert_eq!(
        kind(refused(top, &line(at("no-file"), "x"))),
        FaultKind::Missing
    );
    assert_eq!(
        kind(refused(top, &file(at("no/file")).content("x"))),
        FaultKind::Missing
    );
    assert_eq!(
        kind(refused(top, &folder(at("no/folder")))),
        FaultKind::Missing
    );
    assert_eq!(
        kind(refused(top, &symlink(at("no/link"), "x"))),
        FaultKind::Missing
    );
    assert_eq!(
        kind(refused(top, &symlink(at("link"), ""))),
        FaultKind::Refused
    );
    assert_eq!(
        kind(refused(top, &file(at("x")).mode(0o100_644))),
        FaultKind::Refused
    );
    // What is not there need not be removed.
    for absent in [file(at("no/x")).absent(), folder(at("x")).absent()] {
        assert!(!Run::new().ensure(&absent).unwrap().changed);
    }
    assert!(
        !line(at("x"), "x")
            .absent()
            .ensure(&mut Run::new())
            .unwrap()
            .changed
    );
}

#[test]
fn a_large_file_is_not_read() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("large");
    fs::File::create(&path)
        .unwrap()
        .set_len(wxec_plan::MAX_READ_BYTES + 1)
        .unwrap();
    for fault in [
        line(&path, "x").ensure(&mut Run::new()).unwrap_err(),
        file(&path)
            .content("x")
            .ensure(&mut Run::preview())
            .unwrap_err(),
    ] {
        assert_eq!(fault.kind, FaultKind::TooLarge, "{fault}");
    }
    // Its mode and its end need no content.
    assert!(
        file(&path)
            .mode(0o600)
            .ensure(&mut Run::new())
            .unwrap()
            .changed
    );
    assert!(
        file(&path)
            .absent()
            .ensure(&mut Run::new())
            .unwrap()
            .changed
    );
}

/// Runs itself once more in a mount namespace, where a file system is mounted in a folder.
#[test]
fn what_is_mounted_in_a_folder_is_not_emptied() {
    const VARIABLE: &str = "WXEC_TEST_MOUNTED";
    if let Some(path) = std::env::var_os(VARIABLE) {
        let (path, kept) = (
            Path::new(&path),
            Path::new(&path).join("below/mounted/kept"),
        );
        let fault = folder(path).absent().ensure(&mut Run::new()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
        assert!(kept.exists());
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("folder");
    fs::create_dir_all(path.join("below/mounted")).unwrap();
    let script =
        r#"mount -t tmpfs none "$0/below/mounted" && touch "$0/below/mounted/kept" && exec "$@""#;
    let name = "edges::what_is_mounted_in_a_folder_is_not_emptied";
    let ended = std::process::Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script])
        .arg(&path)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(VARIABLE, &path)
        .output();
    match ended {
        Ok(ended) if String::from_utf8_lossy(&ended.stdout).contains("running 1 test") => {
            assert!(ended.status.success(), "{ended:?}");
        }
        other => eprintln!("skipped: this account cannot mount: {other:?}"),
    }
    // Without the mount, the folder is removed.
    folder(&path).absent().ensure(&mut Run::new()).unwrap();
    assert!(!path.exists());
}
