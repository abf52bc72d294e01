//! Calls over real ssh: the way in, its leftovers on the host, and the messages when there is no
//! way in.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;
use wxec_protocol::Digest;

use crate::harness::{
    Cli, Controller, Pid, Sshd, descendants, kill, own_seconds, processes, wait_until, write_script,
};

/// A directory for caches with all that the usual one has, but for artifacts and what is known of
/// hosts.
fn cache_of_its_own() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let usual = wxec_build::cache_directory().unwrap();
    for entry in fs::read_dir(usual).unwrap().flatten() {
        let name = entry.file_name();
        if name != "artifacts" && name != "hosts" {
            symlink(entry.path(), directory.path().join(name)).unwrap();
        }
    }
    directory
}

/// Returns the only file in a directory.
fn only_file(directory: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(directory).ok()?.flatten();
    let file = files.next()?.path();
    assert!(files.next().is_none(), "{}", directory.display());
    Some(file)
}

#[test]
fn an_artifact_leaves_before_the_agent_greets_if_the_host_is_known() {
    let Some(sshd) = Sshd::start() else { return };
    // Builds all that the caches share.
    assert_eq!(Controller::start("local:", None).tell("count to be"), "2");
    let cache = cache_of_its_own();
    let hosts = cache.path().join("hosts");
    let call = || {
        let environment = sshd.client_environment();
        let own = [("WXEC_CACHE", cache.path().to_path_buf())];
        let mut controller = Controller::start_with("host", environment.into_iter().chain(own));
        assert_eq!(controller.tell("count to be"), "2");
        let traffic = controller.tell("traffic");
        let figures = traffic.split(' ').map(|it| it.parse().unwrap());
        let [_, _, _, artifact_bytes, round_trips]: [u64; 5] =
            figures.collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(round_trips, 3, "{traffic}");
        artifact_bytes
    };
    let known = |target: &str| {
        let file = only_file(&hosts);
        file.is_some_and(|file| fs::read_to_string(file).unwrap().ends_with(target))
    };
    let usual = call();
    wait_until(SOON, "the host is remembered", || known("\n"));
    assert_eq!(call(), usual);

    // The host was another kind of machine before.
    let builds = cache.path().join("artifacts").join(wxec_protocol::BUILD);
    let artifacts = only_file(&builds).unwrap();
    let target = artifacts.file_name().unwrap().to_str().unwrap();
    let module = only_file(&artifacts).unwrap();
    let other = format!("{}-linux-pulley", std::env::consts::ARCH);
    assert_ne!(target, other);
    let entry = builds.join(&other).join(module.file_name().unwrap());
    fs::create_dir(entry.parent().unwrap()).unwrap();
    let bytes = b"for another machine";
    fs::write(entry, [Digest::of(bytes).as_bytes(), &bytes[..]].concat()).unwrap();
    fs::write(only_file(&hosts).unwrap(), format!("ssh:host\n{other}\n")).unwrap();
    assert_eq!(call(), usual + bytes.len() as u64);
    wait_until(SOON, "the host is known again", || {
        known(&format!("\n{target}\n"))
    });
    assert_eq!(call(), usual);
}

/// Long enough for a busy machine; less than the time after which an end gives up on a silent peer.
const SOON: Duration = Duration::from_secs(45);

#[test]
fn a_task_runs_on_a_host_that_has_nothing_of_ours() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["call", "ssh:host", "words::top", "a b a", "1", "--stats"])
        .hosts(&sshd)
        .run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "[[\"a\",2]]\n"),
        "{ended:?}"
    );
    let stats = ended.stderr.lines().last().unwrap();
    let stats: serde_json::Value =
        serde_json::from_str(stats).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    assert!(stats["agent_bytes"].as_u64() > Some(100_000), "{stats}");
    // Two for the bootstrap, one for the call, which brings its module.
    assert_eq!(stats["round_trips"], 3, "{stats}");
}

#[test]
fn nothing_is_left_on_the_host_nor_here() {
    let Some(sshd) = Sshd::start() else { return };
    let before = sshd.host_files();
    let ended = Cli::new(["call", "host", "words::count", "to be"])
        .hosts(&sshd)
        .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    wait_until(SOON, "the host has no file more", || {
        sshd.host_files().is_subset(&before)
    });
    // A client that is left here would show as well: its connection would be one of these
    // processes.
    wait_until(SOON, "the host has no process more", || {
        descendants(sshd.pid()).is_empty()
    });
    assert_eq!(
        entries(&sshd),
        BTreeSet::new(),
        "temporary files are left here"
    );
}

