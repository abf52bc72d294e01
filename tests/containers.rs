//! Ways into containers of real engines, and into namespaces.

use std::{sync::Arc, time::Duration};

use crate::harness::{
    Cli, Controller, Ended, Engine, Machine, Namespaces, WITH_SHELL, WITHOUT_SHELL, needs,
    wait_until, write_script,
};

/// Long enough for a busy machine, and less than the time after which an end gives up on a silent
/// peer.
const SOON: Duration = Duration::from_secs(45);

fn count(engine: Option<&Engine>, address: &str) -> Ended {
    let cli = Cli::new(["-q", "call", address, "words::count", "to be or", "--stats"]);
    match engine {
        Some(engine) => cli.envs(engine.environment()).run(),
        None => cli.run(),
    }
}

/// Enters running containers, with a shell and without; and checks the message when there is none.
fn into_running_containers(engine: &Arc<Engine>, scheme: &str) {
    for image in [WITH_SHELL, WITHOUT_SHELL] {
        let container = engine.container(image, &[]);
        let address = format!("{scheme}:{}", container.name());
        count(Some(engine), &address).is("3");
        // A second call works as well: the first one left nothing in the way.
        count(Some(engine), &address).is("3");
    }
    let ended = count(Some(engine), &format!("{scheme}:nobody"));
    assert!(
        ended
            .unreachable()
            .contains("unreachable (resolving its name)"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("check the container's name"),
        "{ended:?}"
    );
}

/// A fresh container is gone when the call is over, and also after its controller was killed.
fn into_fresh_containers(engine: &Arc<Engine>, scheme: &str) {
    let before = engine.containers();
    for image in [WITH_SHELL, WITHOUT_SHELL] {
        let address = format!("{scheme}-run:{image}");
        count(Some(engine), &address).is("3");
        wait_until(SOON, "the container is removed", || {
            engine.containers() == before
        });

        let mut controller = Controller::start_with(&address, engine.environment());
        assert_eq!(controller.tell("count to be"), "2");
        assert_eq!(engine.containers().len(), before.len() + 1);
        controller.kill();
        wait_until(
            SOON,
            "the container of a killed controller is removed",
            || engine.containers() == before,
        );
    }
}

/// A container that allows too few processes.
fn into_small_containers(engine: &Arc<Engine>, scheme: &str) {
    for limit in ["3", "4"] {
        // The container itself may end for want of processes, before anything reaches it.
        let ended = (0..10)
            .map(|_| {
                let container = engine.container(WITH_SHELL, &["--pids-limit", limit]);
                count(Some(engine), &format!("{scheme}:{}", container.name()))
            })
            .find(|ended| !ended.stderr.contains("; start the container"))
            .expect("one of the containers runs");
        assert!(
            ended
                .unreachable()
                .contains("the host allows too few processes"),
            "{limit}: {ended:?}"
        );
        assert!(
            ended.stderr.contains("`--pids-limit` of a container"),
            "{limit}: {ended:?}"
        );
    }
}

#[test]
fn small_docker_containers() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    into_small_containers(&engine, "docker");
}

#[test]
fn small_podman_containers() {
    let Some(engine) = Engine::podman() else {
        return;
    };
    into_small_containers(&engine, "podman");
}

#[test]
fn docker_containers() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    into_running_containers(&engine, "docker");
}

#[test]
fn fresh_docker_containers() {
    let Some(engine) = Engine::own_docker() else {
        return;
    };
    into_fresh_containers(&Arc::new(engine), "docker");
}

#[test]
fn podman_containers() {
    let Some(engine) = Engine::podman() else {
        return;
    };
    into_running_containers(&engine, "podman");
}

#[test]
fn fresh_podman_containers() {
    let Some(engine) = Engine::own_podman() else {
        return;
    };
    into_fresh_containers(&Arc::new(engine), "podman");
}

