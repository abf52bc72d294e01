//! Many hosts at once: batches, limits, retries, gates, deadlines, and what is said of them.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
    time::Duration,
};

use rustix::process::{Signal, kill_process};

use crate::harness::{Cli, Ended, wait_until};

/// Nothing listens there: the port is a privileged one that machines do not use.
const REFUSED: &str = "127.0.0.1:1";

/// A host of its own on this machine, where the variable N is `n`.
fn host(n: usize) -> String {
    format!(r#"exec:["env","N={n}"]"#)
}

fn hosts(count: usize) -> String {
    let hosts: Vec<_> = (1..=count).map(host).collect();
    hosts.join(",")
}

/// Runs a shell's line on this many hosts.
fn exec(count: usize, line: &str, options: &[&str]) -> Ended {
    let hosts = hosts(count);
    Cli::new([&["exec", &hosts, "--sh", line], options].concat()).run()
}

#[test]
fn a_roll_out_stops_at_the_failure_too_many_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("touch {}/$N; test $N != 2", folder.path().display());
    let ended = exec(6, &line, &["--batch", "1,2"]);
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    let said: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(said[0], "6 hosts: batches 1, 2, 2, 1; stops when one fails");
    assert_eq!(
        *said.last().unwrap(),
        format!(
            "error: stopped: 1 host failed, and none may; not started: {},{},{}",
            host(4),
            host(5),
            host(6)
        )
    );
    let failed = format!("[{}] error: exit code 1", host(2));
    assert!(said.contains(&&*failed), "{ended:?}");
    let mut touched: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    touched.sort();
    assert_eq!(touched, ["1", "2", "3"]);
}

#[test]
fn failures_are_counted_over_the_whole_run() {
    let options = ["--batch", "2", "--max-fail", "50%"];
    let ended = exec(4, "exit $((N % 2))", &options);
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(!ended.stderr.contains("stopped"), "{ended:?}");
    let first = "4 hosts: batches 2, 2; stops when more than 2 fail (50 % of 4)\n";
    assert!(ended.stderr.starts_with(first), "{ended:?}");
}

#[test]
fn a_program_on_one_host_has_its_own_code_also_where_rules_stop_it() {
    for rules in [
        &["--batch", "1"][..],
        &["--max-fail", "0"],
        &["--retries", "1"],
    ] {
        assert_eq!(exec(1, "exit 7", rules).exit_code, Some(7), "{rules:?}");
    }
}

#[test]
fn unreachable_hosts_that_may_be_are_no_failure_of_a_transfer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("motd");
    fs::write(&file, "hello").unwrap();
    let to = format!("local:,{REFUSED}:{}/there", folder.path().display());
    let words = ["put", file.to_str().unwrap(), &to, "--unreachable-ok", "1"];
    let ended = Cli::new(words).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
}

#[test]
fn hosts_that_are_unreachable_are_known_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("touch {}/begun", folder.path().display());
    let targets = format!("{},{REFUSED}", host(1));
    let run = |options: &[&str]| {
        Cli::new([&["exec", &targets, "--sh", &line, "--batch", "1"], options].concat()).run()
    };
    let ended = run(&[]);
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("not started: exec:"), "{ended:?}");
    assert!(!folder.path().join("begun").exists());

    let ended = run(&["--unreachable-ok", "1"]);
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert!(folder.path().join("begun").exists());
    assert_eq!(run(&["--lazy"]).exit_code, Some(3));
}

#[test]
fn a_run_ends_at_its_deadline() {
    let line = "test $N = 1 || exec sleep 1000";
    let ended = exec(2, line, &["--deadline", "5s"]);
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");
    // On a busy machine the first may not be done either.
    let (_, cancelled) = ended
        .stderr
        .split_once("error: stopped: the deadline of 5s has passed; cancelled: ")
        .unwrap_or_else(|| panic!("{ended:?}"));
    assert!(cancelled.contains(&host(2)), "{ended:?}");
}

#[test]
fn a_run_that_stops_now_cancels_what_is_under_way() {
    // The first fails once the second is at work, which would go on for ever.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let line = format!(
        "if test $N = 1; then read at_work <{0}; exit 1; fi; echo >{0}; exec sleep 1000",
        pipe.display()
    );
    let ended = exec(3, &line, &["--batch", "2,1", "--stop", "now"]);
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    let said = format!(
        "error: stopped: 1 host failed, and none may; cancelled: {}; not started: {}\n",
        host(2),
        host(3)
    );
    assert!(ended.stderr.ends_with(&said), "{ended:?}");
}

#[test]
fn few_hosts_behind_a_hop_are_connected_at_once() {
    let state = tempfile::tempdir().unwrap();
    let cli = |words: &[&str]| Cli::new(words).env("WXEC_STATE", state.path()).run();
    let hosts: Vec<_> = (1..=3).map(|n| format!("local:/{}", host(n))).collect();
    let words = [
        "-q",
        "exec",
        &hosts.join(","),
        "--per-hop",
        "1",
        "--",
        "true",
    ];
    assert_eq!(cli(&words).exit_code, Some(0));
    let events = cli(&["history", "last", "--format", "ndjson"]).stdout;
    let links: Vec<_> = events
        .lines()
        .filter(|line| line.contains("\"connecting\"") || line.contains("\"connected\""))
        .collect();
    assert_eq!(links.len(), 6, "{events}");
    for two in links.chunks(2) {
        assert!(two[1].contains("\"connected\""), "{events}");
    }
}