#[test]
fn nothing_is_left_on_the_host_when_the_controller_is_killed() {
    let Some(sshd) = Sshd::start() else { return };
    let before = sshd.host_files();
    let mut controller = Controller::start("host", Some(&sshd));
    assert_eq!(controller.tell("count to be"), "2");
    assert_eq!(
        entries(&sshd),
        BTreeSet::new(),
        "an open connection needs no file here"
    );
    wait_until(SOON, "the file of the running agent has no name", || {
        sshd.host_files().is_subset(&before)
    });
    controller.kill();
    wait_until(SOON, "the host has no process more", || {
        descendants(sshd.pid()).is_empty()
    });
    wait_until(SOON, "the host has no file more", || {
        sshd.host_files().is_subset(&before)
    });
}

#[test]
fn a_further_hop_that_fails_leaves_nothing_here() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["-q", "call", r#"host/exec:["false"]"#, "words::count", "a"])
        .hosts(&sshd)
        .run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert_eq!(
        entries(&sshd),
        BTreeSet::new(),
        "temporary files are left here"
    );
    wait_until(SOON, "no connection is left", || {
        descendants(sshd.pid()).is_empty()
    });
}

#[test]
fn a_controller_that_is_killed_while_it_connects_leaves_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (config, proxy) = (
        directory.path().join("config"),
        directory.path().join("proxy"),
    );
    // The proxy writes its process number, complete once it can be read, and then prints nothing.
    let script = format!(
        "echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600",
        proxy.display()
    );
    let path = directory.path().join("script");
    fs::write(&path, script).unwrap();
    fs::write(
        &config,
        format!("Host silent\n    ProxyCommand sh {}\n", path.display()),
    )
    .unwrap();
    let variables = [
        ("WXEC_SSH_CONFIG", config.clone()),
        ("XDG_RUNTIME_DIR", sshd.scratch()),
        ("TMPDIR", sshd.scratch()),
    ];
    let mut controller = Controller::start_with("silent", variables);
    controller.begin("count a");
    wait_until(SOON, "it connects", || proxy.exists());
    controller.kill();
    assert_eq!(
        entries(&sshd),
        BTreeSet::new(),
        "temporary files are left here"
    );
    let pid = fs::read_to_string(&proxy).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid).unwrap());
    wait_until(SOON, "ssh ends with its connection", || {
        processes(config.to_str().unwrap()).is_empty()
    });
}

#[test]
fn a_master_of_the_users_serves_and_stays_and_none_is_made() {
    let Some(sshd) = Sshd::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let own = fs::read_to_string(sshd.config()).unwrap();
    let masters = format!(
        "ControlMaster auto\nControlPersist yes\nControlPath {}\n",
        path("master")
    );
    fs::write(path("config"), masters + &own).unwrap();
    let logins = || sshd.log().matches("Accepted publickey").count();
    let call = || {
        let call = Cli::new(["-q", "call", "host", "words::count", "a b"]).hosts(&sshd);
        call.env("WXEC_SSH_CONFIG", path("config")).run().is("2");
    };

    call();
    assert_eq!(logins(), 1);
    assert!(!fs::exists(path("master")).unwrap(), "a master was made");
    let ssh = |arguments: &[&str]| {
        let mut ssh = std::process::Command::new("ssh");
        ssh.args(["-F", &path("config")]).args(arguments);
        assert!(ssh.stderr(Stdio::null()).status().unwrap().success());
    };
    ssh(&["-N", "-f", "host"]);
    call();
    assert_eq!(logins(), 2, "the call has a connection of its own");
    ssh(&["-O", "exit", "host"]);
}

#[test]
fn a_connection_that_is_interrupted_leaves_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (config, proxy) = (
        directory.path().join("config"),
        directory.path().join("proxy"),
    );
    let seconds = own_seconds();
    // Like any proxy, this one ends with its input.
    let script = format!("touch {}; exec sed -n s/{seconds}//", proxy.display());
    let path = directory.path().join("script");
    fs::write(&path, script).unwrap();
    fs::write(
        &config,
        format!("Host silent\n    ProxyCommand sh {}\n", path.display()),
    )
    .unwrap();
    let begins: &dyn Fn() -> bool = &|| !processes(config.to_str().unwrap()).is_empty();
    let connects: &dyn Fn() -> bool = &|| proxy.exists();
    for signal in [Signal::TERM, Signal::QUIT, Signal::INT, Signal::HUP] {
        for moment in [begins, connects] {
            let _ = fs::remove_file(&proxy);
            let call = Cli::new(["-q", "call", "silent", "words::count", "a"]).hosts(&sshd);
            let running = call.env("WXEC_SSH_CONFIG", &config).start();
            wait_until(SOON, "it connects", moment);
            kill_process(running.pid(), signal).unwrap();
            let ended = running.wait();
            assert_eq!(ended.exit_code, Some(130), "{signal:?} {ended:?}");
            assert_eq!(
                entries(&sshd),
                BTreeSet::new(),
                "{signal:?}: temporary files are left here"
            );
            let reads = format!("s/{seconds}//");
            wait_until(SOON, "ssh and its proxy are gone", || {
                processes(&reads).is_empty()
            });
        }
    }
}

