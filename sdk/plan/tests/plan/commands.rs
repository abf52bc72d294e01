//! Commands: steps with programs of their own.

use std::fs;

use wxec_plan::{Fault, FaultKind, Run, State, command, file, folder, line};

fn states(run: &Run) -> Vec<&State> {
    run.report().steps.iter().map(|step| &step.state).collect()
}

#[test]
fn a_command_that_creates_something_runs_once() {
    let place = tempfile::tempdir().unwrap();
    let made = place.path().join("made");
    let script = format!("echo x >>{}", made.display());
    let make = command(["sh", "-c", &script]).creates(&made);

    let mut preview = Run::preview();
    assert!(make.run(&mut preview).unwrap().changed);
    assert_eq!(states(&preview), [&State::WouldChange]);
    assert!(!made.exists());

    let mut run = Run::new();
    assert!(make.run(&mut run).unwrap().changed);
    let mut again = Run::new();
    assert!(!make.run(&mut again).unwrap().changed);
    assert_eq!(states(&again), [&State::Ok]);
    assert_eq!(fs::read_to_string(&made).unwrap(), "x\n");
}

#[test]
fn a_command_that_does_not_create_what_it_says_has_failed() {
    let place = tempfile::tempdir().unwrap();
    let fault = command(["true"]).creates(place.path().join("made"));
    let fault = fault.run(&mut Run::new()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotSettled);
    assert!(
        fault.to_string().contains("made: the command did not"),
        "{fault}"
    );
}

#[test]
fn a_guard_that_is_a_program_is_asked_outside_of_previews_only() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let note = |word: &str| {
        [
            "sh".into(),
            "-c".into(),
            format!("echo {word} >>{}", log.display()),
        ]
    };
    let guarded = command(note("ran")).unless(note("asked"));

    let mut preview = Run::preview();
    assert!(!guarded.run(&mut preview).unwrap().changed);
    assert!(!log.exists());
    assert!(matches!(states(&preview)[0], State::Unknown { why } if why.contains("decides")));

    let mut run = Run::new();
    guarded.run(&mut run).unwrap();
    assert_eq!(states(&run), [&State::Ok]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "asked\n");
    command(note("ran"))
        .unless(["false"])
        .run(&mut Run::new())
        .unwrap();
    assert_eq!(fs::read_to_string(&log).unwrap(), "asked\nran\n");
}

#[test]
fn a_command_without_a_guard_always_changes_and_is_unknown_in_a_preview() {
    let mut preview = Run::preview();
    command(["false"]).run(&mut preview).unwrap();
    let why = "a command without a guard".to_owned();
    assert_eq!(states(&preview), [&State::Unknown { why }]);
    for _ in 0..2 {
        assert!(command(["true"]).run(&mut Run::new()).unwrap().changed);
    }
    let fault = command(["sh", "-c", "echo broken >&2; exit 3"]).run(&mut Run::new());
    let fault = fault.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Command);
    assert!(
        fault.message.ends_with("failed with exit code 3: broken"),
        "{fault}"
    );
}

/// What a command makes cannot be looked into before it is made.
#[test]
fn steps_upon_what_a_command_would_make_are_unknown_in_a_preview() {
    let place = tempfile::tempdir().unwrap();
    let made = place.path().join("made");
    let steps = |run: &mut Run| -> Result<(), Fault> {
        command(["mkdir", made.to_str().unwrap()])
            .creates(&made)
            .run(run)?;
        file(made.join("config")).content("x\n").ensure(run)?;
        folder(place.path().join("other")).ensure(run)?;
        Ok(())
    };
    let mut preview = Run::preview();
    steps(&mut preview).unwrap();
    let summary = preview.report().summary();
    assert!(
        summary.starts_with("3 steps: 2 would change, 1 unknown (") && summary.contains("foresee"),
        "{summary}"
    );
    let mut run = Run::new();
    steps(&mut run).unwrap();
    assert_eq!(run.report().summary(), "3 steps: 3 changed");
}

#[test]
fn what_depends_on_an_unknown_step_is_unknown() {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().to_owned();
    let plan = |run: &mut Run, is_changed: bool| -> Result<(), Fault> {
        let unknown = command(["true"]).run(run)?;
        let text = if is_changed { "new" } else { "old" };
        let conf = file(top.join("conf")).content(text).ensure(run)?;
        command(["echo", "restart"])
            .after([&unknown, &conf])
            .run(run)
            .map(drop)
    };
    fs::write(top.join("conf"), "old").unwrap();
    let mut preview = Run::preview();
    plan(&mut preview, false).unwrap();
    let why = "`true` may change something".to_owned();
    assert_eq!(states(&preview)[2], &State::Unknown { why });
    let mut preview = Run::preview();
    plan(&mut preview, true).unwrap();
    assert_eq!(states(&preview)[2], &State::WouldChange);
}

#[test]
fn what_programs_may_bring_is_unknown_and_not_missing() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let mut preview = Run::preview();
    let fault = line(path("conf"), "x").ensure(&mut preview).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Missing);
    let fault = file(path("no/conf")).ensure(&mut preview).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Missing);

    let mut preview = Run::preview();
    command(["true"]).run(&mut preview).unwrap();
    line(path("conf"), "x").ensure(&mut preview).unwrap();
    file(path("no/conf")).ensure(&mut preview).unwrap();
    let why = format!(
        "{}: there is no such file to edit, before the programs above have run",
        path("conf").display()
    );
    assert_eq!(states(&preview)[1], &State::Unknown { why });
    assert!(matches!(states(&preview)[2], State::Unknown { .. }));
}
