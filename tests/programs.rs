//! `wxec run`: WASI programs that know nothing of wxec, on hosts, as if they were here.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use wxec::{CallErrorKind, Grants, Host, Module, call::LimitKind, command::Exit};
use wxec_protocol::abi::{ProcessStart, StdioKind};

use crate::harness::{
    Cli, Ended, Engine, Machine, Sshd, WITHOUT_SHELL, descendants, needs, wait_until,
};

/// Long enough for a busy machine, and less than the time after which an end gives up on a silent
/// peer.
const SOON: Duration = Duration::from_secs(45);

fn module() -> Module {
    static MODULE: LazyLock<Module> =
        LazyLock::new(|| Module::from_package(env!("CARGO_MANIFEST_DIR"), "commands").unwrap());
    MODULE.clone()
}

/// The program's file.
fn program() -> PathBuf {
    module()
        .path()
        .expect("a package's module is a file")
        .to_owned()
}

fn run(target: &str, options: &[&str], arguments: &[&str]) -> Cli {
    let program = program();
    let before = ["-q", "run"]
        .iter()
        .chain(options)
        .chain([&target])
        .copied();
    Cli::new(
        before
            .chain([program.to_str().unwrap(), "--"])
            .chain(arguments.iter().copied()),
    )
}

/// Commands on `local:`.
fn local(options: &[&str], arguments: &[&str]) -> Ended {
    run("local:", options, arguments).run()
}

#[track_caller]
fn prints(ended: &Ended, stdout: &str) {
    assert_eq!(
        (ended.exit_code, &*ended.stdout, &*ended.stderr),
        (Some(0), stdout, "")
    );
}

#[test]
fn programs_read_the_output_as_json() {
    let ended = local(&["--format", "ndjson"], &["name"]);
    let value = r#"{"code":0,"signal":null,"stdout":"commands.wasm\n","stderr":""}"#;
    prints(
        &ended,
        &format!("{{\"host\":\"local\",\"value\":{value}}}\n"),
    );
    let both = "local:,exec:[\"env\"]";
    let ended = run(both, &["--format", "ndjson"], &["name"]).run();
    assert_eq!(
        ended.stdout.matches(&format!("\"value\":{value}")).count(),
        2
    );
    assert!(ended.stdout.ends_with("\n{\"exit_code\":0}\n"), "{ended:?}");
}

#[test]
fn a_program_reads_prints_and_complains_where_the_command_does() {
    prints(&run("local:", &[], &["cat"]).input("in\n").run(), "in\n");
    prints(&local(&[], &["name"]), "commands.wasm\n");
    prints(&local(&["--argv0", "cmd"], &["name"]), "cmd\n");
    prints(
        &local(&[], &["arguments", "a b", "--flag", ""]),
        "[\"a b\", \"--flag\", \"\"]\n",
    );
    let ended = local(&[], &["complain", "bitterly"]);
    assert_eq!(
        (ended.exit_code, &*ended.stdout, &*ended.stderr),
        (Some(0), "", "bitterly\n")
    );
}

#[test]
fn its_exit_code_is_the_programs() {
    for code in [0, 1, 3, 42, 125, 126, 127, 255] {
        let ended = local(&[], &["exit", &code.to_string()]);
        assert_eq!(
            (ended.exit_code, &*ended.stderr),
            (Some(code), ""),
            "{ended:?}"
        );
    }
    // The same as with `wasmtime run`.
    let ended = local(&[], &["abort"]);
    assert_eq!(ended.exit_code, Some(134), "{ended:?}");
    let ended = local(&[], &["panic"]);
    assert!(
        ended.exit_code == Some(134) && ended.stderr.contains("as it was told"),
        "{ended:?}"
    );
}

#[test]
fn megabytes_pass_through() {
    let text: String = (0..400_000).map(|n| format!("{n}\n")).collect();
    let ended = run("local:", &[], &["cat"]).input(text.clone()).run();
    assert!(
        ended.exit_code == Some(0) && ended.stdout == text,
        "{} bytes",
        ended.stdout.len()
    );
}

