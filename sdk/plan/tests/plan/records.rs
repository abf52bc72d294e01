//! Records: restarts that are owed, what is cleaned up, and runs that die anywhere.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use wxec_plan::{
    Fault, FaultKind, Order, Prefab, Report, Run, State, block, command, file, folder, line,
    setting, symlink,
};

use crate::manifest::{manifest, visible};

/// A site whose "server" notes what it was started with, line by line.
fn site(run: &mut Run, place: &Path) -> Result<(), Fault> {
    let at = |name: &str| place.join(name);
    folder(at("site")).ensure(run)?;
    let config = file(at("site/config")).content("port=443\n").ensure(run)?;
    let more = setting(at("hosts"), "db", "10.0.0.7")
        .separator(" ")
        .ensure(run)?;
    symlink(at("current"), "site").ensure(run)?;
    let start = "cat site/config hosts | tr '\\n' ' ' >>log; echo >>log";
    let start = format!("cd {} && {start}", place.display());
    command(["sh", "-c", &start])
        .after([&config, &more])
        .run(run)?;
    Ok(())
}

fn apply(place: &Path, record: &Path) -> Result<Report, wxec_plan::PlanFault> {
    Order::new(())
        .recorded_in(record)
        .carry_out(|run, ()| site(run, place))
}

fn summary(report: &Report) -> String {
    report.summary()
}

/// A place with a file of others in it.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("hosts"), "localhost 127.0.0.1\n").unwrap();
    place
}

#[test]
fn an_order_for_one_run_is_carried_out_once() {
    let (place, record) = (place(), tempfile::tempdir().unwrap());
    let order = || Order::new(()).recorded_in(record.path()).by("mia");
    let plan = |run: &mut Run, ()| site(run, place.path());
    let preview = order().preview().carry_out(plan).unwrap();
    assert_eq!(preview.run, Some(1));
    let [first, second] = [0, 1].map(|_| order().only_as_run(1).carry_out(plan));
    assert_eq!(first.unwrap().run, Some(1));
    let failed = second.unwrap_err();
    assert_eq!(failed.fault.kind, FaultKind::Moved);
    assert_eq!(
        failed.fault.message,
        "this is to be run 1 of the plan on this host, and another one of mia was that already"
    );
    assert_eq!(order().only_as_run(2).carry_out(plan).unwrap().run, Some(2));
}

#[test]
fn what_is_restarted_is_restarted_once_for_each_change() {
    let (place, record) = (place(), tempfile::tempdir().unwrap());
    let log = place.path().join("log");
    assert_eq!(
        summary(&apply(place.path(), record.path()).unwrap()),
        "5 steps: 5 changed"
    );
    let wanted = "port=443 localhost 127.0.0.1 db 10.0.0.7 \n";
    assert_eq!(fs::read_to_string(&log).unwrap(), wanted);

    let before = manifest(place.path());
    assert_eq!(
        summary(&apply(place.path(), record.path()).unwrap()),
        "5 steps: 5 ok"
    );
    assert_eq!(manifest(place.path()), before);

    fs::write(place.path().join("site/config"), "port=80\n").unwrap();
    let report = apply(place.path(), record.path()).unwrap();
    assert_eq!(summary(&report), "5 steps: 3 ok, 2 changed");
    assert_eq!(fs::read_to_string(&log).unwrap(), wanted.repeat(2));
}

#[test]
fn a_restart_that_fails_stays_owed() {
    let (place, record) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| place.path().join(name);
    let plan = |run: &mut Run, ()| -> Result<(), Fault> {
        let config = file(at("config")).content("x\n").ensure(run)?;
        let start = ["test", "-e", at("ready").to_str().unwrap()].map(str::to_owned);
        command(start).after([&config]).run(run).map(drop)
    };
    let order = || Order::new(()).recorded_in(record.path());
    let failed = order().carry_out(plan).unwrap_err();
    assert_eq!(failed.fault.kind, FaultKind::Command);
    // A preview says that it is owed, and changes nothing about that.
    let preview = order().preview().carry_out(plan).unwrap();
    assert_eq!(summary(&preview), "2 steps: 1 ok, 1 would change");
    assert!(order().carry_out(plan).is_err());
    fs::write(at("ready"), "").unwrap();
    assert_eq!(
        summary(&order().carry_out(plan).unwrap()),
        "2 steps: 1 ok, 1 changed"
    );
    assert_eq!(summary(&order().carry_out(plan).unwrap()), "2 steps: 2 ok");
}

