//! Hosts behind hosts.

use std::time::Duration;

use crate::harness::{Cli, Controller, Network, SOON, ticks, wait_until};

#[test]
fn only_the_bastion_reaches_the_inner_host() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let call = |address| {
        Cli::new(["-q", "call", address, "words::count", "to be or", "--stats"])
            .hosts(network.sshd())
            .run()
    };
    let ended = call("ssh:inner");
    assert!(
        ended
            .unreachable()
            .starts_with("error: inner: unreachable (connecting)"),
        "{ended:?}"
    );
    let ended = call("ssh:bastion/ssh:inner");
    ended.is("3");
    assert_eq!(
        ended.stats()["agent_bytes"],
        0,
        "the bastion's agent puts in its own image: {ended:?}"
    );
    wait_until(SOON, "no process is left", || {
        network.bastion.processes().len() + network.inner.processes().len() <= 4
    });
}

#[test]
fn the_hop_that_fails_is_named() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let call = |address| {
        Cli::new(["-q", "call", address, "words::count", "a"])
            .hosts(network.sshd())
            .run()
    };
    let ended = call("ssh:bastion/ssh:inner:1");
    let line = ended.unreachable();
    assert!(
        line.starts_with("error: bastion/ssh:inner:1: unreachable (connecting): "),
        "{line}"
    );
    assert!(line.contains("port 1: Connection refused"), "{line}");
    let ended = call("ssh:inner/sudo:app/su:app");
    assert!(
        ended
            .unreachable()
            .contains("unreachable at inner (connecting)"),
        "{ended:?}"
    );
}

#[test]
fn hosts_behind_one_bastion_share_the_way_there() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let target = "ssh:bastion/ssh:inner/sudo:,ssh:bastion/ssh:inner/sudo:app,ssh:bastion/sudo:app";
    let ended = Cli::new(["-q", "call", target, "words::count", "a b", "--stats"])
        .hosts(network.sshd())
        .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 3, "{ended:?}");
    assert_eq!(
        network.inner_log().matches("Accepted publickey").count(),
        1,
        "{}",
        network.inner_log()
    );
}

#[test]
fn latency_is_paid_once_for_a_warm_call() {
    let Some(network) = Network::start([Duration::from_millis(250), Duration::ZERO]) else {
        return;
    };
    for address in ["ssh:bastion", "ssh:bastion/ssh:inner"] {
        let mut controller = Controller::start(address, Some(network.sshd()));
        assert_eq!(controller.tell("count to be"), "2");
        let before: u64 = controller.tell("stats").parse().unwrap();
        assert_eq!(controller.tell("count to be or"), "3");
        let after: u64 = controller.tell("stats").parse().unwrap();
        assert_eq!(after - before, 1, "{address}");
    }
}

#[test]
fn a_killed_controller_leaves_nothing_on_any_hop() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let processes = || network.bastion.processes().len() + network.inner.processes().len();
    let before = processes();
    let mut controller = Controller::start("ssh:bastion/ssh:inner/sudo:app", Some(network.sshd()));
    assert_eq!(controller.tell("count to be"), "2");
    assert!(processes() >= before + 3, "an agent on each hop");
    controller.kill();
    wait_until(SOON, "no process is left", || processes() == before);
}

#[test]
fn a_killed_hop_is_a_lost_host() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let mut controller = Controller::start("ssh:bastion/ssh:inner", Some(network.sshd()));
    assert_eq!(controller.tell("count to be"), "2");
    // Builds the module if need be. A call made after the hop was killed would connect anew, and
    // spin there.
    assert!(controller.tell("spin-for 1").starts_with("Timeout "));
    let computed = || {
        network
            .inner
            .processes()
            .into_iter()
            .filter_map(ticks)
            .sum::<u64>()
    };
    let idle = computed();
    controller.begin("spin");
    wait_until(SOON, "the task computes", || computed() > idle + 20);
    let agents = || {
        let title = |pid: &crate::harness::Pid| {
            std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default()
        };
        network
            .bastion
            .processes()
            .into_iter()
            .filter(|pid| title(pid).starts_with(b"wxec:"))
            .collect::<Vec<_>>()
    };
    let [agent] = *agents() else {
        panic!("{:?}", agents())
    };
    crate::harness::kill(agent);
    let answer = controller.answer();
    assert!(answer.starts_with("Lost "), "{answer}");
    // The next call connects every hop anew.
    assert_eq!(controller.tell("count a b c"), "3");
}