#[test]
fn it_sees_variables_that_were_set_and_no_others() {
    prints(&local(&[], &["variables"]), "");
    let ended = run(
        "local:",
        &["--env", "A=b=c", "--env", "TAKEN", "--env", "MISSING"],
        &["variables"],
    );
    prints(
        &ended.env("TAKEN", "from here").run(),
        "A=b=c\nTAKEN=from here\n",
    );
    let ended = run(
        "local:",
        &["--allow-env", "--env", "TAKEN=given"],
        &["variables"],
    )
    .env("TAKEN", "granted")
    .run();
    assert_eq!(
        ended
            .stdout
            .lines()
            .filter(|line| line.starts_with("TAKEN="))
            .collect::<Vec<_>>(),
        ["TAKEN=given"]
    );
    let ended = run("local:", &["--allow-env=TAKEN"], &["variables"])
        .env("TAKEN", "from there")
        .run();
    prints(&ended, "TAKEN=from there\n");
}

#[test]
fn arguments_and_variables_may_be_any_bytes() {
    let bytes = |text: &'static [u8]| OsStr::from_bytes(text);
    let program = program();
    let options = [
        OsStr::new("-q"),
        "run".as_ref(),
        "--env".as_ref(),
        bytes(b"A=\xfe"),
        "--env".as_ref(),
        bytes(b"\xfd"),
    ];
    let rest = [
        "--allow-env=B".as_ref(),
        "local:".as_ref(),
        program.as_os_str(),
        "bytes".as_ref(),
        bytes(b"\xff\xc3"),
    ];
    let mut wxec =
        Command::new(env!("CARGO_BIN_EXE_wxec-test-hop").replace("wxec-test-hop", "wxec"));
    wxec.args(options)
        .args(rest)
        .env(bytes(b"\xfd"), "here")
        .env("B", bytes(b"\xfb"));
    let output = wxec.output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"\xff\xc3\nA\n\xfe\n\xfd\nhere\nB\n\xfb\n"[..]),
        "{output:?}"
    );
}

#[test]
fn it_finds_the_directories_it_was_given() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let file = format!("{path}/file");
    fs::write(&file, "text\n").unwrap();

    prints(&local(&["--dir", path], &["cat", &file]), "text\n");
    prints(
        &local(
            &["--dir", &format!("{path}::/data")],
            &["cat", "/data/file"],
        ),
        "text\n",
    );
    prints(
        &local(&["--dir", &format!("{path}::.")], &["cat", "file"]),
        "text\n",
    );
    prints(
        &local(&["--dir", &format!("{path}::.")], &["list", "."]),
        "file\n",
    );
    prints(
        &local(&[&format!("--allow-read={path}")], &["cat", &file]),
        "text\n",
    );
    prints(
        &local(&[&format!("--allow-read={file}")], &["cat", &file]),
        "text\n",
    );
    prints(
        &run(
            "local:",
            &["--dir", path],
            &["write", &format!("{path}/new")],
        )
        .input("new")
        .run(),
        "",
    );
    assert_eq!(fs::read_to_string(format!("{path}/new")).unwrap(), "new");

    let ended = local(&[&format!("--allow-read={path}")], &["write", &file]);
    assert!(
        ended
            .stderr
            .contains(&format!("--allow-write={file} would allow")),
        "{ended:?}"
    );
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text\n");
}

#[test]
fn os_release_and_nothing_beside_it() {
    let release = fs::read_to_string("/etc/os-release").unwrap();
    prints(
        &local(
            &["--allow-read=/etc/os-release"],
            &["cat", "/etc/os-release"],
        ),
        &release,
    );
    for path in [
        "/etc/passwd",
        "/etc/os-release/../passwd",
        "/usr/lib/os-release",
        "/etc",
        "/proc/self/environ",
    ] {
        let ended = local(&["--allow-read=/etc/os-release"], &["cat", path]);
        assert_eq!(
            (ended.exit_code, &*ended.stdout),
            (Some(1), ""),
            "{path}: {ended:?}"
        );
        assert!(
            ended
                .stderr
                .contains("hint: local: it was refused something that --allow-read="),
            "{ended:?}"
        );
    }
}

