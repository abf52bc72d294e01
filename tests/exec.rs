//! `wxec exec` and `Host::command`: programs of a host, their input and output, and their ends.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::ffi::OsStrExt,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use wxec::{
    CallErrorKind, Fleet, Host, Module,
    command::{ExitStatus, WindowSize},
    output::GuestOutput,
};

use crate::harness::{
    Cli, Ended, Machine, Sshd, command, needs, peak_memory, processes, wait_until, write_script,
};

/// Long enough for a busy machine, and half of the time after which an end gives up on a silent
/// peer: an end that comes sooner was noticed.
const SOON: Duration = Duration::from_secs(30);

/// The time for a start on many hosts, or behind cargo; only a hang takes so long.
const BEGUN: Duration = Duration::from_secs(300);

/// Each of many concurrent hosts may get only a small part of this machine.
const PATIENT: [&str; 2] = ["--connect-timeout", "10m"];

fn local(arguments: &[&str]) -> Ended {
    exec("local:", arguments).run()
}

fn exec(target: &str, arguments: &[&str]) -> Cli {
    Cli::new(["exec", target].iter().chain(arguments).copied())
}

#[track_caller]
fn prints(ended: &Ended, stdout: &str) {
    assert_eq!(
        (ended.exit_code, &*ended.stdout, &*ended.stderr),
        (Some(0), stdout, "")
    );
}

/// Returns a duration for `sleep` that no other process of this machine has, to recognise it by.
fn marked(name: &str) -> String {
    let number = name
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte))
        % 100_000;
    format!("9{}.{number:05}", std::process::id())
}

/// Returns true if a process has these words in its command, be it a sleeper, its shell or `wxec`.
fn alive(marker: &str) -> bool {
    !processes(&format!("sleep {marker}")).is_empty()
}

/// Counts the sleepers. Their command has the name of their file first, which tells them from
/// processes that only have these words in their command.
fn sleepers(marker: &str) -> usize {
    processes(&format!("/sleep sleep {marker}")).len()
}