#[test]
fn only_work_that_may_run_twice_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "test -e {0}/$N || {{ touch {0}/$N; exit 9; }}",
        folder.path().display()
    );
    let ended = exec(1, &line, &["--retries", "1"]);
    assert_eq!(ended.exit_code, Some(9), "{ended:?}");
    fs::remove_file(folder.path().join("1")).unwrap();
    for count in [1, 2] {
        let ended = exec(count, &line, &["--retries", "1", "--idempotent"]);
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        let again = format!("[{}] exit code 9; trying again in ", host(count));
        assert!(ended.stderr.contains(&again), "{ended:?}");
    }
}

#[test]
fn a_gate_decides_on_the_next_batch() {
    let ended = exec(
        2,
        "true",
        &["--batch", "1", "--gate", "words::count 'to be'"],
    );
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("the gate lets it go on after batch 1\n"),
        "{ended:?}"
    );
    let ended = exec(2, "true", &["--batch", "1", "--gate", "faulty::fail"]);
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    let refused = "error: stopped: the gate refused to go on after batch 1: exec:";
    assert!(ended.stderr.contains(refused), "{ended:?}");
    let ended = exec(2, "true", &["--batch", "1", "--gate", "words::no"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
}

/// Four files for each host, and a limit of 64.
#[test]
fn a_fleet_makes_room_for_its_files() {
    let script = "ulimit -S -n 64; exec \"$@\"";
    let ended = Cli::in_shell(script, &["-q", "exec", &hosts(30), "--", "true"]).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
}

#[test]
fn hosts_are_taken_in_the_order_of_a_seed() {
    let options = ["--batch", "1", "--order", "shuffle:7", "-q"];
    let ended = exec(5, "echo $N", &options);
    let order: String = ended
        .stdout
        .lines()
        .filter_map(|line| line.chars().last())
        .collect();
    let mut sorted: Vec<_> = order.chars().collect();
    sorted.sort_unstable();
    assert_eq!(sorted.into_iter().collect::<String>(), "12345", "{ended:?}");
    assert_ne!(order, "12345");
    assert_eq!(exec(5, "echo $N", &options).stdout, ended.stdout);
}

#[test]
fn equal_results_share_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("wxec.toml");
    let text = (1..=4).map(|n| {
        let address = host(n);
        format!("[hosts.web{n}]\naddress = '{address}'\n")
    });
    fs::write(&inventory, text.collect::<String>()).unwrap();
    let run = |words: &[&str]| Cli::new(words).env("WXEC_INVENTORY", &inventory).run();
    let ended = run(&[
        "exec",
        "web[1-4]",
        "--fold",
        "--sh",
        "test $N = 2 && echo two || echo no",
    ]);
    ended.is("[web[1,3-4]] no\n[web2] two");
    run(&["call", "web[1-4]", "words::count", "to be", "--fold"]).is("[web[1-4]] 2");
    // One host alone has nothing to share.
    run(&["exec", "web2", "--fold", "--sh", "echo $N"]).is("2");
}

/// Runs `wxec` on two hosts with its events on a pipe, and returns the lines, in order. The second
/// host ends once the end of the first was read.
fn events(words: &[&str], go: &Path) -> Vec<serde_json::Value> {
    let (reader, writer) = std::io::pipe().unwrap();
    let running = Cli::new(words).output(writer).start();
    let mut lines = Vec::new();
    for line in BufReader::new(reader).lines() {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["event"] == "ended" {
            fs::write(go, "").unwrap();
        }
        lines.push(line);
    }
    let ended = running.wait();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    lines
}

#[test]
fn events_are_printed_while_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let line = format!(
        "echo $N; test $N = 1 || until test -e {}; do sleep 0.05; done",
        go.display()
    );
    let targets = hosts(2);
    let words = ["exec", &targets, "--format", "ndjson", "--sh", &line];
    let lines = events(&words, &go);
    assert_eq!(lines[0]["what"], "sh");
    assert_eq!(lines.last().unwrap()["exit_code"], 0);
    let ended: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "ended")
        .collect();
    assert_eq!(ended.len(), 2);
    for (n, line) in (1..).zip(ended) {
        assert_eq!(line["host"], host(n));
        assert_eq!(line["value"]["stdout"], format!("{n}\n"));
        assert_eq!(line["value"]["code"], 0);
    }
}

