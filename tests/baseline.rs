use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;
use wxec::build::Quiet;
use wxec_protocol::Platform;

use super::harness::{
    Controller, Pid, SOON, Sshd, descendants, guard, needs, program, skip, wait_until, write_script,
};

/// No figure may grow: this one is the same in each run.
const EXACTLY: f64 = 0.0;

/// The paths of the build directory, and what the linker makes of them.
const SIZES: f64 = 0.005;

/// Process identifiers and paths in what is said at the beginning.
const GREETINGS: f64 = 0.02;

/// Numbers of calls and times of processors take a byte more or less.
const MESSAGES: f64 = 0.01;

/// Queues grow now and then.
const ALLOCATIONS: f64 = 0.02;

/// A thread that is woken early or late makes other calls. A wake-up more in each call is a sixth.
const WAKE_UPS: f64 = 0.15;

/// Threads meet at other points in each run.
const INSTRUCTIONS: f64 = 0.05;

/// Pages that two threads touched rather than one.
const PAGES: f64 = 0.08;

/// An agent gives memory back two seconds after its last call.
const IDLE: Duration = Duration::from_secs(3);

/// Makes calls until nothing is new to either end.
const WARM_UP: u32 = 100;

#[test]
fn the_agents_image_does_not_grow() {
    let image = wxec_build::agent(&Platform::here(), &Quiet).unwrap();
    guard("agent-image-bytes", SIZES, || number(image.bytes));
}

#[test]
fn a_cold_call_sends_no_more_and_waits_no_more() {
    let Some(sshd) = Sshd::start() else { return };
    // Builds what is sent.
    warm();
    let cold = || {
        let mut controller = Controller::start("host", Some(&sshd));
        assert_eq!(controller.tell("count to be"), "2");
        traffic(&mut controller)
    };
    guard("cold-bytes-sent", GREETINGS, || cold()[0]);
    guard("cold-bytes-received", GREETINGS, || cold()[1]);
    guard("cold-agent-bytes-sent", SIZES, || cold()[2]);
    guard("cold-artifact-bytes-sent", SIZES, || cold()[3]);
    guard("cold-round-trips", EXACTLY, || cold()[4]);
}

#[test]
fn a_warm_call_sends_no_more_and_waits_no_more() {
    const CALLS: u32 = 100;
    let each = |column: usize| {
        let mut controller = warm();
        let before = traffic(&mut controller);
        calls(&mut controller, CALLS);
        let after = traffic(&mut controller);
        (after[column] - before[column]) / f64::from(CALLS)
    };
    guard("warm-bytes-sent", MESSAGES, || each(0));
    guard("warm-bytes-received", MESSAGES, || each(1));
    guard("warm-round-trips", EXACTLY, || each(4));
}

#[test]
fn a_warm_call_makes_no_more_system_calls() {
    const CALLS: u32 = 400;
    if !needs(&["strace"]) {
        return;
    }
    let mut controller = warm();
    let ends = [
        ("warm-controller-system-calls", controller.pid()),
        ("warm-agent-system-calls", agent(&controller)),
    ];
    for (name, pid) in ends {
        let mut count = || system_calls(pid, || calls(&mut controller, CALLS));
        if count().is_none() {
            skip("strace may not attach to processes here");
            return;
        }
        guard(name, WAKE_UPS, || {
            count().expect("it could before") / f64::from(CALLS)
        });
    }
}

#[test]
fn a_warm_call_makes_no_more_allocations() {
    const CALLS: u32 = 500;
    let mut controller = warm();
    guard("warm-controller-allocations", ALLOCATIONS, || {
        let count = |controller: &mut Controller| -> f64 {
            controller.tell("allocations").parse().unwrap()
        };
        let before = count(&mut controller);
        calls(&mut controller, CALLS);
        (count(&mut controller) - before) / f64::from(CALLS)
    });
    let program = program().with_file_name("examples/counting");
    if !program.exists() {
        skip("the agent that counts is not built: cargo build -p wxec-agent --example counting");
        return;
    }
    guard("warm-agent-allocations", ALLOCATIONS, || {
        let command = |file: &Path| {
            format!(
                "WXEC_TEST_ALLOCATIONS='{}' exec '{}'",
                file.display(),
                program.display()
            )
        };
        each_call(CALLS, command, |text| text.parse().ok())
    });
}

