//! Inventories and targets: what the commands make of them. How targets are read is tested in
//! `wxec-fleet`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use wxec::{CallErrorKind, inventory::Inventory};

use crate::harness::{Cli, Ended};

/// Several names for this machine, one of them through another.
const INVENTORY: &str = r#"
[all]
vars.port = 80

[groups]
web = ["web[1-2]"]

[groups.slow]
members = ["slow"]
limits = { timeout = "200ms" }
vars.port = 8080

[hosts]
"web[1-2]" = { address = "local:", roles = ["front"] }
slow = { address = "local:" }
frugal = { address = "local:", limits = { fuel = 100_000 } }
far = { address = 'exec:["env","PLACE=far"]', via = "web1", vars = { tags = ["a"] } }
"#;

/// Returns a directory with an inventory.
fn directory(inventory: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("wxec.toml"), inventory).unwrap();
    directory
}

#[track_caller]
fn run(directory: &Path, arguments: &[&str]) -> Ended {
    Cli::new(["-q"].iter().chain(arguments))
        .directory(directory)
        .run()
}

/// Returns the lines of stdout of a command that succeeds, sorted, because hosts answer in any
/// order.
#[track_caller]
fn lines(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let ended = run(directory, arguments);
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let mut lines: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn names_of_the_inventory_are_hosts_for_every_command() {
    let here = directory(INVENTORY);
    let path = here.path();
    let echo = ["exec", "@web,far", "--sh", "echo at ${PLACE-home}"];
    assert_eq!(
        lines(path, &echo),
        ["[far] at far", "[web1] at home", "[web2] at home"]
    );
    // The facts are those of this machine, which answers to both names.
    let facts = lines(path, &["facts", "@web", "--format", "json"]);
    assert!(facts[0].starts_with(r#"{"web"#), "{facts:?}");
    let doctor = lines(path, &["doctor", "web1"]);
    assert!(
        doctor
            .iter()
            .any(|line| line.starts_with("ok       web1: connected")),
        "{doctor:?}"
    );
    let explained = lines(path, &["explain", "far"]);
    assert!(
        explained
            .iter()
            .any(|line| line.starts_with("local: env PLACE=far ")),
        "{explained:?}"
    );

    fs::write(path.join("motd"), "hello").unwrap();
    let target = format!("@role:front:{}/{{host}}.txt", path.display());
    run(path, &["put", "motd", &target]);
    assert_eq!(fs::read_to_string(path.join("web2.txt")).unwrap(), "hello");
    let source = format!("@web & !web2:{}/web1.txt", path.display());
    run(path, &["get", &source, "got.{host}"]);
    assert_eq!(fs::read_to_string(path.join("got.web1")).unwrap(), "hello");
}

/// A host of ssh, and one of the inventory that is called like it.
#[test]
fn hosts_whose_names_are_equal_are_told_apart() {
    let here = directory("[hosts]\nweb = { address = \"local:\" }\n");
    let config = here.path().join("config");
    fs::write(&config, "ProxyCommand false\n").unwrap();
    let echo = ["-q", "exec", "web,ssh:web", "--", "echo", "hi"];
    let ended = Cli::new(echo)
        .directory(here.path())
        .env("WXEC_SSH_CONFIG", config)
        .run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    assert_eq!(ended.stdout, "[web] hi\n", "{ended:?}");
    assert!(
        ended.stderr.starts_with("[ssh:web] error: unreachable"),
        "{ended:?}"
    );
}

#[test]
fn limits_of_the_inventory_hold_unless_others_are_typed() {
    let here = directory(INVENTORY);
    let here = here.path();
    let module = |arguments: &[&str]| {
        // The working directory is outside of the workspace, so the inventory is named.
        let file = here.join("wxec.toml");
        Cli::new(["-q", "call"].iter().chain(arguments))
            .env("WXEC_INVENTORY", file)
            .run()
    };
    let ended = module(&["frugal", "faulty::spin"]);
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("fuel limit of 100000 units hit"),
        "{ended:?}"
    );
    let ended = module(&["frugal", "faulty::spin", "--fuel", "200000"]);
    assert!(
        ended.stderr.contains("fuel limit of 200000 units hit"),
        "{ended:?}"
    );
    let ended = module(&["web1,slow", "faulty::sleep", "600000", "--timeout", "1ms"]);
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");

    let ended = run(here, &["exec", "slow", "--", "sleep", "600"]);
    assert_eq!(ended.exit_code, Some(124), "{ended:?}");
    assert!(ended.stderr.contains("200ms"), "{ended:?}");
    let typed = ["exec", "slow", "--timeout", "10m", "--", "sleep", "0.5"];
    assert_eq!(run(here, &typed).exit_code, Some(0));
}

#[test]
fn a_program_selects_hosts_with_their_limits() {
    let here = directory(INVENTORY);
    let file = here.path().join("wxec.toml");
    let inventory = Inventory::from_file(file).wait().unwrap();
    let frugal = inventory.select("frugal").unwrap();
    let outcomes = faulty::spin::on(&frugal).wait();
    let failed: Vec<_> = outcomes.failures().map(|(_, error)| &error.kind).collect();
    assert!(
        matches!(&*failed, [CallErrorKind::Limit { limit: 100_000, .. }]),
        "{failed:?}"
    );
    let fleet = inventory.select("slow").unwrap();
    // The default of a fleet, 60 s, does not hold where the host has its own.
    let outcomes = faulty::sleep::on(&fleet, 600_000).wait();
    let failed: Vec<_> = outcomes
        .failures()
        .map(|(host, error)| (host, &error.kind))
        .collect();
    assert!(
        matches!(
            &*failed,
            [("slow", CallErrorKind::Timeout { after, .. })] if after.as_millis() == 200
        ),
        "{failed:?}"
    );
}

#[test]
fn an_agent_is_cached_where_the_inventory_says_so() {
    let here = directory("");
    let home = here.path().join("home");
    fs::create_dir(&home).unwrap();
    let inventory = format!(
        "hosts.a = {{ address = 'exec:[\"env\",\"HOME={0}\",\"XDG_CACHE_HOME={0}\"]', cache_agent = true }}\n",
        home.display()
    );
    fs::write(here.path().join("wxec.toml"), inventory).unwrap();
    let is_cached = || fs::read_dir(&home).unwrap().next().is_some();
    lines(
        here.path(),
        &["exec", "a", "--cache-agent=false", "--", "true"],
    );
    assert!(!is_cached());
    lines(here.path(), &["exec", "a", "--", "true"]);
    assert!(is_cached());
}

#[test]
fn hosts_are_shown_with_the_layer_of_each_variable() {
    let here = directory(INVENTORY);
    let ended = run(here.path(), &["hosts"]);
    let expected = r#"web1  local:                              @web @role:front
    vars.port = 80  (all, line 3)
web2  local:                              @web @role:front
    vars.port = 80  (all, line 3)
slow  local:                              @slow
    vars.port = 8080            (group slow, line 11)
    limits.timeout = "200ms"    (group slow, line 10)
frugal local:
    vars.port = 80         (all, line 3)
    limits.fuel = 100000   (host, line 16)
far   local:/exec:["env","PLACE=far"]
    vars.port = 80      (all, line 3)
    vars.tags = ["a"]   (host, line 17)
    via = "web1"        (host, line 17)
"#;
    let squeezed = |text: &str| {
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        squeezed(&ended.stdout),
        squeezed(expected),
        "{}",
        ended.stdout
    );
    let ended = run(here.path(), &["hosts", "far,ssh:far", "--format", "ndjson"]);
    let lines: Vec<Json> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines[0]["value"]["variables"]["port"],
        json!({"value": 80, "layer": "all", "line": 3})
    );
    assert_eq!(
        lines[1],
        json!({"host": "ssh:far", "value": {"address": "ssh:far"}})
    );
}

#[test]
fn a_program_prints_an_inventory_when_it_is_named() {
    let here = directory("");
    let file = here.path().join("wxec.toml");
    let script = "#!/bin/sh\necho '{\"hosts\": {\"made\": {\"address\": \"local:\"}}}'\n";
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let named = [
        "exec",
        "--inventory",
        "wxec.toml",
        "@all",
        "--",
        "echo",
        "ran",
    ];
    assert_eq!(lines(here.path(), &named), ["ran"]);
    let ended = run(here.path(), &["exec", "made", "--", "true"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("is a program, and one that is only found is not run"),
        "{ended:?}"
    );
}

#[test]
fn mistakes_and_unknown_names_are_told_before_anything_connects() {
    let here = directory("[hosts.web1]\nadress = 3\n[grups]\n");
    let path = here.path();
    let ended = run(path, &["exec", "web1", "--", "true"]);
    let file = path.join("wxec.toml");
    let file = file.display();
    let said = format!(
        "error: {file} has 2 mistakes\n\
         {file}:2: hosts.web1.adress: unknown key; did you mean `address`?\n\
         {file}:3: grups: unknown key; did you mean `groups`?\n"
    );
    assert_eq!((ended.exit_code, ended.stderr), (Some(2), said));
    // Whole addresses mean the same with any inventory.
    assert_eq!(
        lines(path, &["exec", "local:", "--", "echo", "ran"]),
        ["ran"]
    );

    let here = directory(INVENTORY);
    for (target, said) in [
        ("@wbe", "has no group `wbe`; did you mean `@web`?"),
        (
            "@web & slow",
            "error: `@web & slow` selects no host: `@web` is 2 hosts, `slow` is 1 host\n",
        ),
        ("@web,!wbe1", "has no host `wbe1`; did you mean `web1`?"),
    ] {
        let ended = run(here.path(), &["exec", target, "--", "true"]);
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    // A name that is not in the inventory goes to ssh, and may be a typo.
    let ended = run(here.path(), &["hosts", "wbe1"]);
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "wbe1  ssh:wbe1\n")
    );
    assert!(
        ended.stderr.starts_with("warning: `wbe1` is not in "),
        "{ended:?}"
    );
    assert!(
        ended.stderr.ends_with("did you mean `web1`?\n"),
        "{ended:?}"
    );
}

#[test]
fn without_an_inventory_there_are_names_and_ranges() {
    let here = tempfile::tempdir().unwrap();
    let home = |arguments: &[&str]| {
        let found = Cli::new(arguments)
            .directory(&here)
            .env("HOME", here.path());
        found.run()
    };
    assert_eq!(
        home(&["hosts", "web[09-10],!web10"]).stdout,
        "web09  ssh:web09\n"
    );
    let ended = home(&["hosts"]);
    assert_eq!(
        (ended.exit_code, &*ended.stderr),
        (
            Some(2),
            "error: there is no inventory: no `wxec.toml` here or above; \
             name one with --inventory, or give a TARGET to see what it means\n"
        )
    );
    assert!(
        home(&["exec", "@web", "--", "true"])
            .stderr
            .contains("needs an inventory")
    );
}

#[test]
fn rsh_looks_for_no_inventory() {
    let here = directory("hosts.github = { address = 'local:' }\n");
    let shown = |options: &[&str]| {
        let words = ["rsh"].iter().chain(options).chain(&["-G", "github"]);
        run_plain(here.path(), words).stdout
    };
    assert!(
        shown(&[]).contains("address ssh:github\n"),
        "{}",
        shown(&[])
    );
    let named = shown(&["--inventory", "wxec.toml"]);
    assert!(named.contains("address local:\n"), "{named}");
}

fn run_plain<'a>(directory: &Path, words: impl Iterator<Item = &'a &'a str>) -> Ended {
    Cli::new(words).directory(directory).run()
}