#[test]
fn cleaning_removes_what_the_plan_made_and_nothing_else() {
    let (place, record) = (place(), tempfile::tempdir().unwrap());
    let at = |name: &str| place.path().join(name);
    fs::write(at("motd"), "theirs\n").unwrap();
    let before = tree(place.path());
    let plan = |run: &mut Run, ()| -> Result<(), Fault> {
        site(run, place.path())?;
        file(at("motd")).content("ours\n").ensure(run)?;
        line(at("hosts"), "# ours").ensure(run)?;
        block(at("hosts"), "ours", "a\nb").ensure(run)?;
        folder(at("data")).keep().ensure(run).map(drop)
    };
    let order = || Order::new(()).recorded_in(record.path());
    order().carry_out(plan).unwrap();
    fs::write(at("data/kept"), "").unwrap();
    fs::write(at("site/others"), "").unwrap();
    fs::remove_file(at("log")).unwrap();

    // The code of a plan without the mode is not run. Here it is one all the same.
    let nothing = |_: &mut Run, ()| Ok(());
    let preview = order()
        .in_mode("clean")
        .preview()
        .carry_out(nothing)
        .unwrap();
    assert!(
        preview
            .steps
            .iter()
            .any(|step| step.state == State::WouldChange)
    );
    assert!(at("current").is_symlink());

    let cleaned = order().in_mode("clean").carry_out(nothing).unwrap();
    let skipped = |state: &State| matches!(state, State::Skipped { why } if why.contains("empty"));
    assert_eq!(
        cleaned
            .steps
            .iter()
            .filter(|step| skipped(&step.state))
            .count(),
        1
    );
    assert!(!at("site/config").exists() && at("site/others").exists());
    fs::remove_file(at("site/others")).unwrap();
    order().in_mode("clean").carry_out(nothing).unwrap();

    assert!(at("data/kept").exists());
    fs::remove_dir_all(at("data")).unwrap();
    // What was there before is changed back by nobody.
    assert_eq!(fs::read_to_string(at("motd")).unwrap(), "ours\n");
    fs::write(at("motd"), "theirs\n").unwrap();
    assert_eq!(tree(place.path()), before);
    assert_eq!(
        fs::read_to_string(at("hosts")).unwrap(),
        "localhost 127.0.0.1\n"
    );
    let again = order().in_mode("clean").carry_out(nothing).unwrap();
    assert_eq!(summary(&again), "0 steps");
}

#[test]
fn what_a_plan_does_not_have_any_more_is_told_and_pruned_on_demand() {
    let (place, record) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| place.path().join(name);
    let plan = |all: bool| {
        move |run: &mut Run, ()| -> Result<(), Fault> {
            file(at("one")).content("1").ensure(run)?;
            if all {
                file(at("two")).content("2").ensure(run)?;
            }
            Ok(())
        }
    };
    let order = || Order::new(()).recorded_in(record.path());
    order().carry_out(plan(true)).unwrap();
    let report = order().carry_out(plan(false)).unwrap();
    assert_eq!(report.left, [format!("file {}", at("two").display())]);
    assert!(at("two").exists());
    let report = order().prune().carry_out(plan(false)).unwrap();
    assert_eq!(summary(&report), "2 steps: 1 ok, 1 changed");
    assert!(at("one").exists() && !at("two").exists());
    assert!(order().carry_out(plan(false)).unwrap().left.is_empty());
}