#[test]
fn a_program_reads_prints_and_ends_as_it_would_here() {
    prints(&exec("local:", &["--", "cat"]).input("in\n").run(), "in\n");
    prints(
        &local(&["--", "printf", "%s|", "a b", "", "--flag", "'\"$HOME"]),
        "a b||--flag|'\"$HOME|",
    );
    let ended = local(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(
        (ended.exit_code, &*ended.stdout, &*ended.stderr),
        (Some(7), "out\n", "err\n")
    );
    let ended = local(&["--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(
        (ended.exit_code, &*ended.stderr),
        (Some(137), "error: local: ended by SIGKILL\n")
    );
}

#[test]
fn a_program_is_given_what_was_asked_for() {
    prints(&local(&["-C", "/usr/lib", "--", "pwd"]), "/usr/lib\n");
    prints(&local(&["--sh", "echo $# $2", "--", "a", "b c"]), "2 b c\n");
    let ended = exec(
        "local:",
        &[
            "--env",
            "A=b=c",
            "--env",
            "TAKEN",
            "--env",
            "MISSING",
            "--sh",
            "echo $A $TAKEN ${MISSING-}.",
        ],
    );
    prints(&ended.env("TAKEN", "from here").run(), "b=c from here .\n");
}

#[test]
fn what_cannot_be_run_is_named() {
    let ended = local(&["--", "no-such-program", "x"]);
    let said =
        "error: local: cannot run `no-such-program`: No such file or directory (os error 2)\n";
    assert_eq!((ended.exit_code, &*ended.stderr), (Some(127), said));
    let ended = local(&["-C", "/no/such", "--", "pwd"]);
    assert!(
        ended.exit_code == Some(127)
            && ended
                .stderr
                .contains("cannot run `pwd` in `/no/such`: No such file"),
        "{ended:?}"
    );
    let ended = exec("local:", &[]).run();
    assert!(
        ended.exit_code == Some(2) && ended.stderr.contains("<CMD>"),
        "{ended:?}"
    );
    let ended = exec("local:,127.0.0.1:1", &["-t", "--", "sh"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stderr),
        (Some(2), "error: --pty is for one host\n")
    );
}

#[test]
fn a_terminal_is_one_and_has_a_size() {
    let ended = exec(
        "local:",
        &[
            "-t",
            "--",
            "sh",
            "-c",
            "test -t 0 && test -t 1 && test -t 2 && stty size; tty",
        ],
    );
    let ended = ended.env("TERM", "vt100").run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let lines: Vec<_> = ended
        .stdout
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    assert!(
        lines.contains(&"24 80") && lines.iter().any(|line| line.contains("/dev/pts/")),
        "{ended:?}"
    );
    // The end of the input ends the program that reads it.
    let ended = exec("local:", &["-t", "--", "sh"])
        .input("echo $((6 * 7)); exit 3\n")
        .run();
    assert!(
        ended.exit_code == Some(3) && ended.stdout.contains("42\r\n"),
        "{ended:?}"
    );
    let ended = exec("local:", &["-t", "--", "cat"]).input("a line\n").run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
}

#[test]
fn a_terminal_learns_of_another_size_and_hears_signals() {
    let host = Host::new("local:").unwrap();
    let script =
        "trap 'stty size' WINCH; trap 'exit 5' USR1; echo ready; while :; do sleep 0.1; done";
    let mut child = host
        .shell(script)
        .pty(WindowSize {
            rows: 10,
            columns: 20,
        })
        .spawn()
        .wait()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap().trim_end(), "ready");
    child.resize(WindowSize {
        rows: 33,
        columns: 44,
    });
    assert_eq!(lines.next().unwrap().unwrap().trim_end(), "33 44");
    child.remote().signal(10);
    drop(lines.by_ref().map_while(Result::ok).collect::<Vec<_>>());
    assert_eq!(child.wait().wait().unwrap(), ExitStatus::Code(5));
}

#[test]
fn a_deadline_ends_a_program_and_its_group() {
    let marker = marked("deadline");
    let ended = local(&[
        "--timeout",
        "500ms",
        "--sh",
        &format!("sleep {marker} & sleep {marker}; sleep {marker}"),
    ]);
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");
    assert!(ended.stderr.contains("no answer after 500ms"), "{ended:?}");
    wait_until(SOON, "nothing is left", || !alive(&marker));
}

#[test]
fn it_ends_when_its_program_does_whoever_holds_its_pipes() {
    let marker = marked("grandchild");
    let ended = local(&["--sh", &format!("sleep {marker} & echo done")]);
    assert_eq!((ended.exit_code, &*ended.stdout), (Some(0), "done\n"));
    assert!(
        ended
            .stderr
            .starts_with("warning: what the program left running holds its output"),
        "{ended:?}"
    );
    assert!(
        alive(&marker),
        "as after ssh, what was left in the background runs on"
    );
    processes(&format!("sleep {marker}"))
        .iter()
        .for_each(|process| kill_process(process.pid, Signal::KILL).unwrap());
}

#[test]
fn megabytes_pass_through_in_both_directions() {
    let Some(sshd) = Sshd::start() else { return };
    let text: String = (0..1_500_000).map(|n| format!("{n}\n")).collect();
    let ended = exec("host", &["--", "cat"])
        .input(text.clone())
        .hosts(&sshd)
        .run();
    assert!(
        ended.exit_code == Some(0) && ended.stdout == text,
        "{} bytes: {}",
        ended.stdout.len(),
        ended.stderr
    );
}

#[test]
fn who_reads_no_more_ends_the_program_without_a_word() {
    let marker = marked("head");
    let pipe = format!(
        "\"$0\" exec local: --sh 'echo first; while echo more; do :; done; sleep {marker}' | head -1"
    );
    let wxec = std::env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .join("wxec");
    let output = Command::new("sh")
        .args(["-c", &pipe])
        .arg(wxec)
        .output()
        .unwrap();
    assert_eq!(
        (output.stdout, String::from_utf8(output.stderr).unwrap()),
        (b"first\n".into(), String::new())
    );
    wait_until(SOON, "nothing is left", || !alive(&marker));
}

/// Two hosts, both of them this machine.
const TWO: &str = "local:,exec:[\"env\"]";

#[test]
fn lines_are_lines_however_long_they_are() {
    let long = |bytes: usize| format!("head -c {bytes} /dev/zero | tr '\\0' x; echo; echo end");
    let ended = exec(TWO, &["--sh", &long(100_000)]).run();
    let mut lengths: Vec<_> = ended
        .stdout
        .lines()
        .map(|line| line.split_once("] ").unwrap().1.len())
        .collect();
    lengths.sort_unstable();
    assert_eq!(
        (ended.exit_code, &*lengths),
        (Some(0), &[3, 3, 100_000, 100_000][..])
    );
    let ended = exec(TWO, &["--sh", &long(300_000)]).run();
    let is_marked = |line: &&str| line.ends_with("x (wxec: the line goes on)");
    assert_eq!(
        (
            ended.stdout.lines().count(),
            ended.stdout.lines().filter(is_marked).count()
        ),
        (6, 2)
    );
}

#[test]
fn bytes_that_are_no_text_stay_what_they_are() {
    let script = r"printf '\377\n'; printf '\376\n' >&2";
    let output = command()
        .args(["exec", TWO, "--sh", script])
        .output()
        .unwrap();
    for (text, byte) in [(&output.stdout, 0xff), (&output.stderr, 0xfe)] {
        let lines: Vec<_> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        assert!(
            lines.len() == 2 && lines.iter().all(|line| line.ends_with(&[b' ', byte])),
            "{output:?}"
        );
    }
    let grouped = command()
        .args(["exec", TWO, "--output", "grouped", "--sh", script])
        .output()
        .unwrap();
    assert_eq!(
        grouped.stdout.iter().filter(|byte| **byte == 0xff).count(),
        2
    );
    let ended = exec("local:", &["--output", "json", "--sh", script]).run();
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        object["stdout"],
        serde_json::json!({"base64": "/wo="}),
        "{ended:?}"
    );
    assert_eq!(
        object["stderr"],
        serde_json::json!({"base64": "/go="}),
        "{ended:?}"
    );
}

