//! Secrets: a canary that no report, fault or message may show.

use std::fs;

use wxec_plan::{
    Action, Change, Content, Fault, Look, Owner, Prefab, Run, Secret, Side, State, block, file,
    line, setting,
};

const CANARY: &str = "canary-7f3a";

fn secret() -> Secret<String> {
    Secret::new(CANARY.to_owned())
}

#[track_caller]
fn assert_hidden(text: impl AsRef<str>) {
    assert!(!text.as_ref().contains(CANARY), "{}", text.as_ref());
}

/// Checks all forms of a report.
#[track_caller]
fn assert_no_canary(run: &Run) {
    let report = run.report();
    assert_hidden(format!("{run:?}"));
    assert_hidden(format!("{report} {report:?}"));
    assert_hidden(serde_json::to_string(report).unwrap());
    let encoded = wxec::cbor::encode(report).unwrap();
    assert_hidden(String::from_utf8_lossy(&encoded));
}

#[test]
fn a_step_with_a_secret_hides_both_sides() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("key");
    for run in [Run::preview(), Run::new()] {
        fs::write(&path, format!("old {CANARY}\n")).unwrap();
        let mut run = run;
        file(&path).content(secret()).ensure(&mut run).unwrap();
        run.step("line", |run| {
            line(&path, secret()).replaces("old").ensure(run)
        })
        .unwrap();
        run.step("more", |run| line(&path, secret()).ensure(run))
            .unwrap();
        block(&path, "b", secret()).ensure(&mut run).unwrap();
        setting(&path, "k", secret()).ensure(&mut run).unwrap();
        // Steps without a secret of their own hide the file, too, which has one.
        line(&path, "plain").ensure(&mut run).unwrap();
        line(&path, "plain").absent().ensure(&mut run).unwrap();
        file(&path).absent().ensure(&mut run).unwrap();
        assert_no_canary(&run);
        let differences = run.report().steps.iter().flat_map(|step| &step.differences);
        assert!(differences.filter(|it| it.before == Side::Hidden).count() >= 4);
    }
}

#[test]
fn a_file_that_is_secret_and_settled_stays_hidden() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("key");
    fs::write(&path, CANARY).unwrap();
    let mut run = Run::new();
    file(&path).content(secret()).ensure(&mut run).unwrap();
    assert_eq!(run.report().steps[0].state, State::Ok);
    // By another way that leads there.
    std::os::unix::fs::symlink(top.path(), top.path().join("way")).unwrap();
    line(top.path().join("way/key"), "x")
        .ensure(&mut run)
        .unwrap();
    assert_no_canary(&run);
}

#[test]
fn a_step_that_fails_hides_them_as_well() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("key");
    fs::write(&path, format!("{CANARY}\n{CANARY}\n")).unwrap();
    let mut run = Run::new();
    for fault in [
        line(&path, secret()).ensure(&mut run).unwrap_err(),
        run.step("a", |run| line(top.path(), secret()).ensure(run))
            .unwrap_err(),
        run.step("b", |run| {
            line(&path, Secret::new(format!("{CANARY}\n"))).ensure(run)
        })
        .unwrap_err(),
        run.ensure(&Endless(path.clone())).unwrap_err(),
    ] {
        assert_hidden(format!("{fault} {fault:?}"));
        assert_hidden(serde_json::to_string(&fault).unwrap());
    }
    assert_no_canary(&run);
}

/// Writes its secret twice, and is never settled.
struct Endless(std::path::PathBuf);

impl Prefab for Endless {
    type Seen = u64;

    fn name(&self) -> String {
        "endless".into()
    }

    fn look(&self, look: &Look<'_>) -> Result<u64, Fault> {
        Ok(look.entry(&self.0)?.map_or(0, |entry| entry.size.min(99)))
    }

    fn plan(&self, seen: &u64) -> Change {
        let content = CANARY.repeat(usize::try_from(*seen).unwrap() + 1);
        Change::of([Action::Write {
            path: self.0.clone(),
            content: Content::from(Secret::new(content)),
            mode: None,
            owner: Owner::default(),
        }])
    }
}

#[test]
fn what_an_earlier_run_has_put_there_is_not_shown_as_it_goes() {
    let top = tempfile::tempdir().unwrap();
    let path = |name: &str| top.path().join(name);
    let plan = |run: &mut Run, (): ()| -> Result<(), Fault> {
        file(path("key")).content(secret()).ensure(run)?;
        file(path("conf")).ensure(run)?;
        line(path("conf"), secret()).ensure(run).map(drop)
    };
    let nothing = |_: &mut Run, ()| Ok(());
    let record = tempfile::tempdir().unwrap();
    let order = || wxec_plan::Order::new(()).recorded_in(record.path());
    order().carry_out(plan).unwrap();
    for order in [
        order().in_mode("clean").preview(),
        order().prune().preview(),
        order().in_mode("clean"),
    ] {
        let report = order.carry_out(nothing).unwrap();
        assert!(!report.is_unchanged());
        assert_hidden(format!("{report:?}"));
    }
    assert!(!path("key").exists() && !path("conf").exists());

    // A plan that has forgotten what it was.
    let mut run = Run::new();
    file(path("key"))
        .content(secret())
        .ensure(&mut run)
        .unwrap();
    let mut run = Run::new();
    file(path("key")).absent().ensure(&mut run).unwrap();
    assert_eq!(run.report().steps[0].state, State::Changed);
    assert_no_canary(&run);
}