#[test]
fn a_chain_closes_all_its_hops() {
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let processes = || network.bastion.processes().len() + network.inner.processes().len();
    let before = processes();
    let mut controller = Controller::start("ssh:bastion/ssh:inner/sudo:app", Some(network.sshd()));
    assert_eq!(controller.tell("count to be"), "2");
    assert_eq!(controller.tell("close"), "closed");
    wait_until(
        SOON,
        "no process is left, though the controller lives",
        || processes() == before,
    );
    assert_eq!(controller.tell("count to be or"), "3");
}

#[test]
fn what_a_hop_puts_in_is_checked_and_sent_again() {
    let address = format!(
        r#"exec:["{}"]/exec:["env"]"#,
        env!("CARGO_BIN_EXE_wxec-test-hop")
    );
    let ended = Cli::new([
        "-q",
        "call",
        &address,
        "words::count",
        "to be or",
        "--stats",
    ])
    .run();
    ended.is("3");
    let stats = ended.stats();
    // The hop put in the image and the artifact; both were refused, and then sent from here.
    for (what, least) in [
        ("hop_bytes", 1_000_000),
        ("agent_bytes", 1_000_000),
        ("module_bytes", 10_000),
    ] {
        assert!(stats[what].as_u64() > Some(least), "{what}: {stats}");
    }
}

/// Only 64 streams of a session have wide windows; each of these hosts needs one, and its image
/// through it.
#[test]
fn many_hosts_behind_one_hop_are_all_reached() {
    let targets: Vec<_> = (0..70)
        .map(|n| format!(r#"local:/exec:["env","N={n}"]"#))
        .collect();
    // Seventy agents that start at once may take longer than one.
    let patient = ["--connect-timeout", "10m", "--timeout", "10m"];
    let ended = Cli::new(
        ["-q", "call", &targets.join(","), "words::count", "to be"]
            .into_iter()
            .chain(patient),
    )
    .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert_eq!(
        ended
            .stdout
            .lines()
            .filter(|line| line.ends_with("] 2"))
            .count(),
        70,
        "{ended:?}"
    );
}

/// Bytes that the last seven of eight hosts behind a relay may cost the way to it, each: its
/// starter of 39 KB, the script of the bootstrap, and the conversation.
const EACH_BEHIND_A_RELAY: u64 = 48 << 10;

/// A slow link to a rack carries the agent's image and the artifact once, and what is each host's
/// own.
#[test]
fn hosts_behind_one_relay_share_what_travels_there() {
    let carried = |hosts: usize| {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().display();
        let inventory = format!(
            r#"
[hosts]
relay = {{ address = 'exec:["sh","-c","tee {path}/carried | \"$@\"","sh"]' }}
"rack[1-{hosts}]" = {{ address = 'exec:["env","N={{host}}"]', via = "relay" }}
"#
        );
        std::fs::write(here.path().join("wxec.toml"), inventory).unwrap();
        let ended = Cli::new(["-q", "call", "rack*", "words::count", "to be or"])
            .env("WXEC_INVENTORY", here.path().join("wxec.toml"))
            .run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), hosts, "{ended:?}");
        std::fs::metadata(here.path().join("carried"))
            .unwrap()
            .len()
    };
    let (one, eight) = (carried(1), carried(8));
    assert!(
        one > 1_000_000,
        "the relay's own agent came that way: {one}"
    );
    assert!(
        eight < one + 7 * EACH_BEHIND_A_RELAY,
        "one host: {one}, eight hosts: {eight}"
    );
}
