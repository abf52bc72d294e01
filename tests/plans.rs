//! Plans as tasks: on the host, with its sandbox.

use std::{fs, path::Path};

use plans::Site;
use wxec::{CallErrorKind, Host};
use wxec_plan::{Order, Report, Secret, State};

use crate::harness::Cli;

/// A folder at a place that the plans may write to.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

fn local() -> Host {
    Host::new("local:").unwrap()
}

fn states(report: &Report) -> Vec<&State> {
    report.steps.iter().map(|step| &step.state).collect()
}

const KEY: &str = "canary-51c2";

#[test]
fn a_plan_is_previewed_carried_out_and_settled() {
    let (place, host) = (place(), local());
    let config = Site {
        top: place.path().to_owned(),
        key: Secret::new(KEY.to_owned()),
    };
    let order = || Order::new(config.clone());

    let foreseen = plans::site::on(&host, order().preview()).wait().unwrap();
    assert!(fs::read_dir(place.path()).unwrap().next().is_none());
    let done = plans::site::on(&host, order()).wait().unwrap();
    let differences = |report: &Report| {
        let steps = report.steps.iter().map(|step| step.differences.clone());
        steps.collect::<Vec<_>>()
    };
    assert_eq!(differences(&foreseen), differences(&done));
    assert!(!format!("{foreseen:?} {done:?}").contains(KEY));
    assert_eq!(
        foreseen.summary(),
        "8 steps: 7 would change, 1 unknown (site/key: No such file or directory (os error 44), before the changes above)"
    );
    assert_eq!(done.summary(), "8 steps: 7 changed, 1 ok");

    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(read("current/key"), KEY);
    assert_eq!(
        read("conf/site.ini"),
        "[web]\nport=443\n# mine\n# BEGIN db\n[db]\nport=5432\n# END db\n"
    );
    let mode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(place.path().join(name)).unwrap().mode() & 0o7777
    };
    assert_eq!((mode("conf"), mode("conf/key")), (0o755, 0o600));

    let again = plans::site::on(&host, order()).wait().unwrap();
    assert_eq!(again.summary(), "8 steps: 8 ok");
}

#[test]
fn a_preview_cannot_write_even_if_its_plan_does() {
    let (place, host) = (place(), local());
    let path = place.path().join("file");
    let preview = plans::liar::on(&host, Order::new(path.clone()).preview()).wait();
    let error = preview.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
    assert!(!path.exists());
    plans::liar::on(&host, Order::new(path.clone()))
        .wait()
        .unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "written");
}

#[test]
fn the_error_of_a_plan_has_the_steps_before_it() {
    let (place, host) = (place(), local());
    fs::create_dir_all(place.path().join("conf/site.ini")).unwrap();
    let order = Order::new(Site {
        top: place.path().to_owned(),
        key: Secret::new(KEY.to_owned()),
    });
    let error = plans::site::on(&host, order).wait().unwrap_err();
    let CallErrorKind::Task(failed) = error.kind else {
        panic!("{error}");
    };
    let path = place.path().join("conf/site.ini").display().to_string();
    assert_eq!(failed.fault.step, format!("site/file {path}"));
    assert_eq!(states(&failed.report), [&State::Ok, &State::Changed]);
}

#[test]
fn plans_are_called_and_described_on_the_command_line() {
    let place = place();
    let path = place.path().join("greeting");
    let call = |order: &str| {
        let path = path.display();
        let order = format!(r#"{{{order} "config": {{"path": "{path}", "name": "you"}}}}"#);
        let arguments = [
            "-q",
            "call",
            "local:",
            "plans::greeting",
            &order,
            "--allow-declared",
        ];
        let ended = Cli::new(arguments).run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        serde_json::from_str::<Report>(&ended.stdout).unwrap()
    };
    assert_eq!(
        call(r#""preview": true,"#).summary(),
        "1 step: 1 would change"
    );
    assert!(!path.exists());
    assert_eq!(call("").summary(), "1 step: 1 changed");
    assert_eq!(fs::read_to_string(&path).unwrap(), "Hello, you!\n");
    assert_eq!(call(r#""mode": "clean","#).summary(), "1 step: 1 changed");
    assert!(!Path::new(&path).exists());
    assert_eq!(call(r#""mode": "update","#).summary(), "1 step: 1 skipped");
}
