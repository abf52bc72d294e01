//! Records of runs: what they hold, what they do not, and the pages made of them.

use std::{fs, path::Path, process::Command, time::Duration};

use tempfile::TempDir;
use wxec::{
    fleet::Event,
    history::{RunFolder, RunHeader, RunRecorder, RunWork},
};

use crate::harness::{Cli, Ended, kill, needs, wait_until};

/// Two agents start meanwhile, and a module may be built.
const A_WHILE: Duration = Duration::from_secs(90);

/// A host that cannot be reached.
const DEAD: &str = r#"exec:["false"]"#;

/// A state folder of its own.
struct State(TempDir);

impl State {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn cli<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Cli {
        Cli::new(words).env("WXEC_STATE", self.0.path())
    }

    fn history<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Ended {
        self.cli(["history"].into_iter().chain(words)).run()
    }

    /// Returns all that records hold.
    fn text(&self) -> String {
        let Ok(records) = fs::read_dir(self.0.path().join("runs")) else {
            return String::new();
        };
        let text =
            |record: std::io::Result<fs::DirEntry>| fs::read_to_string(record.unwrap().path());
        records.map(text).collect::<Result<_, _>>().unwrap()
    }
}

#[test]
fn a_run_on_several_hosts_is_recorded_and_shown() {
    let state = State::new();
    let both = format!("local:,{DEAD}");
    assert!(
        state
            .history([])
            .stdout
            .contains("no run has been recorded")
    );
    let ended = state
        .cli(["-q", "call", &both, "words::count", "a b"])
        .run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    // One host alone is no run worth keeping.
    state
        .cli(["-q", "call", "local:", "words::count", "a"])
        .run()
        .is("1");

    let listed = state.history([]).stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(
        listed.contains("call words::count on local:,exec:"),
        "{listed}"
    );
    assert!(listed.contains(": 1 ok, 1 unreachable"), "{listed}");
    let shown = state.history(["last"]).stdout;
    assert!(shown.contains("\n1 ok: local\n"), "{shown}");
    assert!(shown.contains("\n1 unreachable: exec:"), "{shown}");
    assert!(shown.contains("exit code 3"), "{shown}");
}

#[test]
fn arguments_values_and_secrets_are_not_recorded() {
    let state = State::new();
    let both = format!("local:,{DEAD}");
    let call = [
        "-q",
        "call",
        &both,
        "words::top",
        "canary4711 canary4711",
        "1",
    ];
    let ended = state.cli(call).run();
    assert!(ended.stdout.contains("canary4711"), "{ended:?}");
    let exec = [
        "-q",
        "exec",
        &both,
        "--env",
        "TOKEN=canary4711",
        "--",
        "echo",
        "canary4711",
    ];
    let ended = state.cli(exec).run();
    assert!(ended.stdout.contains("canary4711"), "{ended:?}");
    let kept = state.text();
    assert_eq!(kept.matches("\"begun\"").count(), 2, "{kept}");
    assert!(!kept.contains("canary4711"), "{kept}");
}

/// A host behind a gate, which a file opens.
fn gated(file: &Path) -> String {
    let script = format!("[ -e {} ] && exec \"$@\"", file.display());
    format!("exec:{}", serde_json::json!(["sh", "-c", script, "sh"]))
}

#[test]
fn a_resumed_run_touches_what_was_not_done() {
    let state = State::new();
    let file = state.0.path().join("open");
    let all = format!("local:,{},{DEAD}", gated(&file));
    let call = ["-q", "call", &all, "words::count", "a b"];
    assert_eq!(state.cli(call).run().exit_code, Some(3));

    fs::write(&file, "").unwrap();
    let ended = state
        .cli(call.into_iter().chain(["--resume", "last"]))
        .run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    assert!(!ended.stdout.contains("[local]"), "{ended:?}");
    let shown = state.history(["last"]).stdout;
    assert!(
        shown.contains("(2 hosts)") && shown.contains("\nresumes  2"),
        "{shown}"
    );

    let ended = state
        .cli(call.into_iter().chain(["--only", "ok@last"]))
        .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let ended = state
        .cli(call.into_iter().chain(["--resume", "last"]))
        .run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("nothing left to do"), "{ended:?}");
}

