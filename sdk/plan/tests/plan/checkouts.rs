//! Checkouts of git, from a repository of this machine.

use std::{fs, path::Path, process::Command};

use wxec_plan::{Fault, FaultKind, Git, Order, Run, State, file, git};

fn run_git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args([
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
    ]);
    let output = command.current_dir(folder).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit, and a place for checkouts beside it.
struct Place {
    folder: tempfile::TempDir,
    url: String,
}

impl Place {
    fn new() -> Option<Self> {
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("skipped: there is no `git` here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("from")).unwrap();
        run_git(&folder.path().join("from"), &["init", "--quiet"]);
        let url = format!("file://{}", folder.path().join("from").display());
        let place = Self { folder, url };
        place.commit("1");
        Some(place)
    }

    /// Makes a commit on the server.
    fn commit(&self, content: &str) -> String {
        let from = self.folder.path().join("from");
        fs::write(from.join("file"), content).unwrap();
        run_git(&from, &["add", "file"]);
        run_git(&from, &["commit", "--quiet", "-m", content]);
        run_git(&from, &["rev-parse", "HEAD"])
    }

    fn checkout(&self) -> std::path::PathBuf {
        self.folder.path().join("app")
    }

    fn at(&self, commit: &str) -> Git {
        git(self.checkout(), &self.url).commit(commit)
    }

    fn content(&self) -> String {
        fs::read_to_string(self.checkout().join("file")).unwrap()
    }
}

fn changed(git: &Git) -> Result<bool, Fault> {
    git.ensure(&mut Run::new()).map(|settled| settled.changed)
}

#[test]
fn a_checkout_at_a_commit_is_made_and_moved() {
    let Some(place) = Place::new() else { return };
    let (first, second) = (place.commit("one"), place.commit("two"));
    let mut preview = Run::preview();
    assert!(place.at(&first).ensure(&mut preview).unwrap().changed);
    file(place.checkout().join("conf"))
        .ensure(&mut preview)
        .unwrap();
    assert!(matches!(
        preview.report().steps[1].state,
        State::Unknown { .. }
    ));
    assert!(!place.checkout().exists());

    assert!(changed(&place.at(&first)).unwrap());
    assert_eq!(place.content(), "one");
    assert!(!changed(&place.at(&first)).unwrap());
    let third = place.commit("three");
    for (commit, content) in [(&second, "two"), (&third, "three"), (&first, "one")] {
        assert!(
            place
                .at(commit)
                .ensure(&mut Run::preview())
                .unwrap()
                .changed
        );
        assert!(changed(&place.at(commit)).unwrap());
        assert_eq!(place.content(), content);
        assert!(!changed(&place.at(commit)).unwrap());
    }
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 2);
}

#[test]
fn a_branch_is_followed_and_is_unknown_in_a_preview() {
    let Some(place) = Place::new() else { return };
    let main = git(place.checkout(), &place.url).branch("main");
    assert!(main.ensure(&mut Run::preview()).unwrap().changed);
    assert!(changed(&main).unwrap());
    assert!(!changed(&main).unwrap());
    place.commit("two");
    let mut preview = Run::preview();
    main.ensure(&mut preview).unwrap();
    assert!(matches!(
        preview.report().steps[0].state,
        State::Unknown { .. }
    ));
    assert!(changed(&main).unwrap());
    assert_eq!(place.content(), "two");
    // The name of the commit is found in packed references as well.
    run_git(&place.checkout(), &["pack-refs", "--all"]);
    assert!(!changed(&main).unwrap());
    let fault = changed(&git(place.checkout(), &place.url).branch("other")).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Command, "{fault}");
}

#[test]
fn a_new_checkout_at_a_branch_is_made_as_its_preview_has_shown() {
    let Some(place) = Place::new() else { return };
    let plan = |run: &mut Run, url: String| -> Result<(), Fault> {
        let main = git(place.checkout(), url).branch("main");
        main.ensure(run).map(drop)
    };
    let order = || Order::new(place.url.clone()).unrecorded();
    let foreseen = order().preview().carry_out(plan).unwrap().foreseen();
    let travelled = wxec::cbor::encode(&foreseen).unwrap();
    assert_eq!(wxec::cbor::decode(&travelled), Ok(foreseen.clone()));
    let made = order().foreseen(foreseen.clone()).carry_out(plan).unwrap();
    assert_eq!(made.summary(), "1 step: 1 changed");

    // Another program has made another one there.
    place.commit("two");
    let moved = order().foreseen(foreseen).carry_out(plan).unwrap_err();
    assert_eq!(moved.fault.kind, FaultKind::Moved);
}

#[test]
fn work_in_a_checkout_is_never_lost() {
    let Some(place) = Place::new() else { return };
    let (first, second) = (place.commit("one"), place.commit("two"));
    changed(&place.at(&first)).unwrap();
    let app = place.checkout();
    fs::write(app.join("file"), "mine").unwrap();
    let fault = changed(&place.at(&second)).unwrap_err();
    assert!(
        fault.kind == FaultKind::Refused && fault.message.contains("not committed"),
        "{fault}"
    );
    run_git(&app, &["commit", "--quiet", "--all", "-m", "mine"]);
    let fault = changed(&place.at(&second)).unwrap_err();
    assert!(
        fault.kind == FaultKind::Refused && fault.message.contains("had not"),
        "{fault}"
    );
    assert_eq!(place.content(), "mine");
}

/// Programs that a repository names are not run, neither by a look nor by a step.
#[test]
fn hooks_and_monitors_of_a_repository_do_not_run() {
    let Some(place) = Place::new() else { return };
    let (first, second) = (place.commit("one"), place.commit("two"));
    changed(&place.at(&first)).unwrap();
    let (app, canary) = (place.checkout(), place.folder.path().join("canary"));
    let script = place.folder.path().join("script");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\n", canary.display())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    run_git(
        &app,
        &["config", "core.fsmonitor", script.to_str().unwrap()],
    );
    fs::copy(&script, app.join(".git/hooks/post-checkout")).unwrap();
    let _ = fs::remove_file(&canary);
    assert!(changed(&place.at(&second)).unwrap());
    assert!(!canary.exists());
}

#[test]
fn what_is_no_checkout_is_refused() {
    let Some(place) = Place::new() else { return };
    let first = place.commit("one");
    let to = place.checkout();
    for wrong in [
        git(&to, &place.url),
        git(&to, &place.url).commit("main"),
        git(&to, &place.url).commit(&first[..12]),
        git(&to, &place.url).commit(&first).branch("main"),
        git(&to, &place.url).branch("--upload-pack=x"),
        git(&to, "--upload-pack=x").commit(&first),
        git(&to, "ext::sh -c x").commit(&first),
    ] {
        let fault = changed(&wrong).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{wrong:?}: {fault}");
    }
    let absent = "0123456789012345678901234567890123456789";
    let fault = changed(&place.at(absent)).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Command, "{fault}");
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1);
    fs::create_dir(&to).unwrap();
    fs::write(to.join("theirs"), "").unwrap();
    assert_eq!(
        changed(&place.at(&first)).unwrap_err().kind,
        FaultKind::Refused
    );
}
