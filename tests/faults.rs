//! Faults between two machines, and the required outcome: a typed error in time, and nothing left
//! running. `local:` and `ssh:` alike.

use std::time::{Duration, Instant};

use crate::harness::{
    Cli, Controller, Pid, Sshd, descendants, kill, peak_memory, processes, skip, ticks, wait_until,
};

/// Long enough for a busy machine, and half of the time after which an end gives up on a silent
/// peer: an end that comes sooner was noticed.
const SOON: Duration = Duration::from_secs(30);

/// A controller that has made a call, and the agent that served it.
struct Connected {
    controller: Controller,
    agent: Pid,
    sshd: Option<Sshd>,
}

impl Connected {
    fn local() -> Self {
        Self::to("local:", None)
    }

    /// Returns `None` if this machine has no sshd.
    fn ssh() -> Option<Self> {
        Some(Self::to("ssh:host", Some(Sshd::start()?)))
    }

    fn to(address: &str, sshd: Option<Sshd>) -> Self {
        let mut controller = Controller::start(address, sshd.as_ref());
        assert_eq!(controller.tell("count to be"), "2");
        // Builds the module if need be, so that nothing later waits for that.
        assert!(controller.tell("spin-for 1").starts_with("Timeout "));
        let agents = agents(&controller, sshd.as_ref());
        let [agent] = *agents else {
            panic!("{agents:?} should be one agent")
        };
        Self {
            controller,
            agent,
            sshd,
        }
    }

    /// Starts a call that never returns, and waits until its task is computing.
    fn make_busy(&mut self) {
        let idle = ticks(self.agent);
        self.controller.begin("spin");
        wait_until(SOON, "the task computes", || {
            ticks(self.agent) > idle.map(|ticks| ticks + 5)
        });
    }

    fn agents(&self) -> Vec<Pid> {
        agents(&self.controller, self.sshd.as_ref())
    }
}

/// Finds the agents of one controller, by their program's file: `wxec-agent` below itself,
/// `.wxec-…` below sshd.
fn agents(controller: &Controller, sshd: Option<&Sshd>) -> Vec<Pid> {
    let below = descendants(sshd.map_or_else(|| controller.pid(), Sshd::pid));
    let named = processes("wxec-").into_iter().map(|process| process.pid);
    named.filter(|pid| below.contains(pid)).collect()
}

/// Runs `test` with an agent here, and with one behind ssh.
fn here_and_there(test: fn(Connected)) {
    test(Connected::local());
    if let Some(connected) = Connected::ssh() {
        test(connected);
    }
}

#[test]
fn an_agent_killed_in_a_call_is_lost_and_the_next_call_connects_anew() {
    here_and_there(|mut connected| {
        connected.make_busy();
        let killed = Instant::now();
        kill(connected.agent);
        let answer = connected.controller.answer();
        assert!(killed.elapsed() < SOON, "{:?}", killed.elapsed());
        assert!(answer.starts_with("Lost "), "{answer}");
        assert!(answer.contains("its outcome is unknown"), "{answer}");
        assert_eq!(connected.controller.tell("count to be or"), "3");
        assert_ne!(connected.agents(), [connected.agent]);
    });
}

#[test]
fn an_agent_killed_between_calls_is_not_missed() {
    here_and_there(|mut connected| {
        kill(connected.agent);
        wait_until(SOON, "it is gone", || ticks(connected.agent).is_none());
        let answer = connected.controller.tell("count to be or");
        // The caller may call before it can know of the end; such a call is lost, unless it is sent
        // again by itself.
        if answer.starts_with("Lost ") {
            assert_eq!(connected.controller.tell("count to be or"), "3");
        } else {
            assert_eq!(answer, "3");
        }
    });
}

#[test]
fn a_call_that_timed_out_holds_up_no_one() {
    here_and_there(|mut connected| {
        let answer = connected.controller.tell("spin-for 2000");
        assert!(
            answer.starts_with("Timeout ") && answer.contains("no answer after 2s"),
            "{answer}"
        );
        let timed_out = Instant::now();
        assert_eq!(connected.controller.tell("count to be or"), "3");
        assert!(timed_out.elapsed() < SOON, "{:?}", timed_out.elapsed());
        assert_eq!(
            connected.agents(),
            [connected.agent],
            "it is the same session"
        );
        rests(connected.agent);
    });
}