#[test]
fn a_killed_agent_leaves_no_program() {
    let marker = marked("orphan");
    let script = format!("echo $PPID; sleep {marker} & sleep {marker}");
    let host = Host::new("local:").unwrap();
    let mut child = host.shell(&script).spawn().wait().unwrap();
    let agent = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .next()
        .unwrap()
        .unwrap();
    wait_until(BEGUN, "they run", || sleepers(&marker) == 2);
    kill_process(Pid::from_raw(agent.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    wait_until(SOON, "nothing is left", || !alive(&marker));
}

#[test]
fn an_interrupted_build_leaves_no_compiler() {
    let (marker, room) = (marked("build"), tempfile::tempdir().unwrap());
    let cargo = room.path().join("cargo");
    let real = env!("CARGO");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = rustc ] || exec {real} \"$@\"\nsleep {marker} & sleep {marker}\n"
    );
    write_script(&cargo, &script);
    let path = format!(
        "{}:{}",
        room.path().display(),
        std::env::var("PATH").unwrap()
    );
    for signal in [Signal::INT, Signal::TERM] {
        let wxec = Cli::new(["build", "words"])
            .env("CARGO", "")
            .env("PATH", &path)
            .start();
        wait_until(BEGUN, "it builds", || sleepers(&marker) == 2);
        kill_process(wxec.pid(), signal).unwrap();
        let ended = wxec.wait();
        assert_eq!(
            (ended.exit_code, ended.stderr.lines().last()),
            (Some(130), Some("error: interrupted"))
        );
        wait_until(SOON, "nothing is left", || !alive(&marker));
    }
}

