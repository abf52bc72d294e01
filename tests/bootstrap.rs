//! Starting an agent under bad conditions: any login shell, profiles that talk, places where
//! nothing can be written or run.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    thread,
};

use crate::harness::{
    Access, Cli, Machine, PLACES, SOON, Shell, kill, needs, own_seconds, processes, wait_until,
};

fn address(machine: &Machine) -> String {
    format!(
        "exec:{}",
        serde_json::to_string(&machine.enter("login")).unwrap()
    )
}

fn count(address: &str) -> Cli {
    Cli::new(["-q", "call", address, "words::count", "to be or", "--stats"])
}

#[test]
fn any_login_shell_will_do() {
    for shell in Shell::ALL {
        if !needs(&[shell.program()]) {
            continue;
        }
        let Some(machine) = Machine::options().shell(shell).noisy().start() else {
            return;
        };
        let Some(sshd) = machine.sshd() else { return };
        let before = machine.files();
        let ended = count("ssh:login").hosts(&sshd).run();
        ended.is("3");
        assert!(
            ended.stats()["agent_bytes"].as_u64() > Some(100_000),
            "{shell:?}: {ended:?}"
        );
        // tcsh and fish write files of their own at login.
        let ours = |file: &std::path::PathBuf| file.to_string_lossy().contains("wxec");
        let left: Vec<_> = machine
            .files()
            .difference(&before)
            .filter(|file| ours(file))
            .cloned()
            .collect();
        assert!(left.is_empty(), "{shell:?} {left:?}");
    }
}

#[test]
fn one_good_place_is_enough() {
    for good in PLACES {
        let mut options = Machine::options().read_only();
        for (place, access) in PLACES.into_iter().zip(
            [Access::NoExec, Access::ReadOnly, Access::Tiny]
                .into_iter()
                .cycle(),
        ) {
            options = options.place(place, if place == good { Access::Any } else { access });
        }
        let Some(machine) = options.start() else {
            return;
        };
        let before = machine.files();
        let ended = Cli::new(["doctor", &address(&machine)]).run();
        let place = ended
            .stdout
            .lines()
            .find(|line| line.contains("agent's place: "))
            .unwrap_or_default();
        assert!(
            place.contains(&format!("agent's place: {good}")),
            "{good}: {ended:?}"
        );
        assert_eq!(machine.files(), before);
    }
}

#[test]
fn memory_is_the_last_place() {
    for access in [Access::NoExec, Access::ReadOnly, Access::Tiny] {
        let Some(machine) = Machine::options().read_only().places(access).start() else {
            return;
        };
        let address = address(&machine);
        count(&address).run().is("3");
        let ended = Cli::new(["doctor", &address]).run();
        assert!(ended.stdout.contains("agent's place: memory"), "{ended:?}");
        assert!(ended.stdout.contains("place tried: /tmp ("), "{ended:?}");
    }
}

/// Returns the address of a shell where memory cannot be executed, `/dev/shm` has `room`, and other
/// places cannot be written.
fn without_memory(room: &str) -> String {
    let script = format!(
        r#"echo 2 >/proc/sys/vm/memfd_noexec || exit 9
        mount -t tmpfs -o size={room} none /dev/shm || exit 9
        for place in /run/user /tmp /var/tmp; do mount -t tmpfs -o ro none $place || exit 9; done
        unset XDG_RUNTIME_DIR; export HOME=/dev/shm; exec "$@""#
    );
    let namespaces = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"];
    let words: Vec<_> = namespaces
        .into_iter()
        .chain(["sh", "-c", &script, "sh"])
        .collect();
    format!("exec:{}", serde_json::to_string(&words).unwrap())
}

#[test]
fn where_memory_cannot_be_executed_the_image_needs_a_place() {
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        return crate::harness::skip(
            "this kernel always executes memory (Linux 6.3 can forbid it)",
        );
    }
    if !needs(&["unshare"]) {
        return;
    }
    let ended = count(&without_memory("8m")).run();
    ended.is("3");
    // Enough for the starter, and not for the image.
    let ended = count(&without_memory("64k")).run();
    assert!(
        ended
            .unreachable()
            .contains("no place for the agent: memory (cannot execute); /dev/shm (no room);"),
        "{ended:?}"
    );
}

