//! Grants of calls: by flags and by declarations, and refusals before anything is sent.

use std::{
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use serde_json::{Value as Json, json};
use wxec::{CallErrorKind, Fleet, Grants, Host, Module, call::Need};

use crate::harness::{Cli, Ended, SOON, needs, own_seconds, processes, wait_until};

/// Nothing listens there: the port is a privileged one that machines do not use.
const REFUSED: &str = "127.0.0.1:1";

/// The grants that `faulty::demand` declares.
const DECLARED: [&str; 5] = [
    "--allow-read=/etc/os-release",
    "--allow-run=apt-get",
    "--allow-run=dpkg",
    "--allow-env=HOME",
    "--allow-facts",
];

/// Calls a function that declares many grants.
fn demand(target: &str, options: &[&str]) -> Ended {
    Cli::new([&["-q", "call"], options, &[target, "faulty::demand", "7"]].concat()).run()
}

#[test]
fn what_is_declared_and_not_granted_is_named_before_anything_is_connected() {
    let ended = demand(REFUSED, &[]);
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(4), ""),
        "{ended:?}"
    );
    let flags = DECLARED.join(" ");
    assert_eq!(
        ended.stderr.trim_end(),
        format!(
            "error: {REFUSED}: not granted: needs {flags}; \
             add that, or --allow-declared to grant all that the function declares"
        )
    );

    let ended = demand(
        REFUSED,
        &["--allow-run=apt-get,dpkg", "--allow-facts", "--stats"],
    );
    assert_eq!(ended.exit_code, Some(4), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("needs --allow-read=/etc/os-release --allow-env=HOME; "),
        "{ended:?}"
    );
    assert_eq!(
        (&ended.stats()["round_trips"], &ended.stats()["bytes_sent"]),
        (&json!(0), &json!(0)),
        "{ended:?}"
    );
}

#[test]
fn programs_read_what_is_missing_from_every_host() {
    let ended = demand(&format!("{REFUSED},127.0.0.1:2"), &["--format", "ndjson"]);
    assert_eq!(ended.exit_code, Some(4), "{ended:?}");
    let records: Vec<Json> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Json| line["event"] == "ended")
        .collect();
    assert_eq!(records.len(), 2, "{ended:?}");
    assert!(
        records.iter().all(|record| record["error"]
            .as_str()
            .unwrap()
            .contains(&DECLARED.join(" "))),
        "{ended:?}"
    );
}

#[test]
fn what_is_declared_is_granted_in_one_word_or_one_by_one() {
    demand("local:", &["--allow-declared"]).is("7");
    demand("local:", &DECLARED).is("7");
    demand("local:", &["-A"]).is("7");
    demand(
        "local:",
        &[
            "--allow-read=/etc",
            "--allow-run",
            "--allow-env",
            "--allow-facts",
        ],
    )
    .is("7");
}

#[test]
fn flags_that_grant_nothing_are_usage_errors() {
    for (flag, complaint) in [
        ("--allow-read=", "it names nothing"),
        ("--allow-net=example.org:https", "`https` is not a port"),
        ("--allow-host=ssh:a b", "cannot contain ` `"),
        ("--allow-env=A=1", "a variable is granted by its name alone"),
        ("--deterministic=often", "invalid digit"),
        ("--fuel=0", "0 is not in"),
        ("--allow-everything", "unexpected argument"),
    ] {
        let ended = demand(REFUSED, &[flag]);
        assert_eq!(
            (ended.exit_code, &*ended.stdout),
            (Some(2), ""),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(complaint), "{flag}: {ended:?}");
    }
}

#[test]
fn a_flag_without_a_value_does_not_take_the_target() {
    let ended = Cli::new([
        "-q",
        "call",
        "--allow-read",
        "local:",
        "words::count",
        "to be",
    ])
    .run();
    ended.is("2");
}

#[test]
fn for_a_program_its_own_declaration_is_the_grant() {
    let host = Host::new("local:").unwrap();
    assert_eq!(faulty::demand::on(&host, 7).wait().unwrap(), 7);
    let fleet = Fleet::new(["local:"]).unwrap();
    let outcomes = faulty::demand::on(&fleet, 7)
        .grant(Grants::none().env("PATH"))
        .wait();
    assert_eq!(outcomes.into_result().unwrap()[0].1, 7);
}