#[test]
fn a_call_that_was_dropped_no_longer_computes() {
    here_and_there(|mut connected| {
        assert_eq!(connected.controller.tell("abandon-after 200"), "abandoned");
        rests(connected.agent);
        assert_eq!(connected.controller.tell("count to be or"), "3");
        assert_eq!(
            connected.agents(),
            [connected.agent],
            "it is the same session"
        );
    });
}

/// Waits until a process uses no processor.
#[track_caller]
fn rests(agent: Pid) {
    let mut before = None;
    let mut since = Instant::now();
    wait_until(SOON, "the agent rests", || {
        let now = ticks(agent);
        assert!(now.is_some(), "it has ended");
        if now != before {
            (before, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(200)
    });
}

#[test]
fn an_agent_does_not_outlive_its_controller_while_it_is_busy() {
    here_and_there(|mut connected| {
        connected.make_busy();
        connected.controller.kill();
        wait_until(SOON, "the agent is gone", || {
            ticks(connected.agent).is_none()
        });
    });
}

#[test]
fn an_agent_does_not_outlive_its_controller_while_it_is_idle() {
    here_and_there(|mut connected| {
        connected.controller.kill();
        wait_until(SOON, "the agent is gone", || {
            ticks(connected.agent).is_none()
        });
    });
}

#[test]
fn a_result_of_a_gibibyte_is_refused_in_time_and_in_little_memory() {
    here_and_there(|mut connected| {
        let start = Instant::now();
        let answer = connected.controller.tell(&format!("blob {}", 1 << 30));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert!(
            answer.starts_with("Limit ") && answer.contains("memory limit of 268435456 bytes hit"),
            "{answer}"
        );
        let agent = peak_memory(connected.agent);
        assert!(agent < 64 << 20, "the agent took {agent} bytes");
        // This result fits into the guest's memory, but not into a message.
        let answer = connected.controller.tell(&format!("blob {}", 200 << 20));
        assert!(
            answer.starts_with("Limit ") && answer.contains("output limit of 134217728 bytes hit"),
            "{answer}"
        );
        let (agent, controller) = (
            peak_memory(connected.agent),
            peak_memory(connected.controller.pid()),
        );
        assert!(agent < (200 + 64) << 20, "the agent took {agent} bytes");
        assert!(
            controller < 64 << 20,
            "the controller took {controller} bytes"
        );
        assert_eq!(connected.controller.tell("count to be or"), "3");
    });
}

#[test]
fn a_refused_host_does_not_keep_the_others_from_answering() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["call", "host,refused,local:", "words::count", "to be"])
        .hosts(&sshd)
        .run();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    let mut values: Vec<_> = ended.stdout.lines().collect();
    values.sort_unstable();
    assert_eq!(values, ["[host] 2", "[local] 2"], "{ended:?}");
    let error = ended
        .stderr
        .lines()
        .find(|line| line.starts_with("[refused] error: unreachable (connecting): "));
    let error = error.unwrap_or_else(|| panic!("{ended:?}"));
    assert!(
        error.contains("Connection refused"),
        "ssh's own words: {error}"
    );
}

#[test]
fn a_login_that_prints_to_stdout_is_no_obstacle() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["call", "noisy", "words::count", "to be"])
        .hosts(&sshd)
        .run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "2\n"),
        "{ended:?}"
    );
}

#[test]
fn a_task_that_prints_does_not_disturb_the_conversation() {
    let mut targets = vec!["local:"];
    let sshd = Sshd::start();
    match &sshd {
        Some(_) => targets.push("host"),
        None => skip("only `local:` was tried"),
    }
    for target in targets {
        let cli = Cli::new(["call", target, "faulty::say", "WXEC1:\u{1}\u{7f}"]);
        let cli = if let Some(sshd) = &sshd {
            cli.hosts(sshd)
        } else {
            cli
        };
        let ended = cli.run();
        assert_eq!(
            (ended.exit_code, &*ended.stdout),
            (Some(0), "null\n"),
            "{target}: {ended:?}"
        );
        assert!(
            ended.stderr.contains("out: WXEC1:") && ended.stderr.contains("err: WXEC1:"),
            "{target}: {ended:?}"
        );
    }
}
