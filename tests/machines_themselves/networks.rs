use std::time::{Duration, Instant};

use super::{output, stdout};
use crate::harness::{Machine, Network, SOON, Shell};

#[test]
fn the_bastion_reaches_the_inner_machine_and_this_one_does_not() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let sshd = network.sshd();
    let where_am_i = "readlink /proc/self/ns/net";
    let bastion = stdout(&mut sshd.ssh("bastion", where_am_i));
    let inner = stdout(&mut sshd.ssh("bastion", &format!("ssh inner {where_am_i}")));
    assert_ne!(bastion, inner);
    assert_eq!(
        inner,
        stdout(&mut sshd.ssh("jumped", where_am_i)),
        "{}",
        network.inner_log()
    );
    let inside = stdout(&mut network.inner.command("app", ["sh", "-c", where_am_i]));
    assert_eq!(inner, inside);

    let started = Instant::now();
    let (code, _, stderr) = output(&mut sshd.ssh("inner", "true"));
    assert_eq!(code, Some(255), "{stderr}");
    assert!(
        stderr.contains("connect to host 203.0.113.2 port 22"),
        "{stderr}"
    );
    assert!(
        started.elapsed() < SOON,
        "it is told, not found out after two minutes of silence"
    );
}

#[test]
fn a_long_cable_delays_each_way() {
    // Long compared with the time of a turn by itself on a busy machine.
    let delay = Duration::from_millis(100);
    let options = [Machine::options().shell(Shell::Dash), Machine::options()];
    let Some(network) = Network::of(options, [delay, Duration::ZERO]) else {
        return;
    };
    let sshd = network.sshd();
    // Connecting takes many turns; a turn on a connection takes one.
    let mut ssh = sshd.ssh("bastion", "while read line; do echo $line; done");
    let mut ssh = ssh
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (
        ssh.stdin.take().unwrap(),
        std::io::BufReader::new(ssh.stdout.take().unwrap()),
    );
    let mut turn = || {
        use std::io::{BufRead, Write};
        let started = Instant::now();
        writeln!(stdin, "next").unwrap();
        stdout.read_line(&mut String::new()).unwrap();
        started.elapsed()
    };
    let took = (0..10).map(|_| turn()).min().unwrap();
    drop(stdin);
    assert!(ssh.wait().unwrap().success(), "{}", sshd.log());
    assert!(took >= 2 * delay, "{took:?}");
    assert!(took < 10 * delay, "{took:?}");
    let addresses = super::stdout(&mut network.bastion.command("app", ["ip", "-o", "address"]));
    assert!(
        addresses.contains("link1") && addresses.contains("link2"),
        "{addresses}"
    );
}

#[test]
fn nothing_of_a_network_is_on_this_machine() {
    let interfaces = || {
        let mut names: Vec<_> = std::fs::read_dir("/sys/class/net")
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        names
    };
    let before = interfaces();
    let Some(network) = Network::start([Duration::from_millis(1), Duration::ZERO]) else {
        return;
    };
    assert_eq!(interfaces(), before);
    let machines = [network.bastion.pid(), network.inner.pid()];
    drop(network);
    assert_eq!(interfaces(), before);
    for machine in machines {
        assert!(!std::path::Path::new(&format!("/proc/{}", machine.as_raw_nonzero())).exists());
    }
}