#[test]
fn for_a_module_the_declaration_is_a_request() {
    let module = Module::from_package(env!("CARGO_MANIFEST_DIR"), "faulty").unwrap();
    let host = Host::new("local:").unwrap();
    let call = || host.bind(&module).call::<u32>("demand", &(7,));

    let error = call()
        .grant(Grants::none().read("/etc").run("*").facts())
        .wait()
        .unwrap_err();
    let needs = [Need::Env("HOME".into())];
    assert!(
        matches!(&error.kind, CallErrorKind::Denied { needs: missing, .. } if *missing == needs),
        "{error:?}"
    );
    assert!(!host.is_connected(), "it was refused here");

    let declared = &module.function("demand").unwrap().wants;
    assert_eq!(call().grant(declared.grants()).wait().unwrap(), 7);
}

#[test]
fn a_module_shows_what_it_wants_without_running() {
    let ended = Cli::new(["-q", "inspect", "faulty"]).run();
    let wants = format!("\n      wants {}\n", DECLARED.join(" "));
    assert!(ended.stdout.contains(&wants), "{ended:?}");
    let asks = ended.stdout.split("\ncan ask to\n").nth(1).unwrap();
    assert!(
        asks.contains("\n  open files           with --allow-read, --allow-write\n"),
        "{ended:?}"
    );

    let ended = Cli::new(["-q", "inspect", "faulty", "--format", "json"]).run();
    let json: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["can_ask"], json!(["clock", "env", "files", "random"]));
    for (module, asked) in [("relay", ["facts", "host"]), ("tools", ["net", "run"])] {
        let ended = Cli::new(["-q", "inspect", module, "--format", "json"]).run();
        let json: Json = serde_json::from_str(&ended.stdout).unwrap();
        let can_ask = json["can_ask"].as_array().unwrap();
        assert!(
            asked.iter().all(|name| can_ask.contains(&json!(name))),
            "{module}: {can_ask:?}"
        );
    }
    let functions = json["functions"].as_array().unwrap();
    let demand = functions
        .iter()
        .find(|function| function["name"] == "demand")
        .unwrap();
    let wanted = json!({"read": ["/etc/os-release"], "run": ["apt-get", "dpkg"], "env": ["HOME"], "facts": true});
    assert_eq!(demand["wants"], wanted);
    let boom = functions
        .iter()
        .find(|function| function["name"] == "boom")
        .unwrap();
    assert_eq!(boom["wants"], json!({}));
}

#[test]
fn what_nobody_declared_is_refused_when_it_is_used() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "secret").unwrap();
    let path = file.path().to_str().unwrap();
    let read = |options: &[&str]| {
        Cli::new(
            [
                &["-q", "call", "-r"],
                options,
                &["local:", "faulty::read_text", path],
            ]
            .concat(),
        )
        .run()
    };

    let ended = read(&[]);
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(4), ""),
        "{ended:?}"
    );
    let refused =
        format!("error: local: not granted: needs --allow-read={path} (the task gave up: ");
    assert!(
        ended.stderr.starts_with(&refused) && !ended.stderr.contains("--allow-declared"),
        "{ended:?}"
    );

    read(&[&format!("--allow-read={path}")]).is("secret");
    read(&["--allow-read"]).is("secret");
}

fn tools(options: &[&str], arguments: &[&str]) -> Ended {
    Cli::new([&["-q", "call", "-r"], options, &["local:"], arguments].concat()).run()
}

#[track_caller]
fn is_refused(ended: &Ended, flag: &str) {
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(4), ""),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains(&format!("not granted: needs {flag} ")),
        "{ended:?}"
    );
}

#[test]
fn a_program_runs_if_it_is_granted() {
    if !needs(&["apt-get"]) {
        return;
    }
    let version = |options: &[&str], program: &str| tools(options, &["tools::version", program]);
    is_refused(&version(&[], "apt-get"), "--allow-run=apt-get");
    is_refused(
        &version(
            &["--allow-run=dpkg", "--allow-read", "--allow-env"],
            "apt-get",
        ),
        "--allow-run=apt-get",
    );
    for granted in [
        "--allow-run=apt-get",
        "--allow-run=dpkg,apt-get",
        "--allow-run",
        "-A",
    ] {
        let ended = version(&[granted], "apt-get");
        assert!(
            ended.exit_code == Some(0) && ended.stdout.starts_with("apt "),
            "{ended:?}"
        );
    }
    // The grant covers the same file by its path, but no other file of its name.
    assert_eq!(
        version(&["--allow-run=apt-get"], "/usr/bin/apt-get").exit_code,
        Some(0)
    );
    is_refused(
        &version(&["--allow-run=apt-get"], "/tmp/apt-get"),
        "--allow-run=/tmp/apt-get",
    );
    is_refused(
        &version(&["--allow-run=apt-get"], "./apt-get"),
        "--allow-run=./apt-get",
    );
}