#[test]
fn items_stand_among_the_events() {
    let folder = tempfile::tempdir().unwrap();
    let targets = hosts(2);
    let words = [
        "call",
        &targets,
        "streams::below",
        "2",
        "--format",
        "ndjson",
    ];
    let lines = events(&words, &folder.path().join("go"));
    for n in 1..=2 {
        let own: Vec<_> = lines
            .iter()
            .filter(|line| line["host"] == host(n))
            .collect();
        let items = own.iter().filter(|line| line["event"] == "item");
        let items: Vec<_> = items.map(|line| line["item"].as_u64().unwrap()).collect();
        assert_eq!(items, [0, 1]);
        assert_eq!(own.last().unwrap()["event"], "ended");
    }
}

#[test]
fn all_verbs_roll_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("here"), "text").unwrap();
    let hosts = hosts(2);
    let there = format!("{hosts}:{}", at("there.{host}"));
    let back = format!("{hosts}:{}", at("here"));
    let copies = at("{host}");
    let verbs: [&[&str]; 4] = [
        &["call", &hosts, "words::count", "to be"],
        &["facts", &hosts, "--timeout", "30s"],
        &["put", &at("here"), &there],
        &["get", &back, &copies],
    ];
    for words in verbs {
        let ended = Cli::new(
            [
                words,
                &["--batch", "1", "--parallel", "1", "--retries", "1"],
            ]
            .concat(),
        );
        let ended = ended.run();
        assert_eq!(ended.exit_code, Some(0), "{words:?}: {ended:?}");
        let first = "2 hosts: batches 1, 1; stops when one fails\n";
        assert!(ended.stderr.contains(first), "{words:?}: {ended:?}");
        assert!(ended.stderr.contains("batch 2 of 2: 1 host\n"), "{ended:?}");
    }
}

#[test]
fn an_interrupt_tells_which_hosts_had_ended() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!(
        "touch {}/$N; test $N = 1 || exec sleep 1000",
        folder.path().display()
    );
    let hosts = hosts(3);
    let running = Cli::new(["exec", &hosts, "--sh", &line, "--batch", "2,1"]).start();
    let soon = Duration::from_secs(45);
    wait_until(soon, "two hosts have begun", || {
        folder.path().join("1").exists() && folder.path().join("2").exists()
    });
    kill_process(running.pid(), Signal::INT).unwrap();
    let ended = running.wait();
    assert_eq!(ended.exit_code, Some(130), "{ended:?}");
    let told = format!("; not started: {}\nerror: interrupted\n", host(3));
    assert!(ended.stderr.ends_with(&told), "{ended:?}");
    assert!(
        ended.stderr.contains(" of 3 hosts had ended; cancelled: "),
        "{ended:?}"
    );
}

#[test]
fn rules_that_make_no_sense_are_usage_errors() {
    for (options, said) in [
        (
            &["--batch", "0"][..],
            "`0` is no list of batches, such as `1,10%,rest`",
        ),
        (&["--batch", "rest,1"], "`rest,1` is no list of batches"),
        (
            &["--max-fail", "101%"],
            "`101%` is no number of hosts, such as `3` or `10%`",
        ),
        (
            &["--order", "random"],
            "`random` is no order: `inventory`, or `shuffle:7`",
        ),
        (&["--parallel", "0"], "write a number of hosts, at least 1"),
        (&["--pause", "1s"], "--batch <SIZES>"),
    ] {
        let ended = exec(2, "true", options);
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
}

/// Runs an example, which is a program of its own, and returns what it prints.
#[track_caller]
fn example(name: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "-p",
            "wxec-examples",
            "--example",
            name,
            "--",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_queue_for_each_host_is_an_async_block() {
    let mut printed = example("queue", &["local:", &host(1)]);
    printed.sort();
    let steps = "11 calls, then apple";
    assert_eq!(
        printed,
        [format!("[{}] {steps}", host(1)), format!("[local] {steps}")]
    );
}

#[test]
fn fleets_are_filtered() {
    let mut printed = example("fleet", &["local:", &host(1)]);
    printed.sort();
    let prime = "Some(999983)";
    assert_eq!(
        printed,
        [format!("[{}] {prime}", host(1)), format!("[local] {prime}")]
    );
}

#[test]
fn a_program_rolls_out_as_the_command_does() {
    let hosts: Vec<_> = (1..=4).map(host).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let arithmetic = "4 hosts: batches 1, 2, 1; stops when more than 1 fail (25 % of 4)";
    let printed = example("rollout", &[&["12"], &*hosts].concat());
    assert_eq!(printed[0], arithmetic);
    let installed = printed.iter().filter(|line| line.ends_with(" version 12"));
    assert_eq!(installed.count(), 4, "{printed:?}");
    let printed = example("rollout", &[&["13"], &*hosts].concat());
    assert_eq!(printed[0], arithmetic);
    let failed = printed.iter().filter(|line| line.ends_with("bad luck"));
    assert_eq!(failed.count(), 3, "{printed:?}");
    let stopped = format!(
        "stopped: 3 hosts failed, more than the 1 allowed; not started: {}",
        host(4)
    );
    assert!(
        printed.last() == Some(&stopped)
            || printed.last() == Some(&stopped.replace("3 hosts", "2 hosts")),
        "{printed:?}"
    );
}
