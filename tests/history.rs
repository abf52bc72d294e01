//! Records of runs: what they hold, what they do not, and the pages made of them.

use std::{fs, path::Path, process::Command, time::Duration};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;
use wxec::{
    fleet::Event,
    history::{RunFolder, RunHeader, RunRecorder, RunWork},
};

use crate::harness::{Cli, Ended, Pid, kill, needs, wait_until};

/// Two agents start meanwhile, and a module may be built.
const A_WHILE: Duration = Duration::from_secs(90);

/// A host that cannot be reached.
const DEAD: &str = r#"exec:["false"]"#;

fn interrupt(pid: Pid) {
    kill_process(pid, Signal::INT).unwrap();
}

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
fn another_build_or_other_arguments_are_not_resumed_unless_asked_to() {
    let state = State::new();
    let both = format!("local:,{DEAD}");
    let program = state.0.path().join("program.wasm");
    let path = program.to_str().unwrap();
    let build = |body: &str| {
        let text = format!(r#"(module (func (export "_start") {body}))"#);
        fs::write(&program, wat::parse_str(text).unwrap()).unwrap();
    };
    build("");
    let run = |more: &[&str]| {
        state
            .cli([&["-q", "run", &both, path], more].concat())
            .run()
    };
    assert_eq!(run(&[]).exit_code, Some(3));
    build("nop");
    let ended = run(&["--resume", "last"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    let said = " was with another build of the module; resume it with what it did";
    assert!(ended.stderr.contains(said), "{ended:?}");
    let ended = run(&["--resume", "last", "--with-new"]);
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");

    let exec = |word: &str, more: &[&str]| {
        let words = [&["-q", "exec", &both][..], more, &["--", "echo", word]];
        state.cli(words.concat()).run()
    };
    assert_eq!(exec("one", &[]).exit_code, Some(3));
    let ended = exec("two", &["--resume", "last"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    let said = " was echo with other arguments; ";
    assert!(ended.stderr.contains(said), "{ended:?}");
    assert_eq!(exec("one", &["--resume", "last"]).exit_code, Some(3));
}

#[test]
fn a_run_on_the_one_host_that_is_left_looks_like_one_on_several() {
    let state = State::new();
    let both = format!("local:,{DEAD}");
    let exec = ["-q", "exec", &both, "--sh", "echo a; exit 7"];
    let call = ["-q", "call", &both, "words::count", "a b"];
    state.cli(call).run();
    let only = ["--only", "ok@last"];
    let ended = state.cli(call.into_iter().chain(only)).run();
    ended.is("[local] 2");
    let ended = state.cli(exec.into_iter().chain(only)).run();
    let said = (ended.exit_code, &*ended.stdout, &*ended.stderr);
    assert_eq!(
        said,
        (Some(1), "[local] a\n", "[local] error: exit code 7\n")
    );
}

/// Returns the exit code that the last run's record ends with.
fn recorded_code(state: &State) -> serde_json::Value {
    let shown = state.history(["last", "--format", "json"]);
    let run: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    run["exit_code"].clone()
}

#[test]
fn the_exit_code_in_a_record_is_the_programs() {
    let state = State::new();
    let both = "local:,exec:[\"env\"]";
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let call = ["-q", "call", both, "words::count", "a b"];
    let ended = state.cli(call).output(writer).run();
    assert_eq!(ended.exit_code, Some(141), "{ended:?}");
    assert_eq!(recorded_code(&state), 141);

    assert_eq!(state.cli(call).run().exit_code, Some(0));
    let sum = ["-q", "call", "local:", "streams::sum", "--only", "ok@last"];
    let ended = state.cli(sum).input("1\nx\n").run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert_eq!(recorded_code(&state), 2);

    let sleep = state
        .cli(["-q", "call", both, "faulty::sleep", "60000"])
        .start();
    wait_until(A_WHILE, "both calls run", || {
        let shown = state.history(["last", "--format", "ndjson"]).stdout;
        shown.matches("\"connected\"").count() == 2
    });
    interrupt(sleep.pid());
    assert_eq!(sleep.wait().exit_code, Some(130));
    assert_eq!(recorded_code(&state), 130);
    assert!(state.history(["last"]).stdout.contains("\n2 cancelled: "));
}

#[test]
fn runs_are_listed_for_programs_and_newest_first() {
    let state = State::new();
    let both = format!("local:,{DEAD}");
    for text in ["a", "a b"] {
        state.cli(["-q", "call", &both, "words::count", text]).run();
    }
    assert_eq!(state.history([]).stdout.lines().count(), 2);
    let newest = state.history(["-n", "1", "--format", "ndjson"]).stdout;
    let newest: serde_json::Value = serde_json::from_str(&newest).unwrap();
    let shown = state.history(["last", "--format", "ndjson"]).stdout;
    let lines: Vec<serde_json::Value> = shown
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["id"], newest["id"]);
    assert_eq!(lines[1]["event"], "begun");
    assert_eq!(lines.last().unwrap()["exit_code"], 3);
    let events = || {
        lines
            .iter()
            .map(|line| line["event"].as_str().unwrap_or_default())
    };
    // Connecting is told from work, also where the work connects.
    assert_eq!(events().filter(|event| *event == "connecting").count(), 2);
    assert_eq!(events().filter(|event| *event == "connected").count(), 1);
}

#[test]
fn a_state_folder_that_cannot_be_written_stops_no_work() {
    let call = ["call", "local:,exec:[\"env\"]", "words::count", "a b"];
    let ended = Cli::new(call).env("WXEC_STATE", "/dev/null/state").run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 2, "{ended:?}");
    let said =
        "warning: this run is not recorded any further: cannot create /dev/null/state/runs: ";
    assert!(ended.stderr.contains(said), "{ended:?}");
}

#[test]
fn without_a_variable_of_its_own_the_state_folder_is_that_of_xdg() {
    let state = State::new();
    let call = ["-q", "call", "local:,exec:[\"env\"]", "words::count", "a"];
    let xdg = state.0.path().to_str().unwrap();
    let unset = |set: &str| format!("unset WXEC_STATE; export {set}; exec \"$@\"");
    let ended = Cli::in_shell(&unset(&format!("XDG_STATE_HOME='{xdg}'")), &call).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let runs = state.0.path().join("wxec/runs");
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 1);
    // A relative path is ignored, and the home directory has none yet.
    let script = unset(&format!("XDG_STATE_HOME=state HOME='{xdg}'"));
    let ended = Cli::in_shell(&script, &["history"]).run();
    assert!(
        ended.stdout.contains("no run has been recorded"),
        "{ended:?}"
    );
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