#[test]
fn a_starter_needs_little_room() {
    let room = r#"mount -t tmpfs -o size=64k none /dev/shm || exit 9
        unset XDG_RUNTIME_DIR; exec "$@""#;
    if !needs(&["unshare"]) {
        return;
    }
    let words = ["unshare", "--mount", "sh", "-c", room, "sh"];
    let address = format!("exec:{}", serde_json::to_string(&words).unwrap());
    let ended = Cli::new(["doctor", &address]).run();
    assert!(
        ended.stdout.contains("agent's place: /dev/shm"),
        "{ended:?}"
    );
}

#[test]
fn the_agent_is_kept_if_that_is_wanted() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    let keep = || {
        let ended = Cli::new([
            "-q",
            "call",
            "ssh:login",
            "words::count",
            "a",
            "--stats",
            "--cache-agent",
        ])
        .hosts(&sshd)
        .run();
        ended.is("1");
        ended.stats()
    };
    assert!(keep()["agent_bytes"].as_u64() > Some(100_000));
    let again = keep();
    assert_eq!(again["agent_bytes"], 0, "{again}");
    // A damaged agent is sent again.
    let directory = machine.path("/home/login/.cache/wxec/agents");
    let kept: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    // The other is the starter.
    let kept = kept
        .iter()
        .max_by_key(|path| fs::metadata(path).unwrap().len());
    let kept = kept.expect("it is kept");
    let mut image = fs::read(kept).unwrap();
    image[5000] ^= 1;
    // The last agent may still be running from it.
    fs::remove_file(kept).unwrap();
    fs::write(kept, image).unwrap();
    std::os::unix::fs::chown(kept, Some(61001), Some(61001)).unwrap();
    assert!(keep()["agent_bytes"].as_u64() > Some(100_000));
    let last = keep();
    assert_eq!(last["agent_bytes"], 0, "{last}");
    // The host is known by now: the artifact comes to the starter that was kept, with the greeting.
    assert_eq!(last["round_trips"], 2, "{last}");
}

#[test]
fn the_doctor_tells_of_a_place() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let ended = Cli::new(["doctor", &address(&machine)]).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    for line in [
        "architecture: ",
        "account 61001",
        "memory: ",
        "address space: ",
        "open files: ",
        "round trip: ",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {ended:?}");
    }
}

#[test]
fn little_address_space_is_enough_and_is_told() {
    let address = r#"exec:["prlimit","--as=1000000000"]"#;
    count(address).run().is("3");
    let ended = Cli::new(["doctor", address]).run();
    assert!(
        ended.stdout.contains("address space: 953.7 MiB"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("note: address space is limited to "),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .lines()
            .any(|line| line.contains("architecture: ") && line.ends_with("-checked")),
        "{ended:?}"
    );
}

/// Returns the address of an account of its own that may have `processes`, threads included, with
/// `shell` as its `sh`.
fn with_processes(processes: u32, shell: &Path, programs: &Path) -> String {
    let sh = programs.join("sh");
    let _ = fs::remove_file(&sh);
    symlink(shell, &sh).unwrap();
    let path = format!(
        "PATH={}:{}",
        programs.display(),
        std::env::var("PATH").unwrap()
    );
    let limit = format!("--nproc={processes}:{processes}");
    let account = ["--reuid=61005", "--regid=61005", "--clear-groups"];
    let words = ["env", "--chdir=/", &path, "setpriv"]
        .into_iter()
        .chain(account)
        .chain(["prlimit", &limit]);
    format!(
        "exec:{}",
        serde_json::to_string(&words.collect::<Vec<_>>()).unwrap()
    )
}

#[test]
fn too_few_processes_are_said_to_be_that() {
    if !needs(&["setpriv", "prlimit", "dash", "bash"]) {
        return;
    }
    // The limit hits whatever cannot begin first: a program of the script, a thread of the agent,
    // the command. It counts all processes of the account: of three runs at once, each takes what
    // another has just found free.
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(few_processes_are_said);
        }
    });
}