#[test]
fn a_new_machine_builds_agent_and_compiler_at_once() {
    let room = tempfile::tempdir().unwrap();
    let (cargo, cache) = (room.path().join("cargo"), room.path().join("cache"));
    // Each of the two builds fails once the other has begun.
    let script = format!(
        "#!/bin/sh
        case \"$*\" in
            *' wxec-agent '*) own=agent other=compiler ;;
            *' wxec-compiler '*) own=compiler other=agent ;;
            *) exec {} \"$@\" ;;
        esac
        cd {} && touch $own
        for second in $(seq 60); do
            [ ! -e $other ] || {{ echo \"error: $own and $other are built\" >&2; exit 1; }}
            sleep 1
        done\n",
        env!("CARGO"),
        room.path().display()
    );
    write_script(&cargo, &script);

    let ended = Cli::new(["call", "local:", "words::count", "a b"])
        .env("CARGO", &cargo)
        .env("WXEC_CACHE", &cache)
        .run();

    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    let both = "agent and compiler are built";
    assert!(ended.stderr.contains(both), "{ended:?}");
}

#[test]
fn the_last_words_of_a_script_arrive() {
    // A slow writer outlives the shell by a second.
    let script = "{ sleep 1; echo last; } & echo first";
    let ended = local(&["--wait-output", "--sh", script]);
    prints(&ended, "first\nlast\n");
    let ended = Cli::new(["rsh", "local:", script]).run();
    prints(&ended, "first\nlast\n");
    let ended = local(&["--sh", "sleep 100 & echo $!"]);
    assert!(
        ended.exit_code == Some(0) && ended.stderr.contains("--wait-output"),
        "{ended:?}"
    );
    let _ = kill_process(
        Pid::from_raw(ended.stdout.trim().parse().unwrap()).unwrap(),
        Signal::KILL,
    );
}

#[test]
fn arguments_variables_and_paths_may_be_any_bytes() {
    let bytes = |text: &'static [u8]| OsStr::from_bytes(text);
    let words = [
        OsStr::new("exec"),
        "local:".as_ref(),
        "--env".as_ref(),
        bytes(b"V=\xfe"),
        "--sh".as_ref(),
    ];
    let rest = [
        OsStr::new("printf %s \"$1$V\""),
        "--".as_ref(),
        bytes(b"\xff"),
    ];
    let output = command().args(words).args(rest).output().unwrap();
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"\xff\xfe"[..]),
        "{output:?}"
    );
    let room = tempfile::tempdir().unwrap();
    let place = room.path().join(bytes(b"\xfe"));
    fs::create_dir(&place).unwrap();
    let words = [
        OsStr::new("exec"),
        "-C".as_ref(),
        place.as_os_str(),
        "local:".as_ref(),
        "pwd".as_ref(),
    ];
    let output = command().args(words).output().unwrap();
    assert_eq!(
        output.stdout,
        [place.as_os_str().as_bytes(), b"\n"].concat(),
        "{output:?}"
    );
    let file = room.path().join(bytes(b"\xff"));
    fs::write(&file, "there").unwrap();
    let source = [b"local:", file.as_os_str().as_bytes()].concat();
    let copy = room.path().join("copy");
    let output = command()
        .arg("get")
        .arg(OsStr::from_bytes(&source))
        .arg(&copy)
        .output()
        .unwrap();
    assert!(
        output.status.success() && fs::read(&copy).unwrap() == b"there",
        "{output:?}"
    );
}

#[test]
fn another_account_runs_it() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    let ended = exec("ssh:login/sudo:app", &["--", "sh", "-c", "id -un; cat"])
        .input("text\n")
        .hosts(&sshd)
        .run();
    prints(&ended, "app\ntext\n");
}