#[test]
fn a_reader_that_stops_reading_ends_it() {
    let mut wxec =
        Command::new(env!("CARGO_BIN_EXE_wxec-test-hop").replace("wxec-test-hop", "wxec"))
            .args(["-q", "run", "local:", program().to_str().unwrap(), "yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(wxec.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "y\n");
    drop(stdout);
    wait_until(SOON, "the command ends", || {
        wxec.try_wait().unwrap().is_some()
    });
}

#[test]
fn a_stdin_that_is_cut_has_not_ended() {
    let copy = tempfile::NamedTempFile::new().unwrap();
    let path = copy.path().to_str().unwrap();
    let mut wxec =
        Command::new(env!("CARGO_BIN_EXE_wxec-test-hop").replace("wxec-test-hop", "wxec"))
            .args([
                "-q",
                "run",
                &format!("--allow-write={path}"),
                "local:",
                program().to_str().unwrap(),
                "tee",
                path,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let (mut stdin, mut line) = (wxec.stdin.take().unwrap(), String::new());
    let mut stdout = BufReader::new(wxec.stdout.take().unwrap());
    stdin.write_all(b"first\n").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    // Closing stdout closes the stream that carries stdin as well.
    drop(stdout);
    wait_until(SOON, "the command ends", || {
        // One byte each time: a pipe that is not read holds all of them, however many.
        let _ = stdin.write_all(b"\n");
        wxec.try_wait().unwrap().is_some()
    });
    let ended = wxec.wait_with_output().unwrap();
    // Nothing reads this command's output any more, whatever the program makes of it.
    assert_eq!(ended.status.code(), Some(141));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.starts_with("Error: "),
        "it did not take that for the end of a file: {said}"
    );
}

#[test]
fn a_program_starts_others_that_print_where_it_does() {
    let start = ProcessStart {
        program: "echo".into(),
        args: vec!["from a child".into()],
        env: Vec::new(),
        clear_env: false,
        cwd: None,
        stdin: StdioKind::Null,
        stdout: StdioKind::Inherit,
        stderr: StdioKind::Inherit,
    };
    let question = wxec::cbor::encode(&start).unwrap();
    let text: String = question
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let wat = format!(
        r#"(module
            (import "wxec_v1" "process_start" (func $process_start (param i32 i32) (result i32)))
            (import "wxec_v1" "process_wait" (func $process_wait (param i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{text}")
            (func (export "_start")
                (if (call $process_wait (call $process_start (i32.const 0) (i32.const {}))) (then unreachable))))"#,
        question.len(),
    );
    let file = tempfile::Builder::new().suffix(".wasm").tempfile().unwrap();
    fs::write(file.path(), wat::parse_str(wat).unwrap()).unwrap();
    let ended = Cli::new([
        "-q",
        "run",
        "--allow-run=echo",
        "local:",
        file.path().to_str().unwrap(),
    ])
    .run();
    prints(&ended, "from a child\n");
}

#[test]
fn a_deadline_ends_it_whatever_it_waits_for() {
    for command in [&["sleep", "60000"][..], &["cat"]] {
        let mut wxec =
            Command::new(env!("CARGO_BIN_EXE_wxec-test-hop").replace("wxec-test-hop", "wxec"))
                .args([
                    "-q",
                    "run",
                    "--timeout",
                    "300ms",
                    "local:",
                    program().to_str().unwrap(),
                ])
                .args(command)
                // Held open, so that there is something to wait for.
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
        let held = wxec.stdin.take();
        let mut said = String::new();
        wxec.stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(wxec.wait().unwrap().code(), Some(124), "{said}");
        drop(held);
    }
}

#[test]
fn an_interrupt_leaves_nothing_running() {
    let wxec = run("local:", &[], &["sleep", "60000"]).start();
    wait_until(SOON, "the agent runs", || {
        !descendants(wxec.pid()).is_empty()
    });
    std::thread::sleep(Duration::from_millis(500));
    let below = descendants(wxec.pid());
    kill_process(wxec.pid(), Signal::INT).unwrap();
    let start = Instant::now();
    let ended = wxec.wait();
    assert_eq!(ended.exit_code, Some(130), "{ended:?}");
    assert!(start.elapsed() < SOON);
    let exists = |pid: &rustix::process::Pid| PathBuf::from(format!("/proc/{pid}")).exists();
    wait_until(SOON, "nothing is left", || !below.iter().any(exists));
}

#[test]
fn several_hosts_have_their_names_before_their_lines() {
    let ended = run("local:,127.0.0.1:1", &[], &["two"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(3), "[local] first\n"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.lines().any(|line| line == "[local] second"),
        "{ended:?}"
    );
}

#[test]
fn what_is_no_program_is_said_to_be_none() {
    let ended = Cli::new(["-q", "run", "local:", "words"]).run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("words is no program"), "{ended:?}");
    let ended = Cli::new(["-q", "run", "local:", "./no/such.wasm"]).run();
    assert!(
        ended.exit_code == Some(2) && ended.stderr.contains("cannot read ./no/such.wasm"),
        "{ended:?}"
    );
}

#[test]
fn more_arguments_than_can_be_sent_are_refused() {
    let long = "x".repeat(100_000);
    let ended = local(
        &[],
        &["arguments", &long, &long, &long, &long, &long, &long],
    );
    assert!(
        ended.exit_code == Some(2) && ended.stderr.contains("more than the 524288 allowed"),
        "{ended:?}"
    );
}

#[test]
fn a_library_keeps_what_it_prints() {
    let host = Host::new("local:").unwrap();
    let cat = host.program(&module()).arg("cat");
    let output = cat.clone().output("text").wait().unwrap();
    assert_eq!(
        (output.exit, &*output.stdout, &*output.stderr),
        (
            Exit {
                code: 0,
                needs: Vec::new()
            },
            &b"text"[..],
            &b""[..]
        )
    );
    let release = cat
        .arg("/etc/os-release")
        .grant(Grants::none().read("/etc/os-release"))
        .output("")
        .wait()
        .unwrap();
    assert_eq!(release.stdout, fs::read("/etc/os-release").unwrap());
    assert_eq!(words::count::on(&host, "to be".into()).wait().unwrap(), 2);
    let nul = host
        .program(&module())
        .arg("a\0b")
        .output("")
        .wait()
        .unwrap_err();
    assert!(
        matches!(&nul.kind, CallErrorKind::BadArguments(reason) if reason.contains(r#""a\0b" has a NUL"#)),
        "{nul}"
    );
}

#[test]
fn a_library_is_told_that_there_was_more_than_it_can_keep() {
    let error = Host::new("local:")
        .unwrap()
        .program(&module())
        .arg("yes")
        .output("")
        .wait()
        .unwrap_err();
    let limit = matches!(
        error.kind,
        CallErrorKind::Limit {
            which: LimitKind::Output,
            ..
        }
    );
    assert!(limit, "{error}");
}

#[test]
fn over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = run(
        "ssh:host",
        &["--allow-read=/etc/os-release"],
        &["cat", "/etc/os-release"],
    )
    .hosts(&sshd)
    .run();
    prints(&ended, &fs::read_to_string("/etc/os-release").unwrap());
    prints(
        &run("ssh:host", &[], &["cat"])
            .input("in")
            .hosts(&sshd)
            .run(),
        "in",
    );
    assert_eq!(
        run("ssh:host", &[], &["exit", "7"])
            .hosts(&sshd)
            .run()
            .exit_code,
        Some(7)
    );
}

#[test]
fn behind_sudo() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let target = format!(
        "exec:{}/sudo:app",
        serde_json::to_string(&machine.enter("login")).unwrap()
    );
    prints(&run(&target, &[], &["cat"]).input("in").run(), "in");
    assert_eq!(run(&target, &[], &["exit", "7"]).run().exit_code, Some(7));
}

#[test]
fn in_a_container_that_has_nothing() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    let container = Arc::clone(&engine).container(WITHOUT_SHELL, &[]);
    let target = format!("docker:{}", container.name());
    prints(
        &run(&target, &[], &["cat"])
            .envs(engine.environment())
            .input("in")
            .run(),
        "in",
    );
    assert_eq!(
        run(&target, &[], &["exit", "7"])
            .envs(engine.environment())
            .run()
            .exit_code,
        Some(7)
    );
}

#[test]
fn a_program_declares_nothing_that_could_be_granted() {
    let ended = run("local:", &["--allow-declared"], &["two"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(2), ""),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .starts_with("error: `--allow-declared` is for functions"),
        "{ended:?}"
    );
}
