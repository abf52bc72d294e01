use std::{fs, path::Path, sync::Arc};

use super::{output, output_of, stdout};
use crate::harness::{
    Container, Engine, Machine, Namespaces, WITH_SHELL, WITHOUT_SHELL, needs, processes,
};

/// Asserts what both `docker` and `podman` do.
fn containers_run(engine: &Arc<Engine>, tool: &str) {
    let container = engine.container(WITH_SHELL, &["-u", "app", "--tmpfs", "/noexec:noexec"]);
    let execute = |container: &Container, arguments: &[&str]| {
        let mut command = engine.tool(tool);
        command
            .args(["exec", "-i", container.name()])
            .args(arguments);
        output_of(&mut command, "the input")
    };
    let (code, stdout, stderr) = execute(&container, &["sh", "-c", "id -un; cat; exit 7"]);
    assert_eq!((code, &*stdout), (Some(7), "app\nthe input"), "{stderr}");

    let bare = engine.container(WITHOUT_SHELL, &[]);
    for program in ["sh", "/bin/sh", "/bin/busybox"] {
        let (code, stdout, _) = execute(&bare, &[program]);
        assert!(code > Some(125), "{program}: {code:?}: {stdout}");
    }
    assert_eq!(execute(&bare, &["/sleep", "0"]).0, Some(0));

    let names = [container.name().to_owned(), bare.name().to_owned()];
    let running = engine.containers();
    assert!(
        names.iter().all(|name| running.contains(name)),
        "{names:?} {running:?}"
    );
    drop((container, bare));
    let running = engine.containers();
    assert!(
        !names.iter().any(|name| running.contains(name)),
        "{names:?} {running:?}"
    );
}

#[test]
fn docker_runs_containers() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    containers_run(&engine, "docker");
    // The plain client, led by the environment.
    let images = stdout(
        std::process::Command::new("docker")
            .args(["images", "-q"])
            .envs(engine.environment()),
    );
    assert_eq!(images.lines().count(), 2, "{images}");
}

#[test]
fn podman_runs_containers() {
    let Some(engine) = Engine::podman() else {
        return;
    };
    containers_run(&engine, "podman");
}

#[test]
fn lxc_runs_containers() {
    let Some(engine) = Engine::lxc() else { return };
    let container = engine.container(WITH_SHELL, &[]);
    let mut attach = engine.tool("lxc-attach");
    attach.args([
        "-n",
        container.name(),
        "--",
        "/bin/sh",
        "-c",
        "hostname; cat; exit 7",
    ]);
    let (code, stdout, stderr) = output_of(&mut attach, "the input");
    assert_eq!(
        (code, stdout),
        (Some(7), format!("{}\nthe input", container.name())),
        "{stderr}"
    );
    // Other tests use this engine, too.
    let name = container.name().to_owned();
    assert!(engine.containers().contains(&name));
    drop(container);
    assert!(!engine.containers().contains(&name));
}

#[test]
fn namespaces_are_entered_by_a_process() {
    let Some(namespaces) = Namespaces::start() else {
        return;
    };
    let pid = namespaces.pid().as_raw_nonzero().to_string();
    let mut nsenter = std::process::Command::new("nsenter");
    nsenter.args([
        "-t",
        &pid,
        "-m",
        "-u",
        "-i",
        "-n",
        "-p",
        "--",
        "sh",
        "-c",
        "hostname; ls /; readlink /proc/1/exe",
    ]);
    assert_eq!(
        stdout(&mut nsenter),
        "namespaces\nbin\ndev\netc\nproc\nroot\nsys\ntmp\n/bin/busybox\n"
    );
    drop(namespaces);
    assert!(!Path::new("/proc").join(pid).join("ns/mnt").exists());
}

#[test]
fn a_machine_uses_a_shared_engine() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    if !needs(&["sudo"]) {
        return;
    }
    let Some(machine) = Machine::options().shared(engine.directory()).start() else {
        return;
    };
    let container = engine.container(WITH_SHELL, &[]);
    let docker = engine.tool("docker").get_program().to_owned();
    let docker = docker.to_str().unwrap();
    let arguments = ["exec", container.name(), "id", "-un"];
    let (code, _, stderr) = output(machine.command("login", [docker]).args(arguments));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("permission denied"), "{stderr}");
    assert_eq!(
        stdout(
            machine
                .command("login", ["sudo", "-n", docker])
                .args(arguments)
        ),
        "root\n"
    );
}

#[test]
fn nothing_is_left_of_an_engine() {
    let Some(engine) = Engine::own_podman() else {
        return;
    };
    // Only the end of its engine removes this container.
    stdout(
        engine
            .tool("podman")
            .args(["run", "-d", "--network", "none", WITH_SHELL]),
    );
    let directory = engine.directory();
    let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(!processes(&name).is_empty(), "its monitor, and its room");
    let groups = || {
        let groups = fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten();
        groups
            .filter(|group| group.path().join(&name).exists())
            .count()
    };
    assert!(groups() > 0);
    drop(engine);
    assert_eq!(processes(&name).len(), 0);
    assert_eq!(groups(), 0);
    assert!(!directory.exists());
}