#[test]
fn each_host_has_its_name_before_its_lines() {
    let Some(sshd) = Sshd::start() else { return };
    let script = "echo one; echo problem >&2; printf unfinished; exit 3";
    let ended = exec("many1,many2", &["--sh", script]).hosts(&sshd).run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    let mut lines: Vec<_> = ended.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "[many1] one",
            "[many1] unfinished",
            "[many2] one",
            "[many2] unfinished"
        ]
    );
    for host in ["many1", "many2"] {
        for line in ["problem", "error: exit code 3"] {
            assert!(
                ended
                    .stderr
                    .lines()
                    .any(|said| said == format!("[{host}] {line}")),
                "{ended:?}"
            );
        }
    }
    let ended = exec("many1,many2", &["--output", "json", "--sh", script])
        .hosts(&sshd)
        .run();
    let mut objects: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    objects.sort_by_key(|object| object["host"].to_string());
    let expected = |host| serde_json::json!({"host": host, "code": 3, "signal": null, "stdout": "one\nunfinished", "stderr": "problem\n"});
    assert_eq!(objects, [expected("many1"), expected("many2")]);
    let ended = exec(
        "many1,many2",
        &["--output", "grouped", "--sh", "echo 1; sleep 0.1; echo 2"],
    )
    .hosts(&sshd)
    .run();
    assert!(
        [
            "[many1] 1\n[many1] 2\n[many2] 1\n[many2] 2\n",
            "[many2] 1\n[many2] 2\n[many1] 1\n[many1] 2\n"
        ]
        .contains(&&*ended.stdout),
        "{ended:?}"
    );
}

#[test]
fn ctrl_c_on_ten_hosts_leaves_nothing_anywhere() {
    let Some(sshd) = Sshd::start() else { return };
    let marker = marked("interrupted");
    let hosts = (0..10)
        .map(|n| format!("many{n}"))
        .collect::<Vec<_>>()
        .join(",");
    let script = format!(
        "trap '' TERM HUP INT; sleep {marker} & sleep {marker} & sleep {marker}; sleep {marker}"
    );
    let wxec = exec(&hosts, &[&PATIENT[..], &["--sh", &*script]].concat())
        .hosts(&sshd)
        .start();
    wait_until(BEGUN, "it runs everywhere", || sleepers(&marker) == 30);
    kill_process(wxec.pid(), Signal::INT).unwrap();
    let ended = wxec.wait();
    assert_eq!(ended.exit_code, Some(130), "{ended:?}");
    let told = "0 of 10 hosts had ended; cancelled: many[0-9]\nerror: interrupted\n";
    assert_eq!(ended.stderr, told, "{ended:?}");
    wait_until(SOON, "nothing is left", || !alive(&marker));
    let below = || crate::harness::descendants(sshd.pid()).len();
    wait_until(SOON, "no session is left", || below() == 0);
}

#[test]
fn a_killed_controller_leaves_nothing_behind() {
    let Some(sshd) = Sshd::start() else { return };
    let marker = marked("killed");
    let wxec = exec(
        "host",
        &["--sh", &format!("sleep {marker} & sleep {marker}")],
    )
    .hosts(&sshd)
    .start();
    wait_until(BEGUN, "it runs", || sleepers(&marker) == 2);
    kill_process(wxec.pid(), Signal::KILL).unwrap();
    wait_until(SOON, "nothing is left", || !alive(&marker));
    drop(wxec);
}

