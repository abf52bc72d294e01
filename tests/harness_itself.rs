//! The harness itself: its sshd is a host, its hosts behave as their names say, and nothing of it
//! is left.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use crate::harness::{Cli, SOON, Sshd, kill, processes, wait_until};

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

#[test]
fn a_host_runs_commands_in_an_empty_home() {
    let Some(sshd) = Sshd::start() else { return };
    let (code, stdout, stderr) = output(&mut sshd.ssh("host", "pwd; ls -A; exit 7"));
    assert_eq!((code, &*stderr), (Some(7), ""), "{}", sshd.log());
    assert_eq!(stdout, format!("{}\n", sshd.home().display()));
}

#[test]
fn a_noisy_host_prints_before_it_obeys() {
    let Some(sshd) = Sshd::start() else { return };
    let (code, stdout, stderr) = output(&mut sshd.ssh("noisy", "echo here"));
    assert_eq!(code, Some(0), "{}", sshd.log());
    assert_eq!(
        stdout,
        "*** Welcome to this noisy host ***\nWXEC1: no newline at the endhere\n"
    );
    assert_eq!(stderr, "it has been up for 1234 days\n");
}

#[test]
fn hosts_that_cannot_be_reached_say_why() {
    let Some(sshd) = Sshd::start() else { return };
    for (host, why) in [
        ("refused", "Connection refused"),
        ("unknownkey", "Host key verification failed"),
        ("nokey", "Permission denied (publickey)"),
    ] {
        let (code, _, stderr) = output(&mut sshd.ssh(host, "true"));
        assert_eq!(code, Some(255), "{host}");
        assert!(stderr.contains(why), "{host}: {stderr}");
    }
}

#[test]
fn files_left_on_a_host_are_seen() {
    let Some(sshd) = Sshd::start() else { return };
    let marker = PathBuf::from(format!("/tmp/.wxec-test-{}", std::process::id()));
    let before = sshd.host_files();
    let command = format!("mkdir sub && touch sub/file {}", marker.display());
    assert!(
        sshd.ssh("host", &command).status().unwrap().success(),
        "{}",
        sshd.log()
    );
    let files = sshd.host_files();
    for path in [
        sshd.home().join("sub"),
        sshd.home().join("sub/file"),
        marker.clone(),
    ] {
        assert!(
            files.contains(&path),
            "{} is not among {files:?}",
            path.display()
        );
    }
    fs::remove_file(marker).unwrap();
    fs::remove_dir_all(sshd.home().join("sub")).unwrap();
    wait_until(SOON, "nothing new is left", || {
        sshd.host_files().is_subset(&before)
    });
}

/// Starts a session of `host` that runs a process; returns the session and that process's command
/// line, which `number` makes unique.
fn session(sshd: &Sshd, number: u32) -> (Child, String) {
    let seconds = 10 * (1_000_000 + std::process::id()) + number;
    // The sum is made on the host, so the ssh client's own command line does not contain it.
    let mut ssh = sshd.ssh("host", &format!("exec sleep $(({seconds} - 1 + 1))"));
    let ssh = ssh
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let command = format!("sleep {seconds}");
    wait_until(SOON, "the session runs", || processes(&command).len() == 1);
    (ssh, command)
}

#[test]
fn a_process_on_a_host_is_found_and_killed() {
    let Some(sshd) = Sshd::start() else { return };
    let (mut ssh, command) = session(&sshd, 1);
    processes(&command)
        .iter()
        .for_each(|process| kill(process.pid));
    assert_eq!(
        ssh.wait().unwrap().code(),
        Some(255),
        "ssh tells that the session was ended by a signal"
    );
    wait_until(SOON, "it is gone", || processes(&command).is_empty());
}

#[test]
fn nothing_is_left_of_an_sshd() {
    let Some(sshd) = Sshd::start() else { return };
    let (home, (mut ssh, command)) = (sshd.home(), session(&sshd, 2));
    let config = sshd.config().with_file_name("sshd_config");
    drop(sshd);
    assert_eq!(
        ssh.wait().unwrap().code(),
        Some(255),
        "ssh tells that the connection was closed"
    );
    wait_until(SOON, "its sessions are gone", || {
        processes(&command).is_empty()
    });
    wait_until(SOON, "it is gone", || {
        processes(config.to_str().unwrap()).is_empty()
    });
    assert!(!home.exists());
}

#[test]
fn a_command_is_run_to_its_end() {
    let ended = Cli::new(["--version"])
        .env("LC_ALL", "C")
        .input("unread")
        .run();
    assert_eq!((ended.exit_code, &*ended.stderr), (Some(0), ""));
    assert!(ended.stdout.starts_with("wxec "), "{ended:?}");
    assert_eq!(Cli::new(["no-such-verb"]).run().exit_code, Some(2));
}

#[test]
fn a_command_knows_the_hosts() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["explain", "ssh:host"]).hosts(&sshd).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains(sshd.config().to_str().unwrap()),
        "{ended:?}"
    );
}