#[test]
fn a_damaged_record_is_an_error_with_a_way_out() {
    let (place, record) = (place(), tempfile::tempdir().unwrap());
    apply(place.path(), record.path()).unwrap();
    apply(place.path(), record.path()).unwrap();
    let path = record.path().join("record");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    for damaged in [bytes, Vec::new(), b"garbage".to_vec()] {
        fs::write(&path, &damaged).unwrap();
        let failed = apply(place.path(), record.path()).unwrap_err();
        assert_eq!(failed.fault.kind, FaultKind::Record);
        assert!(failed.to_string().contains("--repair-record"), "{failed}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is lost");
    }
    let order = Order::new(()).recorded_in(record.path()).repair_record();
    order.carry_out(|run, ()| site(run, place.path())).unwrap();
    // It knows what it knew before.
    fs::remove_file(place.path().join("log")).unwrap();
    let order = Order::new(()).recorded_in(record.path()).in_mode("clean");
    order.carry_out(|_, ()| Ok(())).unwrap();
    assert_eq!(tree(place.path()), tree(self::place().path()));
}

#[test]
fn another_run_that_is_under_way_is_named() {
    let record = tempfile::tempdir().unwrap();
    let order = || Order::new(()).recorded_in(record.path());
    let inner = |_: &mut Run, ()| Ok(());
    let outer = |_: &mut Run, ()| {
        let failed = order()
            .by("ann@desk")
            .lock_wait(Duration::ZERO)
            .carry_out(inner)
            .unwrap_err();
        assert_eq!(failed.fault.kind, FaultKind::Busy);
        let text = failed.to_string();
        assert!(
            text.contains("by mia@laptop is under way") && text.contains("--lock-wait"),
            "{text}"
        );
        Ok(())
    };
    order().by("mia@laptop").carry_out(outer).unwrap();
    order().carry_out(inner).unwrap();
}

/// A run dies at each point where it can, in turn, and the next one ends well: with the same files
/// as if nothing had happened, with one restart at least that saw the last state, and none too many.
#[test]
fn a_run_may_die_anywhere() {
    const POINT: &str = "WXEC_PLAN_TEST_POINT";
    if let Ok(point) = env::var(POINT) {
        wxec_plan::__private::crash_at(point.parse().unwrap());
        let [place, record] = ["PLACE", "RECORD"].map(|name| env::var(name).unwrap());
        apply(place.as_ref(), record.as_ref()).unwrap();
        return;
    }
    let undisturbed = place();
    apply(undisturbed.path(), tempfile::tempdir().unwrap().path()).unwrap();
    let wanted = tree(undisturbed.path());
    let mut deaths = 0;
    for point in 1.. {
        let (place, record) = (place(), tempfile::tempdir().unwrap());
        let test = Command::new(env::current_exe().unwrap())
            .args(["records::a_run_may_die_anywhere", "--exact"])
            .env(POINT, point.to_string())
            .env("PLACE", place.path())
            .env("RECORD", record.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        if test.success() {
            break;
        }
        deaths += 1;
        let report = apply(place.path(), record.path()).unwrap();
        assert_eq!(report.notes.len(), 1, "{point}: {:?}", report.notes);
        assert_eq!(tree(place.path()), wanted, "{point}");
        let log = fs::read_to_string(place.path().join("log")).unwrap();
        let runs: Vec<_> = log.lines().collect();
        let last = "port=443 localhost 127.0.0.1 db 10.0.0.7 ";
        assert!(
            runs.last() == Some(&last) && runs.len() <= 2,
            "{point}: {runs:?}"
        );
        let again = apply(place.path(), record.path()).unwrap();
        assert_eq!(summary(&again), "5 steps: 5 ok", "{point}");
        assert!(again.notes.is_empty());
        fs::remove_file(place.path().join("log")).unwrap();
        let order = Order::new(()).recorded_in(record.path()).in_mode("clean");
        order.carry_out(|_, ()| Ok(())).unwrap();
        assert_eq!(tree(place.path()), tree(self::place().path()), "{point}");
    }
    assert!(deaths > 15, "the run has {deaths} points only");
}

/// What people see of a place, but for the log.
fn tree(place: &Path) -> Vec<(PathBuf, String)> {
    let seen = visible(place).into_iter();
    let seen = seen.map(|(path, line)| (path.strip_prefix(place).unwrap().to_owned(), line));
    seen.filter(|(path, _)| path != Path::new("log") && path != Path::new(""))
        .collect()
}
