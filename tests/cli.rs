//! The command `wxec`: its output on stdout and stderr, and its exit codes.

use std::{fs, path::Path, process::Command, time::Duration};

use rustix::process::{Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::harness::{Cli, Ended, descendants, processes, ticks, wait_until, write_script};

/// Long enough for a busy machine, and less than the time after which an end gives up on a silent
/// peer.
const SOON: Duration = Duration::from_secs(45);

/// Nothing listens there: the port is a privileged one that machines do not use.
const REFUSED: &str = "127.0.0.1:1";

/// Returns what a successful call prints.
#[track_caller]
fn value(arguments: &[&str]) -> String {
    let ended = Cli::new(arguments).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    ended.stdout
}

/// Returns the exit code of a command, and the one line of its complaint.
#[track_caller]
fn complaint(arguments: &[&str]) -> (i32, String) {
    complaint_of(Cli::new(["-q"].iter().chain(arguments)).run())
}

#[track_caller]
fn complaint_of(ended: Ended) -> (i32, String) {
    assert_eq!(ended.stdout, "", "{ended:?}");
    let mut lines = ended.stderr.lines();
    match (ended.exit_code, lines.next(), lines.next()) {
        (Some(code), Some(line), None) => (code, line.to_owned()),
        _ => panic!("not one line: {ended:?}"),
    }
}

/// Returns what `--stats` printed: the last line on stderr.
#[track_caller]
fn stats(ended: &Ended) -> Json {
    let line = ended
        .stderr
        .lines()
        .last()
        .unwrap_or_else(|| panic!("{ended:?}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn a_value_is_printed_as_json() {
    assert_eq!(
        value(&["call", "local:", "words::count", "to be or not to be"]),
        "6\n"
    );
    assert_eq!(
        value(&["call", "local:", "words::top", r#""a b a""#, "1"]),
        "[[\"a\",2]]\n"
    );
    assert_eq!(
        value(&["call", "local:", "words::stats::lengths", "a bb"]),
        "{\"1\":1,\"2\":1}\n"
    );
    assert_eq!(
        value(&["call", "local:", "faulty::blob", "3"]),
        "\"BwcH\"\n"
    );
    assert_eq!(value(&["call", "local:", "faulty::say", ""]), "null\n");
}

#[test]
fn raw_values_are_printed_as_they_are() {
    assert_eq!(
        value(&["call", "local:", "faulty::echo", "as it is", "-r"]),
        "as it is"
    );
    assert_eq!(value(&["call", "local:", "words::count", "a", "-r"]), "1\n");
}

#[test]
fn arguments_come_all_at_once_from_anywhere() {
    let by_name = r#"{"n": 1, "text": "a b a"}"#;
    assert_eq!(
        value(&["call", "local:", "words::top", "--args", r#"["a b a", 1]"#]),
        "[[\"a\",2]]\n"
    );
    assert_eq!(
        value(&["call", "local:", "words::top", "--args", by_name]),
        "[[\"a\",2]]\n"
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, by_name).unwrap();
    let at_file = format!("@{}", file.path().display());
    assert_eq!(
        value(&["call", "local:", "words::top", "--args", &at_file]),
        "[[\"a\",2]]\n"
    );

    let ended = Cli::new(["call", "local:", "words::top", "--args", "-"])
        .input(by_name)
        .run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "[[\"a\",2]]\n"),
        "{ended:?}"
    );
}

#[test]
fn several_hosts_answer_behind_their_names() {
    let ended = Cli::new([
        "call",
        &format!("local:,{REFUSED}"),
        "words::count",
        "to be",
    ])
    .run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(3), "[local] 2\n"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains(&format!("[{REFUSED}] error: unreachable (connecting): ")),
        "{ended:?}"
    );
}

#[test]
fn programs_read_every_host_as_an_event() {
    let targets = format!("local:,{REFUSED}");
    let call = ["call", &targets, "words::count", "to be", "--format"];
    let ended = Cli::new(call.into_iter().chain(["ndjson"])).run();
    let lines: Vec<Json> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["schema"], &lines[0]["command"]),
        (&json!(1), &json!("call"))
    );
    assert_eq!(lines[1]["event"], "begun");
    assert_eq!(lines.last().unwrap(), &json!({"exit_code": 3}));
    let end = |host: &str| {
        let is_end = |line: &&Json| line["event"] == "ended" && line["host"] == host;
        lines.iter().find(is_end).unwrap()
    };
    assert_eq!(
        (&end("local")["value"], &end("local")["ending"]),
        (&json!(2), &json!("ok"))
    );
    let error = end(REFUSED)["error"].as_str().unwrap();
    assert!(error.contains("Connection refused"), "{error}");

    // One host has no events.
    let ended = Cli::new([
        "call",
        "local:",
        "words::count",
        "to be",
        "--format",
        "ndjson",
    ])
    .run();
    ended.is(r#"{"host":"local","value":2}"#);
}

#[test]
fn what_a_task_logs_is_shown_as_far_as_it_matters() {
    for (flag, shown) in [("-q", 2), ("--stats", 3), ("-v", 4), ("-vv", 5)] {
        let ended = Cli::new(["call", "local:", "faulty::log_all", "hello", flag]).run();
        let logged: Vec<_> = ended
            .stderr
            .lines()
            .filter(|line| line.ends_with(" faulty: hello"))
            .collect();
        let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
        let expected: Vec<_> = levels[..shown]
            .iter()
            .map(|level| format!("{level} faulty: hello"))
            .collect();
        assert_eq!(logged, expected, "{flag}: {ended:?}");
        assert_eq!(
            ended.stderr.contains("INFO elsewhere: always the same"),
            shown >= 3,
            "{ended:?}"
        );
    }
}

#[test]
fn what_a_task_prints_is_no_result() {
    let ended = Cli::new(["-q", "call", "local:", "faulty::say", "hello"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "null\n"),
        "{ended:?}"
    );
    let mut lines: Vec<_> = ended.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err: hello", "out: hello"]);
}

#[test]
fn arguments_of_another_type_are_named() {
    assert_eq!(
        complaint(&["call", "local:", "words::top", "a b a", "one"]),
        (
            2,
            r#"error: argument `n` of words::top wants a usize, not "one""#.into()
        )
    );
    assert_eq!(
        complaint(&["call", "local:", "words::count"]),
        (2, "error: words::count takes 1 argument, not 0; it is words::count(text: String) -> usize".into())
    );
    assert_eq!(
        complaint(&["call", "local:", "words::top", "--args", r#"{"text": "a"}"#]),
        (
            2,
            "error: argument `n` of words::top is missing; \
             it is words::top(text: String, n: usize) -> Vec<(String, usize)>"
                .into()
        )
    );
}

#[test]
fn a_target_that_was_forgotten_is_told() {
    let told = |arguments: &[&str], line: &str| {
        assert_eq!(
            complaint(arguments),
            (2, format!("error: {line}")),
            "{arguments:?}"
        );
    };
    told(
        &["call", "4", "words::count"],
        "words::count takes 1 argument, not 0; if `4` is an argument, the target is missing: \
         `wxec call TARGET words::count 4`",
    );
    told(
        &["call", "-1", "words::count"],
        "`-1` is not a valid address: a host name cannot start with `-`; write `ssh:[user@]host[:port]`; if `-1` is an \
         argument, the target is missing: \
         `wxec call TARGET words::count -1`",
    );
    told(
        &["call", "to be", "words::count"],
        "`to be` is not a valid address: a host name cannot contain ` `; write `ssh:[user@]host[:port]`; if `to be` is an \
         argument, the target is missing: `wxec call TARGET words::count 'to be'`",
    );
    told(
        &["run", "commands", "local:"],
        "there is no target before `commands`; write `wxec run local: commands …`",
    );
    for command in ["inspect", "build"] {
        let line = "`words::count` is a function, not a module; its module is words; \
                    `wxec call TARGET words::count` calls it";
        told(&[command, "words::count"], line);
    }
}

#[test]
fn a_missing_function_is_guessed() {
    assert_eq!(
        complaint(&["call", "local:", "words::cuont", "a"]),
        (
            2,
            "error: words has no function `cuont`; did you mean `count`?".into()
        )
    );
}

const RARE: &str = "error: faulty has no function `rare`; `rare` (src/lib.rs:LINE) is compiled only with feature `rare`: \
                    add `--features rare`";

/// Returns the first line of a file of the workspace that begins with `text`.
fn line_of(file: &str, text: &str) -> usize {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap();
    source
        .lines()
        .position(|line| line.starts_with(text))
        .unwrap()
        + 1
}

#[test]
fn a_package_is_built_with_features() {
    assert_eq!(
        complaint(&["call", "local:", "faulty::rare"]),
        (
            2,
            RARE.replace(
                "LINE",
                &line_of("guests/faulty/src/lib.rs", "pub fn rare()").to_string()
            )
        )
    );
    assert_eq!(
        value(&["call", "local:", "faulty::rare", "--features", "rare"]),
        "1\n"
    );
    assert!(value(&["inspect", "faulty", "--all-features"]).contains("  rare() -> u8\n"));
    let digest = |features: &[&str]| {
        let printed = value(&[&["build", "faulty"], features].concat());
        printed
            .lines()
            .find(|line| line.starts_with("digest"))
            .unwrap()
            .to_owned()
    };
    assert_ne!(
        digest(&["--features=rare"]),
        digest(&["--no-default-features"])
    );
    assert_eq!(
        complaint(&["build", "faulty", "--features", "rear"]),
        (
            2,
            "error: package `faulty` has no feature `rear`; there is `rare`".into()
        )
    );
    assert_eq!(
        complaint(&["call", "local:", "./m.wasm::count", "--features", "rare"]),
        (
            2,
            "error: ./m.wasm is a module already, whose features cannot be chosen; \
             name the package it is built from"
                .into()
        )
    );
}

#[test]
fn a_missing_module_is_named() {
    let (code, line) = complaint(&["call", "local:", "wrods::count", "a"]);
    assert_eq!(code, 2);
    assert!(
        line.starts_with("error: no package `wrods` in the workspace "),
        "{line}"
    );
    assert!(line.ends_with("; there is `words`"), "{line}");

    assert_eq!(
        complaint(&["call", "local:", "./none.wasm::count", "a"]),
        (
            2,
            "error: cannot read ./none.wasm: No such file or directory (os error 2)".into()
        )
    );
    let (code, line) = complaint(&["call", "local:", "./Cargo.toml::count", "a"]);
    assert_eq!(code, 2);
    assert!(
        line.starts_with("error: Cargo is no wasm module: "),
        "{line}"
    );
    assert!(
        line.ends_with("; build it for wasm32-wasip1, or name a package"),
        "{line}"
    );
}

#[test]
fn what_is_no_module_says_what_would_do() {
    for command in [
        &["run", "local:", "/bin/sh"][..],
        &["call", "local:", "/bin/sh::count"],
        &["inspect", "/bin/sh"],
    ] {
        let line = "error: sh is no wasm module but a native program or library (ELF); \
                    `wxec exec TARGET -- PROGRAM` runs programs that a host has";
        assert_eq!(complaint(command), (2, line.into()), "{command:?}");
    }

    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, wat: &str| {
        let path = directory.path().join(name);
        fs::write(&path, wat::parse_str(wat).unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let component = write("component.wasm", "(component)");
    let function = format!("{component}::count");
    for command in [
        &["run", "local:", &component][..],
        &["call", "local:", &function],
        &["inspect", &component],
    ] {
        let line = "error: component is a component (WASI 0.2), and wxec runs core modules of WASI preview 1; \
                    build it for preview 1: wasm32-wasip1 for Rust and clang, wasip1 for Go and TinyGo";
        assert_eq!(complaint(command), (2, line.into()), "{command:?}");
    }

    let library = write(
        "library.wasm",
        r#"(module (func (export "add")) (func (export "_initialize")))"#,
    );
    let neither = "error: library is a library of functions that wxec cannot call (add), and no program; \
                   wxec runs programs, which export `_start`, and calls functions marked with #[remote]";
    assert_eq!(complaint(&["run", "local:", &library]), (2, neither.into()));
    assert_eq!(
        complaint(&["call", "local:", &format!("{library}::add"), "1"]),
        (2, neither.into())
    );

    let program = write("program.wasm", r#"(module (func (export "_start")))"#);
    let (code, line) = complaint(&["call", "local:", &format!("{program}::main")]);
    assert_eq!(code, 2);
    assert!(
        line.ends_with("it is a program: `wxec run TARGET MODULE` runs it"),
        "{line}"
    );
}

#[test]
fn cargo_runs_only_for_what_has_changed() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("src")).unwrap();
    let manifest = "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\n[workspace]\n";
    fs::write(path("Cargo.toml"), manifest).unwrap();
    let write_export = |name: &str| {
        let text = format!("#[unsafe(no_mangle)] pub extern \"C\" fn wx1_{name}() {{}}\n");
        fs::write(path("src/lib.rs"), text).unwrap();
    };
    write_export("first");
    let (log, cargo) = (path("log"), path("cargo"));
    let script = format!(
        "#!/bin/sh\necho run >>{}\nexec {} \"$@\"\n",
        log.display(),
        env!("CARGO")
    );
    write_script(&cargo, &script);
    // Says what the module exports, and whether cargo ran for that.
    let inspect = |directory: &Path| {
        let _ = fs::remove_file(&log);
        let ended = Cli::new(["inspect", "plain"])
            .directory(directory)
            .env("CARGO", &cargo)
            .env("WXEC_CACHE", path("cache"))
            .run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        (ended.stdout, log.exists())
    };

    let (first, has_run) = inspect(place.path());
    assert!(first.contains("first") && has_run, "{first}");
    // A build of files that were just written is not trusted.
    wait_until(SOON, "cargo is not run", || {
        let (again, has_run) = inspect(place.path());
        assert_eq!(again, first);
        !has_run
    });
    assert!(
        inspect(&path("src")).1,
        "another directory is another question"
    );

    write_export("other");
    let (other, has_run) = inspect(place.path());
    assert!(other.contains("other") && has_run, "{other}");

    fs::remove_file(&log).unwrap();
    let outside = tempfile::tempdir().unwrap();
    let ended = Cli::new(["inspect", "plain"])
        .directory(outside.path())
        .env("CARGO", &cargo)
        .run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(!log.exists(), "there is no manifest to ask cargo about");
}

#[test]
fn an_unknown_host_is_named() {
    let (code, line) = complaint(&["call", "nowhere.invalid", "words::count", "a"]);
    assert_eq!(code, 3);
    assert!(
        line.starts_with("error: nowhere.invalid: unreachable (resolving its name): ssh: "),
        "{line}"
    );
    assert!(
        line.ends_with("; check the host's name, and ssh's configuration for an alias"),
        "{line}"
    );
}

#[test]
fn an_address_that_is_none_is_refused_before_anything_runs() {
    for (target, cause) in [
        ("-oProxyCommand=touch /tmp/pwned", "cannot start with `-`"),
        ("ssh:a b", "cannot contain ` `"),
        (
            "docker:--privileged",
            "a container name cannot start with `-`; write `docker:container`",
        ),
        (
            "ssh:a/sudo:app;id",
            "a user name cannot contain `;`; write `sudo:[user]`",
        ),
        ("@all", "needs an inventory"),
        ("", "an address is missing"),
    ] {
        let (code, line) = complaint(&["call", "--", target, "words::count", "a"]);
        assert_eq!(code, 2, "{line}");
        assert!(line.contains(cause), "{line}");
    }
}

/// Makes a toolchain like ours, but without the standard library for modules.
fn toolchain_without_module_target(directory: &Path) {
    use std::os::unix::fs::symlink;

    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let sysroot = String::from_utf8(sysroot.stdout).unwrap();
    let real = Path::new(sysroot.trim()).join("lib/rustlib");
    let ours = directory.join("sysroot/lib/rustlib");
    fs::create_dir_all(&ours).unwrap();
    for entry in fs::read_dir(real)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name() != "wasm32-wasip1")
    {
        symlink(entry.path(), ours.join(entry.file_name())).unwrap();
    }
    let rustc = directory.join("rustc");
    let script = format!(
        "#!/bin/sh\nexec {}/bin/rustc --sysroot {}/sysroot \"$@\"\n",
        sysroot.trim(),
        directory.display()
    );
    write_script(&rustc, &script);
}

#[test]
fn a_missing_target_of_the_compiler_is_named_with_the_command_that_adds_it() {
    let place = tempfile::tempdir().unwrap();
    toolchain_without_module_target(place.path());
    let package = "[package]\nname = 'mine'\nversion = '1.0.0'\nedition = '2024'\n[workspace]\n";
    fs::write(place.path().join("Cargo.toml"), package).unwrap();
    fs::create_dir(place.path().join("src")).unwrap();
    fs::write(place.path().join("src/lib.rs"), "pub fn f() {}\n").unwrap();

    let cli = Cli::new(["-q", "call", "local:", "mine::f"])
        .directory(place.path())
        .env("RUSTC", place.path().join("rustc"));
    let (code, line) = complaint_of(cli.run());

    assert_eq!(code, 2, "{line}");
    assert!(
        line.starts_with("error: the standard library for wasm32-wasip1 is not installed "),
        "{line}"
    );
    assert!(
        line.contains("; run `rustup target add wasm32-wasip1`"),
        "{line}"
    );
}

#[test]
fn a_task_that_does_not_end_is_ended_at_its_deadline() {
    // Building and compiling happen once, and are no part of the call.
    value(&["call", "local:", "faulty::sleep", "1"]);
    let ended = Cli::new([
        "call",
        "local:",
        "faulty::spin",
        "--timeout",
        "1s",
        "--stats",
    ])
    .run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(124), ""),
        "{ended:?}"
    );
    let error = "error: local: no answer after 1s (running the task); allow it more with --timeout";
    assert!(ended.stderr.lines().any(|line| line == error), "{ended:?}");
    let call_ms = stats(&ended)["call_ms"].as_f64().unwrap();
    assert!((1000.0..=300_000.0).contains(&call_ms), "{call_ms}");
}

#[test]
fn a_task_that_eats_all_memory_is_told_its_limit() {
    let ended = Cli::new(["-q", "call", "local:", "faulty::eat"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(1), ""),
        "{ended:?}"
    );
    let line = ended.stderr.lines().last().unwrap();
    assert!(
        line.starts_with("error: local: memory limit of 268435456 bytes hit: "),
        "{line}"
    );
    assert!(
        line.ends_with(" bytes were asked for; raise it with --memory"),
        "{line}"
    );

    let ended = Cli::new(["-q", "call", "local:", "faulty::eat", "--memory", "32MiB"]).run();
    assert!(
        ended
            .stderr
            .contains("memory limit of 33554432 bytes hit: "),
        "{ended:?}"
    );
}

#[test]
fn a_task_that_panics_is_quoted_with_file_and_line() {
    let (code, line) = complaint(&["call", "local:", "faulty::boom", "no more"]);
    assert_eq!(code, 1);
    let place = line.strip_prefix("error: local: the task panicked at guests/faulty/src/lib.rs:");
    assert!(
        place.is_some_and(
            |place| place.starts_with(char::is_numeric) && place.ends_with(": no more")
        ),
        "{line}"
    );
}

#[test]
fn a_task_that_fails_is_quoted_with_its_reasons() {
    assert_eq!(
        complaint(&["call", "local:", "faulty::fail"]),
        (1, "error: local: the task failed: cannot count the words: cannot read words.txt: no such file".into())
    );
    assert_eq!(
        complaint(&["call", "local:", "faulty::refuse", "11"]),
        (
            1,
            "error: local: the task failed: 11 is more than 10".into()
        )
    );
    assert_eq!(
        complaint(&["call", "local:", "faulty::exit", "3"]),
        (
            1,
            "error: local: the task trapped: the guest exited with code 3".into()
        )
    );
}

#[test]
fn on_several_hosts_the_gravest_failure_counts() {
    let targets = format!("local:,{REFUSED}");
    assert_eq!(
        Cli::new(["call", &targets, "faulty::fail"]).run().exit_code,
        Some(3)
    );
    assert_eq!(
        Cli::new(["call", &targets, "faulty::spin", "--timeout", "100ms"])
            .run()
            .exit_code,
        Some(124)
    );
}

#[test]
fn the_second_run_compiles_nothing() {
    value(&["call", "local:", "words::count", "to be"]);
    let ended = Cli::new(["call", "local:", "words::count", "to be", "--stats"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "2\n"),
        "{ended:?}"
    );
    let stats = stats(&ended);
    assert_eq!(stats["crates_compiled"], 0, "{stats}");
    assert_eq!(stats["artifacts_compiled"], 0, "{stats}");
    for name in [
        "connect_ms",
        "call_ms",
        "module_bytes",
        "round_trips",
        "bytes_sent",
        "bytes_received",
    ] {
        assert!(
            stats[name].as_f64().is_some_and(|number| number > 0.0),
            "{name} in {stats}"
        );
    }
    assert_eq!(
        stats["agent_bytes"], 0,
        "no agent travels to this machine: {stats}"
    );
}

#[test]
fn ctrl_c_takes_the_call_back() {
    value(&["call", "local:", "faulty::sleep", "1"]);
    let running = Cli::new(["-q", "call", "local:", "faulty::spin"]).start();
    let mut agent = None;
    wait_until(SOON, "the task computes", || {
        let below = descendants(running.pid());
        agent = processes("wxec-agent")
            .into_iter()
            .map(|process| process.pid)
            .find(|pid| below.contains(pid));
        agent.and_then(ticks) > Some(20)
    });
    kill_process(running.pid(), Signal::INT).unwrap();
    assert_eq!(
        complaint_of(running.wait()),
        (130, "error: interrupted".into())
    );
    wait_until(SOON, "the agent is gone", || {
        agent.and_then(ticks).is_none()
    });
}

#[test]
fn a_module_is_inspected_without_running_it() {
    let text = value(&["inspect", "words"]);
    assert!(
        text.contains("\n  count(text: String) -> usize\n      Counts the words of a text.\n"),
        "{text}"
    );
    let json: Json =
        serde_json::from_str(&value(&["inspect", "words", "--format", "json"])).unwrap();
    assert_eq!(json["functions"][0]["path"], "words::count");
    assert_eq!(json["functions"][0]["parameters"][0]["type"], "String");
}

#[test]
fn a_module_that_was_built_can_be_called_by_its_path() {
    let built = value(&["build", "words"]);
    let path = built
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("path    "))
        .unwrap();
    assert_eq!(
        value(&["call", "local:", &format!("{path}::count"), "to be"]),
        "2\n"
    );
}

#[test]
fn explaining_an_address_connects_to_nothing() {
    let text = value(&["explain", "joe@nowhere.invalid:2222/sudo:app/docker:web"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("here: ssh -x -T "), "{text}");
    assert!(
        lines[0].ends_with(" -p 2222 -l joe -- nowhere.invalid 'exec sh -c SCRIPT'"),
        "{text}"
    );
    assert_eq!(
        lines[1],
        "joe@nowhere.invalid:2222: sudo -n -u app -H -- sh -c SCRIPT"
    );
    assert_eq!(
        lines[2],
        "joe@nowhere.invalid:2222/sudo:app: docker exec -i web sh -c SCRIPT"
    );
    assert!(
        value(&["explain", "-v", "sudo:"]).contains("WXEC1:"),
        "the script"
    );
    assert!(
        value(&["explain", "--tool", "sudo=/opt/sudo", "sudo:"]).starts_with("here: /opt/sudo "),
        "{text}"
    );
}

#[test]
fn the_doctor_finds_this_machine_well() {
    let ended = Cli::new(["doctor", "local:"]).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.lines().all(|line| line.starts_with("ok ")),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("ok       local: connected in "),
        "{ended:?}"
    );
}
