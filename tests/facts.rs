//! Facts of hosts: `Host::facts`, `wxec facts`, and the module that wxec ships to collect them.

use serde_json::Value as Json;
use wxec::{Fleet, Host};

use crate::harness::{Cli, Engine, Machine, Sshd, WITH_SHELL};

/// Nothing listens there: the port is a privileged one that machines do not use.
const REFUSED: &str = "127.0.0.1:1";

/// Parses the output of a command; fails if the command did.
#[track_caller]
fn json(cli: Cli) -> Json {
    let ended = cli.run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn programs_get_them_typed() {
    let here = wxec::here::facts().unwrap();
    let facts = Host::new("local:").unwrap().facts().wait().unwrap();
    assert_eq!(
        (&facts.hostname, &facts.kernel, &facts.distro),
        (&here.hostname, &here.kernel, &here.distro)
    );

    let fleet = Fleet::new(["local:", REFUSED]).unwrap();
    let outcomes = fleet.facts().wait();
    let names: Vec<_> = outcomes
        .successes()
        .map(|(host, facts)| (host, facts.cpus))
        .collect();
    assert_eq!(names, [("local", here.cpus)]);
    assert_eq!(outcomes.failures().count(), 1);
}

#[test]
fn people_get_a_list() {
    let here = wxec::here::facts().unwrap();
    let ended = Cli::new(["facts", "local:"]).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let line = |key: &str| {
        ended
            .stdout
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default()
    };
    assert_eq!(line("hostname:"), format!("hostname:  {}", here.hostname));
    assert_eq!(line("kernel:"), format!("kernel:    Linux {}", here.kernel));
    assert_eq!(line("cpus:"), format!("cpus:      {}", here.cpus));

    let ended = Cli::new(["facts", &format!("local:,{REFUSED}")]).run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert!(
        ended
            .stdout
            .lines()
            .all(|line| line.starts_with("[local] ")),
        "{ended:?}"
    );
    assert!(
        ended
            .stdout
            .contains(&format!("[local] arch:      {}\n", here.arch)),
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
fn programs_read_them_in_every_format() {
    let here = wxec::here::facts().unwrap();
    let facts = json(Cli::new(["facts", "local:", "--format", "json"]));
    assert_eq!(
        (&facts["hostname"], &facts["memory_bytes"]),
        (&here.hostname.into(), &here.memory_bytes.into())
    );

    let ended = Cli::new(["facts", &format!("local:,{REFUSED}"), "--format", "ndjson"]).run();
    assert_eq!(
        (
            ended.exit_code,
            ended.stdout.matches(r#""event":"ended""#).count(),
            ended.stdout.matches(r#""hostname":"#).count()
        ),
        (Some(3), 2, 1),
        "{ended:?}"
    );
    let ended = Cli::new(["facts", "local:", "--format", "cbor"]).run();
    assert!(
        ended.exit_code == Some(0) && ended.stdout.contains("hostname"),
        "{ended:?}"
    );
}

#[test]
fn accounts_over_ssh_and_sudo() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    for (address, user) in [("ssh:login", "login"), ("ssh:login/sudo:app", "app")] {
        let facts = json(Cli::new(["facts", address, "--format", "json"]).hosts(&sshd));
        assert_eq!(facts["user"], user, "{facts}");
    }
}

#[test]
fn a_container_of_another_distribution() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    let container = engine.container(WITH_SHELL, &["--hostname", "worker.example.org"]);
    let release = "mkdir -p /etc; printf 'ID=odd\nNAME=Odd\nVERSION_ID=7.1\n' >/etc/os-release";
    let wrote = engine
        .tool("docker")
        .args(["exec", container.name(), "sh", "-c", release])
        .status()
        .unwrap();
    assert!(wrote.success());
    let address = format!("docker:{}", container.name());
    let facts = json(Cli::new(["facts", &address, "--format", "json"]).envs(engine.environment()));
    assert_eq!(
        facts["distro"],
        serde_json::json!({"id": "odd", "name": "Odd", "version": "7.1"}),
        "{facts}"
    );
    assert_eq!(
        (&facts["hostname"], &facts["fqdn"]),
        (&facts["fqdn"], &"worker.example.org".into()),
        "{facts}"
    );
    let ended = Cli::new(["facts", &address])
        .envs(engine.environment())
        .run();
    assert!(ended.stdout.contains("\ndistro:    Odd 7.1\n"), "{ended:?}");
}

/// Without a package of its name, `facts` is wxec's own module, and is granted what it declares;
/// otherwise it is the user's package.
#[test]
fn the_shipped_module_can_be_called_by_its_name() {
    let nowhere = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| Cli::new(arguments).directory(nowhere.path()).run();
    let ended = call(&["call", "local:", "facts::facts"]);
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(r#""hostname":"#), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("wxec: `facts` is the module that wxec ships; "),
        "{ended:?}"
    );
    let ended = call(&["-q", "inspect", "facts"]);
    assert_eq!(
        (ended.exit_code, &*ended.stderr),
        (Some(0), ""),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("\n  facts() -> "), "{ended:?}");
    let ended = call(&["-q", "call", "local:", "words::count", "a"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");

    let ended = Cli::new(["-q", "call", "local:", "facts::facts"]).run();
    assert_eq!(
        ended.exit_code,
        Some(4),
        "a package of this workspace needs a grant: {ended:?}"
    );
}

#[test]
fn a_ready_made_module_is_taken_from_where_one_says() {
    let Some(sshd) = Sshd::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let ended = Cli::new(["facts", "ssh:host"])
        .hosts(&sshd)
        .env("WXEC_MODULES", place.path())
        .run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("facts.wasm"), "{ended:?}");
}
