//! Plans whose connection is cut, and plans that restart their host.

use std::{path::Path, time::Duration};

use rustix::process::{Signal, kill_process};

use crate::harness::{Cli, Debian, Ended, wait_until};

/// Time for a step that was under way.
const STEP: Duration = Duration::from_secs(30);

fn apply(place: &Path, plan: &str) -> Cli {
    let top = format!("top={}", place.display());
    Cli::new(["-q", "apply", "-y", "local:", plan, "--set", &top])
        .env("WXEC_STATE", place.join("state"))
}

#[track_caller]
fn ends_with(ended: &Ended, summary: &str) {
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().last(), Some(summary), "{ended:?}");
}

#[test]
fn the_step_that_is_under_way_ends_without_its_controller_and_no_other_begins() {
    stops(Signal::KILL);
}

#[test]
fn the_step_that_is_under_way_ends_when_its_plan_is_interrupted() {
    stops(Signal::INT);
}

/// Ends the command in the middle of a step.
fn stops(signal: Signal) {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let plan = "plans::links::patient";
    let run = apply(place.path(), plan).start();
    wait_until(STEP, "the step begins", || at("began").exists());
    kill_process(run.pid(), signal).unwrap();
    run.wait();
    assert!(!at("ended").exists(), "it takes a second");
    wait_until(STEP, "the step ends", || at("ended").exists());

    let history = || {
        let top = format!("top={}", place.path().display());
        Cli::new(["-q", "plan", "history", "local:", plan, "--set", &top])
            .env("WXEC_STATE", at("state"))
            .run()
    };
    wait_until(STEP, "the run ends", || {
        history().stdout.contains("cancelled before the step")
    });
    assert!(!at("after").exists());
    let next = apply(place.path(), plan).run();
    ends_with(&next, "2 steps: 1 ok, 1 changed");
}

#[test]
fn a_plan_that_cuts_its_connection_is_gone_on_with() {
    let place = tempfile::tempdir().unwrap();
    let ended = apply(place.path(), "plans::links::cut").run();
    ends_with(&ended, "3 steps: 2 ok, 1 changed");
    assert!(
        ended.stdout.contains("died before its end"),
        "the agent was killed: {ended:?}"
    );
    let place = tempfile::tempdir().unwrap();
    let top = format!("top={}", place.path().display());
    let words = ["-q", "apply", "--dry-run", "local:", "plans::links::cut"];
    let preview = Cli::new(words.into_iter().chain(["--set", &top])).run();
    ends_with(&preview, "3 steps: 3 would change");
}

#[test]
fn a_plan_that_cuts_its_connection_each_time_is_given_up() {
    let place = tempfile::tempdir().unwrap();
    let ended = apply(place.path(), "plans::links::cut_always").run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("lost"), "{ended:?}");
    let calls = std::fs::read_to_string(place.path().join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 6, "once, and five times again");
}

#[test]
fn a_plan_goes_on_behind_a_restart_of_its_host() {
    let Some(machine) = Debian::boot() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let config = machine.serve_ssh(place.path());
    let boot = || machine.said("cat /proc/sys/kernel/random/boot_id");
    let run = |words: &[&str], version: &str| {
        let set = format!("version={version}");
        let plan = ["machine", "plans::links::kernel", "--set", &set];
        Cli::new([&["-q"], words, &plan].concat())
            .env("WXEC_SSH_CONFIG", &config)
            .run()
    };

    let first = boot();
    let foreseen = run(&["apply", "--dry-run"], "6.1");
    ends_with(&foreseen, "3 steps: 3 would change");
    let applied = run(&["apply", "-y"], "6.1");
    ends_with(&applied, "3 steps: 1 ok, 2 changed");
    assert!(applied.stdout.contains("restarted the host"), "{applied:?}");
    let second = boot();
    assert_ne!(first, second);
    assert_eq!(machine.said("cat /srv/runs"), "6.1");

    ends_with(&run(&["apply", "-y"], "6.1"), "3 steps: 3 ok");
    assert_eq!(boot(), second);

    // What a preview has shown is applied on both sides of a restart.
    let shown = run(&["apply", "--dry-run", "--format", "json"], "6.2");
    let preview = place.path().join("preview.json");
    std::fs::write(&preview, &shown.stdout).unwrap();
    let preview = preview.to_str().unwrap();
    let applied = run(&["apply", "-y", "--preview", preview], "6.2");
    ends_with(&applied, "3 steps: 1 ok, 2 changed");
    assert_ne!(boot(), second);
}