#[test]
fn other_work_is_not_resumed_unless_asked_to() {
    let state = State::new();
    let both = format!("local:,{DEAD}");
    state
        .cli(["-q", "call", &both, "words::count", "a b"])
        .run();
    let other = [
        "-q",
        "call",
        &both,
        "words::top",
        "a b",
        "1",
        "--resume",
        "last",
    ];
    let ended = state.cli(other).run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("was call words::count; resume it"),
        "{ended:?}"
    );
    let ended = state.cli(other.into_iter().chain(["--with-new"])).run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
}

#[test]
fn a_killed_run_has_a_record_up_to_then() {
    let state = State::new();
    let both = "local:,exec:[\"env\"]";
    let run = state
        .cli(["-q", "call", both, "faulty::sleep", "60000"])
        .start();
    wait_until(A_WHILE, "both calls run", || {
        state.text().matches("\"started\"").count() == 2
    });
    kill(run.pid());
    assert_eq!(run.wait().exit_code, None);
    let shown = state.history(["last"]).stdout;
    assert!(shown.contains("it still goes on, or was killed"), "{shown}");
    assert!(shown.contains("\n2 not ended: "), "{shown}");
}

#[test]
fn a_page_of_a_thousand_hosts_is_read_by_a_browser() {
    if !needs(&["chromium"]) {
        return;
    }
    let state = State::new();
    record_a_thousand(&RunFolder::at(state.0.path().join("runs")));
    let page = state.0.path().join("run.html");
    let written = state.history(["last", "--html", page.to_str().unwrap()]);
    assert_eq!(written.exit_code, Some(0), "{written:?}");
    // The page is whole without its script, which adds what sorts the table.
    let (plain, shown) = (fs::read_to_string(&page).unwrap(), browsed(&page));
    for (page, buttons) in [(plain, 0), (shown, 4)] {
        assert_eq!(page.matches("<td class=\"host\">").count(), 1000);
        assert_eq!(page.matches("<tr class=\"gone\">").count(), 2);
        assert_eq!(page.matches("<button>").count(), buttons);
        assert!(page.contains("web[3,500]"), "equal failures share a line");
    }
}

/// Returns the document that the browser has made of `page`.
fn browsed(page: &Path) -> String {
    let browsed = Command::new("timeout")
        // Root has no sandbox of the browser's.
        .args([
            "60",
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
        ])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(browsed.status.success(), "{browsed:?}");
    String::from_utf8(browsed.stdout).unwrap()
}

fn record_a_thousand(folder: &RunFolder) {
    let hosts: Vec<_> = (1..=1000).map(|number| format!("web{number}")).collect();
    let work = RunWork {
        command: "call".into(),
        what: "words::count".into(),
        target: "@web".into(),
        ..RunWork::default()
    };
    let mut record = RunRecorder::create(folder, &RunHeader::new(work)).unwrap();
    let mut add = |event: serde_json::Value| {
        let event: Event = serde_json::from_value(event).unwrap();
        record.add(&event).unwrap();
    };
    add(serde_json::json!({
        "at_ms": 0, "event": "begun", "hosts": hosts, "batches": [1000], "allowed": null,
    }));
    for (number, host) in (1..).zip(&hosts) {
        let ending = if [3, 500].contains(&number) {
            "unreachable"
        } else {
            "ok"
        };
        let error = (ending != "ok").then_some("no route");
        add(
            serde_json::json!({ "at_ms": number, "event": "connecting", "host": host, "attempt": 1 }),
        );
        add(
            serde_json::json!({ "at_ms": number + 40, "event": "started", "host": host, "attempt": 1 }),
        );
        add(serde_json::json!({
            "at_ms": number + 90, "event": "ended", "host": host, "ending": ending, "error": error,
        }));
    }
    record.end(3).unwrap();
}
