use super::*;
use crate::{
    address::Address,
    options::{ConnectOptions, Password},
};

const TOKEN: &str = "TOKEN";

fn words(hop: &str, options: &ConnectOptions) -> String {
    let shell = Shell {
        argv: ["sh", "-c", "SCRIPT"].map(Into::into).into(),
        line: "LINE".into(),
    };
    let address: Address = hop.parse().unwrap();
    let words = way(address.last(), &shell, options.get(), TOKEN)
        .unwrap()
        .command
        .words;
    let words: Vec<_> = words
        .iter()
        .map(|word| str::from_utf8(word).unwrap())
        .collect();
    words.join(" ")
}

#[test]
fn each_way_in_is_a_program_to_run() {
    const SSH: &str = "ssh -o IgnoreUnknown=RemoteCommand -x -T -o ControlMaster=no -o ServerAliveInterval=15 -o BatchMode=yes -o \
                       ClearAllForwardings=yes -o PermitLocalCommand=no -o RemoteCommand=none";
    for (hop, expected) in [
        (
            "ssh:deploy@web1:2222",
            &*format!("{SSH} -p 2222 -l deploy -- web1 LINE"),
        ),
        ("sudo:", "sudo -n -H -- sh -c SCRIPT"),
        ("sudo:app", "sudo -n -u app -H -- sh -c SCRIPT"),
        ("su:app", "su -s /bin/sh -c LINE app"),
        ("doas:", "doas -n -- sh -c SCRIPT"),
        ("doas:app", "doas -n -u app -- sh -c SCRIPT"),
        ("docker:web", "docker exec -i web sh -c SCRIPT"),
        ("podman:web", "podman exec -i web sh -c SCRIPT"),
        (
            "docker-run:team/web:1",
            "docker run -i --rm --label=wxec --entrypoint=sh team/web:1 -c SCRIPT",
        ),
        (
            "podman-run:web",
            "podman run -i --rm --label=wxec --entrypoint=sh web -c SCRIPT",
        ),
        (
            "kubectl:prod/web",
            "kubectl --namespace=prod exec --stdin --quiet web -- sh -c SCRIPT",
        ),
        (
            "kubectl:eu/prod/web/nginx",
            "kubectl --context=eu --namespace=prod exec --stdin --quiet --container=nginx web -- sh -c SCRIPT",
        ),
        (
            "nsenter:7",
            "nsenter --target=7 --mount --uts --ipc --net --pid --root -- sh -c SCRIPT",
        ),
        ("lxc:web", "lxc-attach -n web -- sh -c SCRIPT"),
        (
            "machinectl:web",
            "systemd-run --machine=web --pipe --wait --quiet --collect -- sh -c SCRIPT",
        ),
        (r#"exec:["chroot","/srv"]"#, "chroot /srv sh -c SCRIPT"),
        (r#"exec:["ssh","web1","{}"]"#, "ssh web1 LINE"),
    ] {
        assert_eq!(words(hop, &ConnectOptions::new()), expected);
    }
}

#[test]
fn with_a_password_programs_may_ask() {
    let options = ConnectOptions::new().become_password(Password::new("secret"));
    assert_eq!(
        words("sudo:app", &options),
        "sudo -S -p [wxec TOKEN] -u app -H -- sh -c SCRIPT"
    );
    assert_eq!(words("doas:app", &options), "doas -u app -- sh -c SCRIPT");
    for hop in ["sudo:", "su:app", "doas:"] {
        assert!(!words(hop, &options).contains("secret"));
    }
}

#[test]
fn the_path_of_each_tool_can_be_told() {
    for (hop, tool) in [
        ("ssh:a", "ssh"),
        ("sudo:", "sudo"),
        ("su:a", "su"),
        ("doas:", "doas"),
        ("docker:a", "docker"),
        ("docker-run:a", "docker"),
        ("podman:a", "podman"),
        ("podman-run:a", "podman"),
        ("kubectl:a/b", "kubectl"),
        ("nsenter:1", "nsenter"),
        ("lxc:a", "lxc-attach"),
        ("machinectl:a", "systemd-run"),
    ] {
        let options = ConnectOptions::new().tool(tool, "/opt/tool");
        assert!(words(hop, &options).starts_with("/opt/tool "), "{hop}");
    }
}

#[test]
fn complaints_are_understood() {
    let failure = || Unreachable::new(Phase::Shell, "the host closed the connection");
    for (hop, said, phase) in [
        (
            "ssh:a",
            "ssh: Could not resolve hostname a: Name or service not known",
            Phase::Resolve,
        ),
        (
            "ssh:a",
            "ssh: connect to host a port 22: Connection refused",
            Phase::Connect,
        ),
        (
            "ssh:a",
            "ssh: connect to host a port 22: Connection timed out",
            Phase::Connect,
        ),
        ("ssh:a", "Host key verification failed.", Phase::HostKey),
        (
            "ssh:a",
            "a@b: Permission denied (publickey,password).",
            Phase::Authentication,
        ),
        ("sudo:", "sudo: a password is required", Phase::Privilege),
        (
            "sudo:",
            "sudo: sorry, you must have a tty to run sudo",
            Phase::Privilege,
        ),
        (
            "sudo:",
            "sudo: interactive authentication is required",
            Phase::Privilege,
        ),
        ("su:a", "su: Authentication failure", Phase::Privilege),
        (
            "su:a",
            "su: user a does not exist or the user entry does not contain all the required fields",
            Phase::Privilege,
        ),
        ("doas:", "doas: Operation not permitted", Phase::Privilege),
        (
            "docker:a",
            "Error response from daemon: No such container: a",
            Phase::Resolve,
        ),
        (
            "docker:a",
            "Error response from daemon: container 1234 is not running",
            Phase::Connect,
        ),
        (
            "podman:a",
            "Error: no container with name or ID \"a\" found: no such container",
            Phase::Resolve,
        ),
        (
            "kubectl:a/b",
            "Error from server (NotFound): pods \"b\" not found",
            Phase::Resolve,
        ),
        (
            "kubectl:a/b",
            "Error from server (Forbidden): pods \"b\" is forbidden",
            Phase::Policy,
        ),
        (
            "kubectl:a/b",
            "OCI runtime exec failed: exec: \"sh\": executable file not found in $PATH",
            Phase::Shell,
        ),
        (
            "nsenter:1",
            "nsenter: cannot open /proc/1/ns/ipc: Permission denied",
            Phase::Privilege,
        ),
        (
            "machinectl:a",
            "Failed to connect to bus: Host is down",
            Phase::Connect,
        ),
        (
            r#"exec:["x"]"#,
            "This account is currently not available.",
            Phase::Policy,
        ),
    ] {
        let shell = Shell {
            argv: vec!["sh".into()],
            line: "LINE".into(),
        };
        let address: Address = hop.parse().unwrap();
        let way = way(address.last(), &shell, ConnectOptions::new().get(), TOKEN).unwrap();
        let tail = format!("a first word\n{said}\nand a last one\n");
        let understood = classify(failure().stderr(tail), &[way.complaints, SHELL_COMPLAINTS]);
        assert_eq!(
            (understood.phase, &*understood.reason),
            (phase, said),
            "{hop}"
        );
        assert!(understood.hint.is_some(), "{hop}: {said}");
    }
    let unknown = classify(failure().stderr("gibberish".into()), &[SHELL_COMPLAINTS]);
    assert_eq!(unknown, failure().stderr("gibberish".into()));
}

/// Docker prints two lines that are known: one before each pull, and one about why it failed.
#[test]
fn a_pull_that_was_refused_counts_more_than_an_image_that_was_not_there() {
    const SAID: &str = "Unable to find image 'shop:1' locally
docker: Error response from daemon: pull access denied for shop, repository does not exist or may require 'docker login'.
See 'docker run --help'.
";
    let failure = Unreachable::new(Phase::Shell, "the container ended").stderr(SAID.into());
    let shell = Shell {
        argv: vec!["sh".into()],
        line: "LINE".into(),
    };
    let address: Address = "docker-run:shop:1".parse().unwrap();
    let way = way(address.last(), &shell, ConnectOptions::new().get(), TOKEN).unwrap();
    let understood = classify(failure, &[way.complaints, SHELL_COMPLAINTS]);
    assert!(
        understood.reason.contains("pull access denied"),
        "{}",
        understood.reason
    );
    assert!(
        understood
            .hint
            .as_deref()
            .unwrap()
            .contains("log in to its registry"),
        "{:?}",
        understood.hint
    );
}