#[test]
fn a_warm_call_takes_the_agent_no_more_instructions() {
    const CALLS: u32 = 300;
    if !needs(&["valgrind"]) {
        return;
    }
    let image = wxec_build::agent(&Platform::here(), &Quiet).unwrap().path;
    guard("warm-agent-instructions", INSTRUCTIONS, || {
        let command = |file: &Path| {
            format!(
                "exec valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file='{}' '{}'",
                file.display(),
                image.display()
            )
        };
        each_call(CALLS, command, |log| {
            log.split_once("Collected : ")?
                .1
                .lines()
                .next()?
                .trim()
                .parse()
                .ok()
        })
    });
}

#[test]
fn an_idle_agent_has_no_more_memory_of_its_own() {
    guard("idle-agent-private-kib", PAGES, || {
        let controller = warm();
        thread::sleep(IDLE);
        private_kib(agent(&controller))
    });
}

/// A controller of `local:` that has made some calls.
fn warm() -> Controller {
    let mut controller = Controller::start("local:", None);
    calls(&mut controller, WARM_UP);
    controller
}

#[track_caller]
fn calls(controller: &mut Controller, count: u32) {
    assert_eq!(
        controller.tell(&format!("calls {count}")),
        count.to_string()
    );
}

/// The bytes sent and received so far, those of the image and of artifacts, and the round trips.
#[track_caller]
fn traffic(controller: &mut Controller) -> [f64; 5] {
    let answer = controller.tell("traffic");
    let figures: Vec<_> = answer
        .split(' ')
        .map(|figure| figure.parse().unwrap())
        .collect();
    figures.try_into().unwrap()
}

/// The agent that a controller of `local:` has started.
#[track_caller]
fn agent(controller: &Controller) -> Pid {
    let children = descendants(controller.pid());
    assert_eq!(children.len(), 1, "{children:?}");
    children[0]
}

/// Counts the system calls of all threads of a process meanwhile. Returns `None` if strace may not
/// attach to it.
fn system_calls(pid: Pid, meanwhile: impl FnOnce()) -> Option<f64> {
    let table = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-p", &pid.as_raw_nonzero().to_string(), "-o"])
        .arg(table.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(strace.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    let attached = said.contains(" attached");
    if attached {
        meanwhile();
        kill_process(Pid::from_child(&strace), Signal::INT).unwrap();
    }
    strace.wait().unwrap();
    let table = fs::read_to_string(table.path()).unwrap();
    attached.then(|| total_of(&table).unwrap_or_else(|| panic!("{table}")))
}

/// The number of calls in the last line of strace's table: `100.00 0.012 3 4000 12 total`.
fn total_of(table: &str) -> Option<f64> {
    let line = table.lines().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Runs a short and a long conversation with an agent that a shell starts by `command`, and returns
/// the difference that each call makes to the figure that the agent leaves behind in a file.
fn each_call(
    count: u32,
    command: impl Fn(&Path) -> String,
    figure: impl Fn(&str) -> Option<f64>,
) -> f64 {
    let left_behind = |count: u32| {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("figure");
        let mut controller = wrapped(&directory, &command(&file));
        calls(&mut controller, count);
        assert_eq!(controller.tell("close"), "closed");
        let read = || figure(&fs::read_to_string(&file).unwrap_or_default());
        wait_until(SOON, "the agent leaves its figure behind", || {
            read().is_some()
        });
        read().expect("it was there")
    };
    (left_behind(WARM_UP + count) - left_behind(WARM_UP)) / f64::from(count)
}

/// A controller of `local:` whose agent is started by `command`. Its script is always the same,
/// because wxec's cache keeps a copy of each agent that it is given.
fn wrapped(directory: &TempDir, command: &str) -> Controller {
    let script = directory.path().join("agent");
    write_script(&script, "#!/bin/sh\nexec sh -c \"$WXEC_TEST_AGENT\"\n");
    let variables = [
        ("WXEC_AGENT", script.into_os_string()),
        ("WXEC_TEST_AGENT", command.into()),
    ];
    Controller::start_with("local:", variables)
}

/// The memory that a process has written to. Unchanged pages of its program are left out, because
/// other agents share them.
fn private_kib(pid: Pid) -> f64 {
    let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
    let text = fs::read_to_string(path).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Private_Dirty:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
    kib.expect("the kernel counts it")
}

fn number(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap())
}
