use std::{fs, process::Command};

use super::tools::{Place, WAYS, ends, noise, works};

/// git, without the configuration of the user or of this machine.
fn git(place: &Place, arguments: &[&str]) -> Command {
    let mut git = place.tool("git", arguments);
    git.envs([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ]);
    for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        git.env(format!("{who}_NAME"), "Joe")
            .env(format!("{who}_EMAIL"), "joe@example.org");
    }
    git
}

/// Commits a new file in the clone at `directory`.
fn commit(place: &Place, directory: &str, file: &str) {
    fs::write(
        place.path(directory).join(file),
        noise(1 << 20, file.len() as u64),
    )
    .unwrap();
    works(git(place, &["-C", directory, "add", "."]));
    works(git(place, &["-C", directory, "commit", "-qm", file]));
}

/// The commit that is checked out in the clone at `directory`, or the tip of a repository.
fn tip(place: &Place, directory: &str) -> String {
    works(git(place, &["-C", directory, "rev-parse", "HEAD"]))
}

#[test]
fn clones_pushes_and_fetches() {
    let Some(place) = Place::with("git") else {
        return;
    };
    for (number, (plain, brackets, home)) in WAYS.into_iter().enumerate() {
        let user = home.trim_start_matches("/home/");
        let made = place
            .machine
            .command(
                user,
                [
                    "git",
                    "init",
                    "-q",
                    "--bare",
                    "-b",
                    "main",
                    "it's a repo.git",
                ],
            )
            .status();
        assert!(made.unwrap().success());

        let (one, two) = (format!("one{number}"), format!("two{number}"));
        let (_, stderr) = ends(
            git(
                &place,
                &["clone", "-q", &format!("{plain}:it's a repo.git"), &one],
            ),
            0,
        );
        assert_eq!(
            stderr,
            "warning: You appear to have cloned an empty repository.\n"
        );
        works(git(&place, &["-C", &one, "checkout", "-q", "-B", "main"]));
        commit(&place, &one, "first");
        works(git(&place, &["-C", &one, "push", "-q", "origin", "main"]));

        works(git(
            &place,
            &["clone", "-q", &format!("{brackets}:it's a repo.git"), &two],
        ));
        assert_eq!(tip(&place, &two), tip(&place, &one));
        commit(&place, &two, "second");
        works(git(&place, &["-C", &two, "push", "-q"]));

        works(git(&place, &["-C", &one, "fetch", "-q"]));
        works(git(
            &place,
            &["-C", &one, "merge", "-q", "--ff-only", "origin/main"],
        ));
        assert_eq!(tip(&place, &one), tip(&place, &two));
        assert!(fs::read(place.path(&one).join("second")).unwrap() == noise(1 << 20, 6));

        let url = format!("ssh://{brackets}{home}/it's a repo.git");
        assert!(
            works(git(&place, &["ls-remote", &url, "main"])).starts_with(tip(&place, &one).trim())
        );
    }
}

#[test]
fn the_second_version_of_its_protocol_is_spoken() {
    let Some(place) = Place::with("git") else {
        return;
    };
    let made = place
        .machine
        .command("login", ["git", "init", "-q", "--bare", "repo.git"])
        .status();
    assert!(made.unwrap().success());
    let mut list = git(&place, &["ls-remote", "ssh:login:repo.git"]);
    list.env("GIT_TRACE_PACKET", "1");
    let (_, trace) = ends(list, 0);
    // git asks for it by a variable that ssh has to pass on.
    assert!(trace.contains("version 2"), "{trace}");
}

/// A clone with submodules lets the repository name hosts.
#[test]
fn a_submodule_runs_nothing_here() {
    let Some(place) = Place::with("git") else {
        return;
    };
    let touch = format!(r#"exec:["touch","{}"]:x"#, place.path("pwned").display());
    let (_, stderr) = ends(git(&place, &["clone", "-q", &touch, "x"]), 128);
    assert!(stderr.contains("add --trust-address"), "{stderr}");
    assert!(!place.path("pwned").exists());
}

#[test]
fn a_missing_repository_is_the_hosts_affair() {
    let Some(place) = Place::with("git") else {
        return;
    };
    let (_, stderr) = ends(
        git(&place, &["clone", "-q", "ssh:login:none.git", "x"]),
        128,
    );
    assert!(
        stderr.contains("fatal: 'none.git' does not appear to be a git repository"),
        "{stderr}"
    );
    let (_, stderr) = ends(
        git(
            &place,
            &["clone", "-q", "ssh:nowhere.invalid:none.git", "x"],
        ),
        128,
    );
    assert!(
        stderr.contains("wxec rsh: nowhere.invalid: unreachable"),
        "{stderr}"
    );
}
