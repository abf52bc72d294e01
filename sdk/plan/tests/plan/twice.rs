//! Each prefab, applied twice: the second time it does not write.

use std::{fs, path::Path};

use wxec_plan::{Prefab, Run, Secret, Settled, State, block, file, folder, line, setting, symlink};

use crate::manifest::{manifest, visible};

/// Applies a prefab twice, and previews it before and after.
#[track_caller]
fn assert_settles(top: &Path, prefab: &impl Prefab) {
    let before = manifest(top);
    let foreseen = ensure(Run::preview(), prefab);
    assert_eq!(foreseen.1, State::WouldChange);
    assert_eq!(manifest(top), before, "a preview has written");

    let first = ensure(Run::new(), prefab);
    assert_eq!(first.1, State::Changed);
    assert_eq!(first.0, foreseen.0, "the preview foresaw another state");
    assert!(visible(top).keys().all(|path| !is_temporary(path)));

    let done = manifest(top);
    for run in [Run::new(), Run::preview()] {
        let (settled, state) = ensure(run, prefab);
        assert_eq!((settled.changed, state), (false, State::Ok));
        assert_eq!(settled.digest, first.0.digest);
        assert_eq!(manifest(top), done, "the second time has written");
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(".wxec-"))
}

#[track_caller]
fn ensure(mut run: Run, prefab: &impl Prefab) -> (Settled, State) {
    let settled = run.ensure(prefab).unwrap();
    let [step] = &*run.report().steps else {
        panic!("one step makes one report");
    };
    assert_eq!(step.differences.is_empty(), step.state == State::Ok);
    (settled, step.state.clone())
}

#[test]
fn each_prefab_settles_once() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    fs::write(at("text"), "a\nb\n[x]\nk = 1\n").unwrap();
    let top = top.path();

    assert_settles(top, &file(at("file")));
    assert_settles(top, &file(at("file")).content("content"));
    assert_settles(top, &file(at("file")).content("other").mode(0o640));
    assert_settles(top, &file(at("file")).mode(0o4711));
    assert_settles(top, &file(at("key")).content(Secret::new("key".to_owned())));
    assert_settles(top, &folder(at("folder")));
    assert_settles(top, &folder(at("folder")).mode(0o2770));
    assert_settles(top, &symlink(at("folder/link"), "../nowhere"));
    assert_settles(top, &symlink(at("folder/link"), at("file")));
    assert_settles(top, &line(at("text"), "c"));
    assert_settles(top, &line(at("text"), "b2").replaces("b"));
    assert_settles(top, &line(at("text"), "a").absent());
    assert_settles(top, &block(at("text"), "some", "1\n2"));
    assert_settles(top, &block(at("text"), "some", "2\n"));
    assert_settles(top, &block(at("text"), "some", "").absent());
    assert_settles(top, &setting(at("text"), "k", "2").in_section("x"));
    assert_settles(top, &setting(at("text"), "l", "3").in_section("y"));
    assert_settles(top, &setting(at("text"), "k", "").in_section("x").absent());
    assert_settles(top, &symlink(at("folder/link"), "").absent());
    assert_settles(top, &file(at("file")).absent());
    fs::write(at("folder/more"), "").unwrap();
    assert_settles(top, &folder(at("folder")).absent());
}

#[test]
fn owners_are_set_before_modes() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root may give files away");
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let top = top.path();
    assert_settles(top, &file(at("file")).content("x").owner(7, 8).mode(0o4755));
    assert_settles(top, &file(at("file")).owner(8, 8));
    assert_settles(top, &file(at("file")).owner(9, 8).mode(0o4755));
    assert_settles(top, &folder(at("folder")).owner(7, 8).mode(0o2750));
    assert_settles(top, &folder(at("folder")).owner(7, 9));
    // A new content keeps the owner and the mode.
    assert_settles(top, &file(at("file")).content("y"));
    assert_settles(top, &file(at("file")).owner(9, 8).mode(0o644));
}

#[test]
fn new_files_have_the_default_modes() {
    use std::os::unix::fs::MetadataExt;

    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let mut run = Run::new();
    file(at("file")).content("").ensure(&mut run).unwrap();
    file(at("key"))
        .content(Secret::new(vec![7]))
        .ensure(&mut run)
        .unwrap();
    folder(at("folder")).ensure(&mut run).unwrap();
    for (name, mode) in [("file", 0o644), ("key", 0o600), ("folder", 0o755)] {
        assert_eq!(
            fs::metadata(at(name)).unwrap().mode() & 0o7777,
            mode,
            "{name}"
        );
    }
}