/// Twenty hosts print 15 MB each at once, and the test reads none of it for a while.
#[test]
fn a_flood_from_twenty_hosts_is_bounded_and_loses_nothing() {
    const LINES: usize = 30_000;
    let Some(sshd) = Sshd::start() else { return };
    let hosts = (0..20)
        .map(|n| format!("many{n}"))
        .collect::<Vec<_>>()
        .join(",");
    let wxec = std::env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .join("wxec");
    let mut wxec = Command::new(wxec)
        .args(["exec", &hosts])
        .args(PATIENT)
        .args([
            "--",
            "seq",
            "-f",
            &format!("%.0f {}", "x".repeat(500)),
            &LINES.to_string(),
        ])
        .envs(sshd.client_environment())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&wxec);
    let stdout = wxec.stdout.take().unwrap();
    // By now, hosts that do not stop printing would have filled the controller's memory.
    thread::sleep(Duration::from_secs(4));
    let mut next: HashMap<String, usize> = HashMap::new();
    let mut peak = 0;
    for (count, line) in BufReader::new(stdout).lines().enumerate() {
        let line = line.unwrap();
        let [host, number, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert_eq!(rest.len(), 500);
        let next = next.entry(host.into()).or_insert(1);
        assert_eq!(
            number.parse(),
            Ok(*next),
            "{host}: in order, and none is missing"
        );
        *next += 1;
        if count % LINES == 0 {
            peak = peak_memory(pid);
        }
    }
    assert!(wxec.wait().unwrap().success());
    assert_eq!(next.len(), 20);
    assert!(next.values().all(|next| *next == LINES + 1));
    assert!(
        peak < 100 << 20,
        "{peak} bytes here, of 300 MB that were printed"
    );
}

/// A minute without a sign of life ends a session. No other call may notice that one listener and
/// one reader stopped.
#[test]
fn a_consumer_that_stops_for_a_minute_stops_its_producer_and_no_one_else() {
    const STOPPED: Duration = Duration::from_secs(62);
    let stopped = Arc::new(AtomicBool::new(true));
    let printed = Arc::new(Mutex::new(0));
    let (waits, counts) = (stopped.clone(), printed.clone());
    let host = Host::new("local:")
        .unwrap()
        .with_output(Arc::new(move |_, output| {
            while waits.load(SeqCst) {
                thread::sleep(Duration::from_millis(50));
            }
            let GuestOutput::Stdout(line) = output else {
                panic!("{output:?}")
            };
            *counts.lock().unwrap() += line.len();
        }));
    let directory = tempfile::tempdir().unwrap();
    let bytes_file = directory.path().join("written");
    let script = format!(
        "(i=0; while [ $i -lt 40 ]; do head -c 1000000 /dev/zero || exit; i=$((i+1)); echo $i >{}; done)",
        bytes_file.display()
    );
    let mut unread = host.shell(script).spawn().wait().unwrap();
    let talkative = host
        .shell("seq 1 1000000; echo end")
        .run(wxec::command::Attach::Listener);
    let words = Module::from_package(env!("CARGO_MANIFEST_DIR"), "words").unwrap();
    let count = || {
        host.bind(&words)
            .call::<usize>("count", &("to be or not",))
            .wait()
            .unwrap()
    };
    let until = std::time::Instant::now() + STOPPED;
    while std::time::Instant::now() < until {
        assert_eq!(count(), 4);
        assert_eq!(
            host.command("echo")
                .arg("hello")
                .output("")
                .wait()
                .unwrap()
                .stdout,
            b"hello\n"
        );
        thread::sleep(Duration::from_secs(2));
    }
    let written: usize = fs::read_to_string(&bytes_file)
        .unwrap_or_default()
        .trim()
        .parse()
        .unwrap_or(0);
    assert!(written <= 2, "{written} MB were written while nobody read");
    assert_eq!(*printed.lock().unwrap(), 0);
    stopped.store(false, SeqCst);
    assert_eq!(talkative.wait().unwrap(), ExitStatus::Code(0));
    assert_eq!(*printed.lock().unwrap(), 6_888_896 + 4, "all of it");
    let mut all = Vec::new();
    unread.stdout.take().unwrap().read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 40_000_000);
    assert_eq!(unread.wait().wait().unwrap(), ExitStatus::Code(0));
}