#[test]
fn a_proxy_that_is_not_installed_is_named() {
    let Some(sshd) = Sshd::start() else { return };
    let config = tempfile::NamedTempFile::new().unwrap();
    let hosts = [
        (
            "missing",
            "no-such-proxy %h %p",
            "`no-such-proxy`, which ProxyCommand of missing starts, is not installed here",
        ),
        (
            "path",
            "exec /no/such/proxy %h",
            "`/no/such/proxy`, which ProxyCommand of path starts, is not installed here",
        ),
        // If the command exists, or is built into the shell, ssh reports only how the connection
        // ended.
        ("silent", "false %h", "UNKNOWN port"),
        ("own", "test a = b", "UNKNOWN port"),
    ];
    let lines = hosts
        .map(|(host, proxy, _)| format!("Host {host}\n    ProxyCommand {proxy}\n"))
        .concat();
    fs::write(config.path(), lines).unwrap();
    for (host, _, expected) in hosts {
        let call = Cli::new(["-q", "call", host, "words::count", "a"]).hosts(&sshd);
        let ended = call.env("WXEC_SSH_CONFIG", config.path()).run();
        let line = ended.unreachable();
        assert!(
            line.contains("unreachable (connecting): ") && line.contains(expected),
            "{line}"
        );
        assert_eq!(
            line.contains("ProxyCommand"),
            expected.contains("ProxyCommand"),
            "{line}"
        );
    }
}

#[test]
fn a_long_path_for_temporary_files_does_no_harm() {
    let Some(sshd) = Sshd::start() else { return };
    let long = sshd.scratch().join("x".repeat(80));
    fs::create_dir(&long).unwrap();
    let call = Cli::new(["-q", "call", "host", "words::count", "a b"]).hosts(&sshd);
    call.env("TMPDIR", &long)
        .env("XDG_RUNTIME_DIR", &long)
        .run()
        .is("2");
}

/// Lists what the clients of `sshd` have put into their directory for temporary files.
fn entries(sshd: &Sshd) -> BTreeSet<std::ffi::OsString> {
    fs::read_dir(sshd.scratch())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect()
}

#[test]
fn a_host_that_cannot_be_reached_says_why_and_what_may_help() {
    let Some(sshd) = Sshd::start() else { return };
    for (host, phase, cause, hint) in [
        (
            "refused",
            "connecting",
            "Connection refused",
            "check that sshd runs there, and its port",
        ),
        (
            "unknownkey",
            "checking its host key",
            "Host key verification failed.",
            "connect once with `ssh` and check the key, or mend known_hosts",
        ),
        (
            "nokey",
            "logging in",
            "Permission denied (publickey).",
            "try `ssh` by hand: a key must be accepted without a question",
        ),
    ] {
        let ended = Cli::new(["-q", "call", host, "words::count", "a"])
            .hosts(&sshd)
            .run();
        assert_eq!(
            (ended.exit_code, &*ended.stdout),
            (Some(3), ""),
            "{ended:?}"
        );
        let line = ended.stderr.strip_suffix('\n').unwrap_or_default();
        assert!(!line.contains('\n'), "one line: {ended:?}");
        assert!(
            line.starts_with(&format!("error: {host}: unreachable ({phase}): ")),
            "{line}"
        );
        assert!(line.contains(cause), "{line}");
        assert!(line.ends_with(&format!("; {hint}")), "{line}");
        assert_eq!(
            entries(&sshd),
            BTreeSet::new(),
            "temporary files are left here"
        );
    }
}

#[test]
fn the_doctor_tries_the_way_to_a_host() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["doctor", "host,refused"]).hosts(&sshd).run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert!(
        ended.stdout.contains("ok       host: connected in "),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .contains("missing  refused: unreachable (connecting): "),
        "{ended:?}"
    );
}

#[test]
fn questions_of_ssh_go_to_the_users_askpass() {
    let Some(sshd) = Sshd::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    // The same key, but locked.
    fs::copy(sshd.config().with_file_name("client_key"), path("key")).unwrap();
    let locked = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "open sesame", "-f"])
        .arg(path("key"))
        .status();
    assert!(locked.unwrap().success());
    write_script(&path("askpass"), "#!/bin/sh\necho open sesame\n");
    let config = fs::read_to_string(sshd.config()).unwrap();
    let config = format!(
        "Host host\n    IdentityFile {}\n{config}",
        path("key").display()
    );
    fs::write(path("config"), config.replace("client_key", "no_such_key")).unwrap();

    let call = || {
        let call = Cli::new(["-q", "call", "host", "words::count", "a b"]).hosts(&sshd);
        call.env("WXEC_SSH_CONFIG", path("config"))
            .env("SSH_ASKPASS_REQUIRE", "force")
    };
    call().env("SSH_ASKPASS", path("askpass")).run().is("2");
    let line = call().run().unreachable().to_owned();
    assert!(line.contains("unreachable (logging in)"), "{line}");
}