#[test]
fn containers_of_all_sorts() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    for arguments in [
        &["-u", "61001"][..],
        &["--read-only"],
        &["--read-only", "--tmpfs", "/tmp:exec"],
        &["-m", "256m", "--pids-limit", "64"],
        &["--security-opt", "no-new-privileges", "--cap-drop", "ALL"],
    ] {
        let container = engine.container(WITH_SHELL, arguments);
        let ended = count(Some(&engine), &format!("docker:{}", container.name()));
        // Docker mounts /dev/shm with noexec, and no other place can be written to.
        if arguments == ["--read-only"] {
            let line = ended.unreachable();
            assert!(
                line.contains("unreachable (starting the agent): no place for the agent: "),
                "{line}"
            );
            assert!(line.contains("/dev/shm (cannot execute)"), "{line}");
            assert!(
                line.contains("/tmp (cannot write)") || line.contains("/tmp (not there)"),
                "{line}"
            );
        } else {
            ended.is("3");
        }
    }
    let container = engine.container(WITHOUT_SHELL, &["--read-only"]);
    let ended = count(Some(&engine), &format!("docker:{}", container.name()));
    assert!(
        ended
            .unreachable()
            .contains("unreachable (starting the agent)"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("read-only"), "{ended:?}");
}

#[test]
fn the_path_of_a_tool_can_be_told() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    let container = engine.container(WITH_SHELL, &[]);
    let tool = engine.tool("docker").get_program().to_owned();
    let tool = format!("docker={}", tool.to_str().unwrap());
    let address = format!("docker:{}", container.name());
    Cli::new([
        "-q",
        "call",
        &address,
        "words::count",
        "a b",
        "--tool",
        &tool,
    ])
    .run()
    .is("2");
    let ended = Cli::new([
        "-q",
        "call",
        &address,
        "words::count",
        "a",
        "--tool",
        "docker=/no/docker",
    ])
    .run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("cannot run `/no/docker`"),
        "{ended:?}"
    );
}

#[test]
fn lxc_containers() {
    let Some(engine) = Engine::lxc() else { return };
    let container = engine.container(WITH_SHELL, &[]);
    count(Some(&engine), &format!("lxc:{}", container.name())).is("3");
}

#[test]
fn namespaces_of_a_process() {
    let Some(namespaces) = Namespaces::start() else {
        return;
    };
    let address = format!("nsenter:{}", namespaces.pid().as_raw_nonzero());
    count(None, &address).is("3");
}

#[test]
fn a_container_behind_sudo_behind_ssh() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    if !needs(&["sudo"]) {
        return;
    }
    let Some(machine) = Machine::options().shared(engine.directory()).start() else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    let docker = engine.tool("docker").get_program().to_owned();
    let tool = format!("docker={}", docker.to_str().unwrap());
    for image in [WITH_SHELL, WITHOUT_SHELL] {
        let container = engine.container(image, &[]);
        let address = format!("ssh:login/sudo:/docker:{}", container.name());
        let ended = Cli::new([
            "-q",
            "call",
            &address,
            "words::count",
            "a b",
            "--tool",
            &tool,
            "--stats",
        ])
        .hosts(&sshd)
        .run();
        ended.is("2");
        let stats = ended.stats();
        assert_eq!(stats["agent_bytes"], 0, "the hops had it: {stats}");
    }
    wait_until(SOON, "no process is left", || {
        let processes = machine.processes();
        processes
            .iter()
            .all(|pid| *pid == machine.pid() || *pid == sshd.pid())
    });
}

/// Makes a program that takes the words of another, and runs what follows `--` here.
fn stand_in(tool: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(tool);
    write_script(
        &path,
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n",
    );
    let option = format!("{tool}={}", path.display());
    (directory, option)
}

#[test]
fn pods() {
    let (_directory, tool) = stand_in("kubectl");
    Cli::new([
        "-q",
        "call",
        "kubectl:prod/web/nginx",
        "words::count",
        "a b",
        "--tool",
        &tool,
    ])
    .run()
    .is("2");
    let reached = std::process::Command::new("kubectl")
        .args(["--request-timeout=2s", "get", "--raw", "/version"])
        .output();
    if !reached.is_ok_and(|output| output.status.success()) {
        crate::harness::skip(
            "there is no Kubernetes cluster here: a program that takes kubectl's words stood in for it",
        );
    }
}

#[test]
fn machines_of_systemd() {
    let (_directory, tool) = stand_in("systemd-run");
    Cli::new([
        "-q",
        "call",
        "machinectl:web",
        "words::count",
        "a b",
        "--tool",
        &tool,
    ])
    .run()
    .is("2");
    if !std::path::Path::new("/run/systemd/system").exists() {
        crate::harness::skip(
            "systemd does not run here: a program that takes systemd-run's words stood in for it",
        );
    }
}