#[test]
fn a_program_can_be_talked_to() {
    let host = Host::new("local:").unwrap();
    let mut child = host
        .command("sh")
        .args([
            "-c",
            "read a; echo \"got $a\"; read b; echo \"and $b\" >&2; exit 4",
        ])
        .spawn()
        .wait()
        .unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = BufReader::new(stdout).lines();
    writeln!(stdin, "one").unwrap();
    assert_eq!(answers.next().unwrap().unwrap(), "got one");
    writeln!(stdin, "two").unwrap();
    assert!(answers.next().is_none());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "and two\n");
    drop(answers);
    assert_eq!(
        child.wait().wait().unwrap(),
        ExitStatus::Code(4),
        "reading to the end is not closing"
    );
}

#[test]
fn a_child_needs_nobody_to_keep_its_host() {
    let mut child = Host::new("local:")
        .unwrap()
        .command("cat")
        .spawn()
        .wait()
        .unwrap();
    thread::sleep(Duration::from_millis(300));
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "still here").unwrap();
    drop(stdin);
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(
        (said.as_str(), child.wait().wait().unwrap()),
        ("still here\n", ExitStatus::Code(0))
    );
}

#[test]
fn a_child_that_is_dropped_or_cut_ends() {
    let host = Host::new("local:").unwrap();
    let marker = marked("dropped");
    let start = || {
        let child = host
            .shell(format!("sleep {marker} & echo; sleep {marker}"))
            .spawn()
            .wait()
            .unwrap();
        wait_until(BEGUN, "it runs", || sleepers(&marker) == 2);
        child
    };
    drop(start());
    wait_until(SOON, "nothing is left", || !alive(&marker));
    let child = start();
    child.kill();
    assert_eq!(child.wait().wait().unwrap(), ExitStatus::Signal(9));
    wait_until(SOON, "nothing is left", || !alive(&marker));
    let mut child = start();
    drop(child.stdout.take());
    assert_eq!(child.wait().wait().unwrap(), ExitStatus::Signal(13));
    wait_until(SOON, "nothing is left", || !alive(&marker));
    assert_eq!(
        host.command("true").output("").wait().unwrap().status,
        ExitStatus::Code(0),
        "the session lives on"
    );
}

#[test]
fn output_is_kept_and_failures_say_what_was_said() {
    let host = Host::new("local:").unwrap();
    let failed = host
        .shell("cat; echo trouble >&2; exit 9")
        .output("in")
        .wait()
        .unwrap();
    assert_eq!(
        (failed.status, &*failed.stdout, &*failed.stderr),
        (ExitStatus::Code(9), &b"in"[..], &b"trouble\n"[..])
    );
    assert_eq!(
        failed.checked().unwrap_err().to_string(),
        "exit code 9: trouble"
    );
    let long = host
        .shell("seq 1 1000")
        .output("")
        .wait()
        .unwrap()
        .checked()
        .unwrap();
    let shown = format!("{long:?}");
    assert!(
        shown.len() < 300 && shown.contains("999\\n1000\\n"),
        "{shown}"
    );
    let error = host
        .command("true")
        .arg("x".repeat(1 << 20))
        .output("")
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::BadArguments(_)),
        "{error}"
    );
    let error = host
        .command("no-such")
        .spawn()
        .wait()
        .unwrap()
        .wait()
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::NotStarted { .. }),
        "{error}"
    );
}

#[test]
fn a_fleet_runs_a_program_everywhere() {
    let outcomes = Fleet::new(["local:", "127.0.0.1:1"])
        .unwrap()
        .each(|host| host.command("echo").arg("x").output(""));
    let outcomes = outcomes.wait();
    assert_eq!(
        outcomes
            .successes()
            .map(|(host, output)| (host, &*output.stdout))
            .collect::<Vec<_>>(),
        [("local", &b"x\n"[..])]
    );
    assert_eq!(outcomes.failures().count(), 1);
}