#[test]
fn modes_links_and_names_are_set_if_they_are_granted() {
    let directory = tempfile::tempdir().unwrap();
    let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
    std::fs::write(&file, "old").unwrap();
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    let [path, link] = [&file, &link].map(|path| path.to_str().unwrap());
    let write = format!("--allow-write={}", directory.path().display());

    let protect = |options: &[&str]| tools(options, &["tools::protect", path, "384"]);
    is_refused(&protect(&[]), &format!("--allow-write={path}"));
    is_refused(&protect(&[&write]), "--allow-attributes");
    is_refused(
        &protect(&["--allow-attributes"]),
        &format!("--allow-write={path}"),
    );
    assert_ne!(mode(&file), 0o600);
    protect(&[&write, "--allow-attributes"]).is("384");
    assert_eq!(mode(&file), 0o600);

    let replace = ["tools::replace", path, "new", link, "/nowhere/at/all"];
    tools(&[&write], &replace).is("/nowhere/at/all");
    assert_eq!(std::fs::read(&file).unwrap(), b"new");
    assert_eq!(
        std::fs::read_link(link).unwrap(),
        Path::new("/nowhere/at/all")
    );
}

#[test]
fn a_call_is_a_preview_if_its_caller_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "old").unwrap();
    let module = Module::from_package(env!("CARGO_MANIFEST_DIR"), "tools").unwrap();
    let bound = Host::new("local:").unwrap().bind(&module);
    let name = path.to_str().unwrap();
    let protect = bound.call::<u32>("protect", &(name, 0o777)).preview();
    let version = bound.call::<String>("version", &("sh",)).preview();
    for (error, need) in [
        (
            protect.grant(Grants::all()).wait().unwrap_err(),
            Need::Write(name.into()),
        ),
        (
            version.grant(Grants::all()).wait().unwrap_err(),
            Need::Run("sh".into()),
        ),
    ] {
        let is_denied =
            matches!(&error.kind, CallErrorKind::Denied { needs, .. } if *needs == [need]);
        assert!(is_denied, "{error:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_connection_is_made_if_it_is_granted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut request = String::new();
            let _ = (&stream).read_to_string(&mut request);
            let _ = write!(&stream, "{request} yourself");
        }
    });
    let fetch = |options: &[&str]| tools(options, &["tools::fetch", "127.0.0.1", &port, "hello"]);
    is_refused(&fetch(&[]), &format!("--allow-net=127.0.0.1:{port}"));
    is_refused(
        &fetch(&["--allow-net=127.0.0.1:1,example.org"]),
        &format!("--allow-net=127.0.0.1:{port}"),
    );
    for granted in [
        &*format!("--allow-net=127.0.0.1:{port}"),
        "--allow-net=127.0.0.1",
        "--allow-net",
        "-A",
    ] {
        fetch(&[granted]).is("hello yourself");
    }
}

#[test]
fn a_deadline_ends_what_a_task_waits_for_and_what_it_started() {
    let seconds = own_seconds();
    let arguments = format!("[\"{seconds}\"]");
    let waits = ["tools::run", "sleep", &arguments];
    let ended = tools(&["--allow-run=sleep", "--timeout", "500ms"], &waits);
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");
    wait_until(SOON, "the child is gone", || {
        processes(&format!("sleep {seconds}")).is_empty()
    });
}

#[test]
fn the_same_seed_gives_the_same_result_for_the_same_fuel() {
    let moment = |options: &[&str]| {
        let ended = Cli::new(
            [
                &["-q", "call", "--stats"],
                options,
                &["local:", "faulty::moment"],
            ]
            .concat(),
        )
        .run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        (ended.stdout.clone(), ended.stats()["fuel"].as_u64())
    };
    let (value, fuel) = moment(&["--deterministic"]);
    assert!(fuel.is_some_and(|fuel| fuel > 100), "{fuel:?}");
    assert_eq!(moment(&["--deterministic"]), (value.clone(), fuel));
    assert_eq!(
        moment(&["--deterministic=0"]),
        (value.clone(), fuel),
        "no seed is this one"
    );
    assert_ne!(moment(&["--deterministic=1"]).0, value);
    assert_eq!(
        moment(&[]).1,
        None,
        "fuel is counted only if that is wanted"
    );

    let ended = Cli::new(["-q", "call", "--fuel", "1000", "local:", "faulty::spin"]).run();
    assert!(
        ended.exit_code == Some(1) && ended.stderr.contains("fuel limit of 1000"),
        "{ended:?}"
    );
    let ended = Cli::new(["-q", "call", "--no-clock", "local:", "faulty::moment"]).run();
    assert!(
        ended.exit_code == Some(4) && ended.stderr.contains("--no-clock took away"),
        "{ended:?}"
    );
}