fn few_processes_are_said() {
    let programs = tempfile::tempdir().unwrap();
    fs::set_permissions(programs.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (dash, bash) = (Path::new("/bin/dash"), Path::new("/bin/bash"));
    for (shell, processes) in
        (1..=32)
            .map(|processes| (dash, processes))
            .chain([(bash, 1), (bash, 4), (bash, 8)])
    {
        let address = with_processes(processes, shell, programs.path());
        let ended = Cli::new(["-q", "exec", &address, "--", "true"]).run();
        let is_enough = ended.exit_code == Some(0) && processes > 4;
        assert!(
            is_enough
                || ended
                    .unreachable()
                    .contains("the host allows too few processes"),
            "{processes}: {ended:?}"
        );
        assert!(
            is_enough || ended.stderr.contains("`ulimit -u`"),
            "{processes}: {ended:?}"
        );
    }
}

#[test]
fn too_few_open_files_are_said_to_be_that() {
    if !needs(&["prlimit"]) {
        return;
    }
    for files in [3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 80] {
        let address = format!(r#"exec:["prlimit","--nofile={files}:{files}"]"#);
        let ended = Cli::new(["-q", "exec", &address, "--", "true"]).run();
        let is_enough = ended.exit_code == Some(0) && files >= 64;
        assert!(
            is_enough
                || ended
                    .unreachable()
                    .contains("the host allows too few open files"),
            "{files}: {ended:?}"
        );
        assert!(
            is_enough || ended.stderr.contains("`ulimit -n`"),
            "{files}: {ended:?}"
        );
    }
}

#[test]
fn where_native_code_is_forbidden_bytecode_runs_and_is_told() {
    // PR_SET_MDWE: memory that can be written can never be executed, in this process and in all
    // that it starts.
    let address = r#"exec:["perl","-e","syscall(157,65,1,0,0,0)==0 or die; exec @ARGV"]"#;
    let ended = count(address).run();
    if ended.stderr.contains("Died at -e") {
        return crate::harness::skip(
            "this kernel cannot forbid memory that is written and executed (Linux 6.3 can)",
        );
    }
    ended.is("3");
    let ended = Cli::new(["doctor", address]).run();
    assert!(
        ended
            .stdout
            .lines()
            .any(|line| line.contains("architecture: ") && line.contains("-pulley")),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("note: native code cannot be mapped"),
        "{ended:?}"
    );
}

#[test]
fn a_host_that_says_nothing_is_given_up_in_time() {
    let seconds = own_seconds();
    let address = format!(r#"exec:["sleep","{seconds}"]"#);
    let ended = Cli::new(["-q", "call", &address, "words::count", "a"]).run();
    // `sleep` rejects our arguments; a program that takes them and stays silent does not end by
    // itself.
    assert!(
        ended.unreachable().contains("talking to its shell"),
        "{ended:?}"
    );
    let address = format!(r#"exec:["sh","-c","exec sleep {seconds}","{{}}"]"#);
    let ended = Cli::new([
        "-q",
        "call",
        &address,
        "words::count",
        "a",
        "--connect-timeout",
        "2s",
    ])
    .run();
    let line = ended.unreachable();
    assert!(
        line.contains("unreachable (talking to its shell): no answer within 2s"),
        "{line}"
    );
    wait_until(SOON, "nothing is left running", || {
        processes(&format!("sleep {seconds}")).is_empty()
    });
}

/// Returns an address where only the first part of what is sent to `rest` arrives.
fn stalled(rest: &[String], seconds: &str) -> String {
    let script = format!(r#"{{ head -c 100000; sleep {seconds}; }} | "$@""#);
    let words = ["sh", "-c", &script, "sh"].map(String::from);
    format!(
        "exec:{}",
        serde_json::to_string(&[&words, rest].concat()).unwrap()
    )
}

#[test]
fn a_link_that_breaks_while_the_agent_is_sent_leaves_nothing() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let seconds = own_seconds();
    let (files, address) = (machine.files(), stalled(&machine.enter("login"), &seconds));
    let call = |limit| {
        Cli::new([
            "-q",
            "call",
            &address,
            "words::count",
            "a",
            "--connect-timeout",
            limit,
        ])
    };
    // Its shell has to answer first: a machine that is too busy for that gets more time.
    let ended = ["5s", "60s"].into_iter().find_map(|limit| {
        let ended = call(limit).run();
        let is_early = limit == "5s"
            && ended
                .unreachable()
                .contains("unreachable (talking to its shell)");
        (!is_early).then_some(ended)
    });
    let ended = ended.expect("the last one counts");
    assert!(
        ended
            .unreachable()
            .contains("unreachable (starting the agent): no answer within "),
        "{ended:?}"
    );
    let is_clean = || machine.files() == files && machine.processes().is_empty();
    wait_until(
        SOON,
        "nothing is left of a connection that took too long",
        is_clean,
    );

    let running = call("10m").start();
    // The process that stalls the link: it begins to sleep when the first part has passed.
    let stall = || processes(&format!("/sleep sleep {seconds}"));
    wait_until(SOON, "the agent is being sent", || !stall().is_empty());
    assert_eq!(machine.files(), files, "its file has no name any more");
    kill(running.pid());
    drop(running);
    // The stalling process was the controller's child, and does not notice; in practice it is a
    // network.
    stall().iter().for_each(|process| kill(process.pid));
    wait_until(SOON, "nothing is left of a killed controller", is_clean);
}

#[test]
fn an_interrupted_connection_leaves_nothing() {
    let seconds = own_seconds();
    let address = format!(r#"exec:["sh","-c","sleep {seconds}; true","{{}}"]"#);
    let sleepers = || processes(&format!("/bin/sleep sleep {seconds}"));
    let running = Cli::new(["-q", "call", &address, "words::count", "a"]).start();
    wait_until(SOON, "it connects", || !sleepers().is_empty());
    rustix::process::kill_process(running.pid(), rustix::process::Signal::INT).unwrap();
    assert_eq!(running.wait().exit_code, Some(130));
    wait_until(SOON, "nothing is left running", || sleepers().is_empty());
}

#[test]
fn those_who_wait_for_a_hop_share_its_failure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let hop = format!(r#"exec:["sh","-c","echo tried >>{path}; sleep 7654","{{}}"]"#);
    let target = ["a", "b", "c", "d"]
        .map(|name| format!("{hop}/su:{name}"))
        .join(",");
    let ended = Cli::new([
        "-q",
        "call",
        &target,
        "words::count",
        "a",
        "--connect-timeout",
        "5s",
    ])
    .run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert_eq!(
        ended.stderr.matches("no answer within 5s").count(),
        4,
        "{ended:?}"
    );
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "tried\n");
}

#[test]
fn an_agent_that_may_not_run_is_told_apart_from_one_that_breaks() {
    let agent = tempfile::NamedTempFile::new().unwrap();
    fs::write(agent.path(), "#!/no/such/interpreter\n").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let compiler =
        wxec_build::compiler(&wxec_protocol::Target::here(), &wxec::build::Quiet).unwrap();
    let call = |address| {
        let call =
            Cli::new(["-q", "call", address, "words::count", "a"]).env("WXEC_AGENT", agent.path());
        call.env("WXEC_CACHE", cache.path())
            .env("WXEC_COMPILER", &compiler)
            .run()
    };
    let ended = call(r#"exec:["env"]"#);
    let line = ended.unreachable();
    assert!(
        line.contains("unreachable (starting the agent): the agent ended before it said a word"),
        "{line}"
    );
    assert!(
        line.contains("something there may forbid programs it does not know"),
        "{line}"
    );
    assert!(line.contains("(its last line: "), "{line}");
    let ended = call("local:");
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot run `") && ended.stderr.contains("by WXEC_CACHE"),
        "{ended:?}"
    );
}

#[test]
fn what_a_host_prints_is_shown_beside_the_reason() {
    let address = r#"exec:["sh","-c","echo Welcome; echo to the machine; exit 3","{}"]"#;
    let ended = count(address).run();
    let line = ended.unreachable();
    assert!(
        line.contains("the host closed the connection before the agent was up (exit code 3)"),
        "{line}"
    );
    assert!(
        line.contains("its stdout said: Welcome | to the machine"),
        "{line}"
    );
    let address = r#"exec:["sh","-c","echo You must change your password; sleep 8765","{}"]"#;
    let ended = Cli::new([
        "-q",
        "call",
        address,
        "words::count",
        "a",
        "--connect-timeout",
        "3s",
    ])
    .run();
    let line = ended.unreachable();
    assert!(
        line.contains("no answer within 3s; its stdout said: You must change your password"),
        "{line}"
    );
    let arguments = [
        "-q",
        "call",
        "exec:[\"env\"]/docker:x",
        "words::count",
        "a",
        "--tool",
        "docker=/no/docker",
    ];
    let ended = Cli::new(arguments).run();
    assert!(
        ended.unreachable().contains("cannot run `/no/docker`"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("--tool NAME=PATH"), "{ended:?}");
}

#[test]
fn hostile_words_reach_no_shell() {
    for address in [
        "-oProxyCommand=touch evil",
        "ssh:$(touch evil)",
        "local:/sudo:$(touch evil)",
        "docker:a;touch evil",
        "docker-run:a\ntouch evil",
        "ssh:a/su:'touch evil'",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let ended = Cli::new(["call", "--", address, "words::count", "a"])
            .directory(directory.path())
            .run();
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "{address:?}"
        );
    }
    // The words of `exec:` are arguments, whatever they contain.
    let directory = tempfile::tempdir().unwrap();
    let words = r#"exec:["env","A=$(touch evil)","B='; touch evil; '","C=\n!`touch evil`"]"#;
    let chain = format!("{words}/{words}");
    count(&chain).env("RUST_BACKTRACE", "0").run().is("3");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
