//! Names, modes and reports of steps.

use std::path::Path;

use wxec_plan::{
    Attribute, Fault, FaultKind, Kind, Report, Run, Side, State, command, exists, file, folder,
    line,
};

fn names(report: &Report) -> Vec<&str> {
    report.steps.iter().map(|step| &*step.name).collect()
}

#[test]
fn steps_have_the_paths_of_what_is_around_them() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("motd");
    let mut run = Run::new();
    run.step("outer", |run| {
        run.step("inner", |run| file(&path).content("x").ensure(run))?;
        run.verify("is there", || path.exists())
    })
    .unwrap();
    let inner = format!("outer/inner/file {}", path.display());
    assert_eq!(names(run.report()), [&*inner, "outer/is there"]);
}

#[test]
fn names_are_unique_and_can_be_shown() {
    let mut run = Run::new();
    run.verify("a", || true).unwrap();
    let twice = run.verify("a", || true).unwrap_err();
    assert_eq!((twice.kind, &*twice.step), (FaultKind::Name, "a"));
    run.step("b", |run| run.verify("a", || true)).unwrap();
    for name in ["", "a\nb", &"x".repeat(5000)] {
        assert_eq!(run.verify(name, || true).unwrap_err().kind, FaultKind::Name);
        assert_eq!(
            run.step(name, |_| Ok(())).unwrap_err().kind,
            FaultKind::Name
        );
    }
    assert_eq!(names(run.report()), ["a", "b/a"]);
}

#[test]
fn a_fault_names_the_innermost_step() {
    let mut run = Run::new();
    let fault = run.step("a", |run| run.step("b", |_| Err::<(), _>(Fault::new("no"))));
    assert_eq!(fault.unwrap_err().to_string(), "step `a/b`: no");
    // The steps go on where the plan does.
    run.verify("c", || true).unwrap();
    assert_eq!(names(run.report()), ["c"]);
}

#[test]
fn a_check_that_fails_before_the_changes_of_a_preview_is_unknown() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("motd");
    let check = || path.exists().then_some(true).ok_or("there is no motd");
    let mut run = Run::preview();
    assert_eq!(
        run.verify("first", check).unwrap_err().kind,
        FaultKind::Verify
    );
    file(&path).content("x").ensure(&mut run).unwrap();
    run.verify("then", check).unwrap();
    let why = "there is no motd, before the changes above".to_owned();
    assert_eq!(run.report().steps[1].state, State::Unknown { why });
}

#[test]
fn a_preview_foresees_files_in_folders_it_foresees() {
    let top = tempfile::tempdir().unwrap();
    let at = |name: &str| top.path().join(name);
    let mut run = Run::preview();
    folder(at("a")).ensure(&mut run).unwrap();
    folder(at("a/b")).mode(0o700).ensure(&mut run).unwrap();
    file(at("a/b/c")).content("one\n").ensure(&mut run).unwrap();
    line(at("a/b/c"), "two").ensure(&mut run).unwrap();
    // By a symlink that is foreseen as well.
    wxec_plan::symlink(at("way"), "a/b")
        .ensure(&mut run)
        .unwrap();
    line(at("way/c"), "three").ensure(&mut run).unwrap();

    let last = &run.report().steps.last().unwrap().differences;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].attribute, Attribute::Content);
    assert_eq!(last[0].path, at("a/b/c").display().to_string());
    assert_eq!(last[0].after, Side::Text("one\ntwo\nthree\n".into()));
    assert!(std::fs::read_dir(top.path()).unwrap().next().is_none());
    assert_eq!(run.report().summary(), "6 steps: 6 would change");
}

#[test]
fn a_report_is_bounded() {
    let top = tempfile::tempdir().unwrap();
    let mut run = Run::preview();
    let text = "x".repeat(60 << 10);
    for index in 0..8 {
        let path = top.path().join(index.to_string());
        file(&path).content(&text).ensure(&mut run).unwrap();
    }
    let after = |index: usize| {
        let step = &run.report().steps[index];
        let content = |it: &&wxec_plan::Difference| it.attribute == Attribute::Content;
        step.differences.iter().find(content).unwrap().after.clone()
    };
    assert_eq!(after(0), Side::Text(text.clone()));
    assert!(matches!(after(7), Side::Bytes { length: 61_440, .. }));
    assert!(serde_json::to_string(run.report()).unwrap().len() < 300 << 10);
}

#[test]
fn a_difference_is_shown_as_text_if_it_is_one() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("file");
    let content = |before: &[u8], after: &[u8]| {
        std::fs::write(&path, before).unwrap();
        let mut run = Run::preview();
        file(&path).content(after).ensure(&mut run).unwrap();
        let mut differences = run.into_report().steps.remove(0).differences;
        assert_eq!(differences.len(), 1);
        differences.remove(0)
    };
    let texts = content(b"a", b"b");
    assert_eq!(texts.before, Side::Text("a".into()));
    assert_eq!(texts.after, Side::Text("b".into()));
    assert!(
        texts.to_string().ends_with(r#"file: content: "a" -> "b""#),
        "{texts}"
    );
    let bytes = content(b"\xff", &[b'x'; 65 << 10]);
    assert!(matches!(bytes.before, Side::Bytes { length: 1, .. }));
    assert!(matches!(bytes.after, Side::Bytes { length: 66_560, .. }));
    assert!(Path::new(&bytes.path).is_absolute());
}

fn web(run: &mut Run) -> Result<(), Fault> {
    run.plan("web", &["install"], |run| run.verify("works", || true))
}

#[test]
fn a_plan_is_called_twice_by_another_name() {
    let mut run = Run::new();
    web(&mut run).unwrap();
    let fault = web(&mut run).unwrap_err();
    assert_eq!((fault.kind, &*fault.step), (FaultKind::Name, "web"));
    run.step("site", |run| {
        run.step_as("blog", web)?;
        run.step_as("shop", web)
    })
    .unwrap();
    assert_eq!(
        names(run.report()),
        ["web/works", "site/blog/works", "site/shop/works"]
    );

    let fault = run.step_as("other", |_| Ok(())).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Name);
}

#[test]
fn a_plan_without_the_mode_is_skipped_and_the_report_says_so() {
    let mut run = Run::new().in_mode("start");
    run.step("site", web).unwrap();
    run.plan("any", &["*"], |run| run.verify("a", || true))
        .unwrap();
    assert_eq!(names(run.report()), ["site/web", "any/a"]);
    assert!(matches!(run.report().steps[0].state, State::Skipped { .. }));
}

#[test]
fn what_has_to_be_there_is_unknown_only_where_a_program_may_make_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("tool");
    let tool = exists(&path).kind(Kind::File);
    for mut run in [Run::new(), Run::preview()] {
        let fault = tool.ensure(&mut run).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Missing);
        let message = format!("{}: there is nothing, and has to be a file", path.display());
        assert!(fault.to_string().ends_with(&message), "{fault}");
    }
    let steps = |run: &mut Run| {
        command(["touch", path.to_str().unwrap()]).run(run)?;
        tool.ensure(run)
    };
    let mut preview = Run::preview();
    steps(&mut preview).unwrap();
    assert!(matches!(
        &preview.report().steps[1].state,
        State::Unknown { why } if why.contains("may make it")
    ));
    let mut run = Run::new();
    steps(&mut run).unwrap();
    assert_eq!(run.report().steps[1].state, State::Ok);
    let fault = exists(&path)
        .kind(Kind::Folder)
        .ensure(&mut run)
        .unwrap_err();
    assert!(fault.message.contains("there is a file"), "{fault}");
}
