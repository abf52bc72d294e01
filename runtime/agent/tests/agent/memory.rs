//! Agents with little memory, as processes of their own: they survive any request. The limit on
//! their memory is theirs alone.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use wxec_engine::compile;
use wxec_protocol::{
    CallId, CallRequest, ControllerConnection, ControllerEvent, Digest, Fault, LimitKind, Limits,
    LogRecord, Memory, Target, output_cost,
};

/// A guest with three tasks: one takes as many pages as its input says and sleeps briefly, one
/// returns as many, and one prints a mebibyte on two streams.
const GUEST: &str = r#"(module
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "log_record" (func $log_record (param i32 i32 i32 i32 i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (func $log (param i32 i32 i32)
        (call $log_record (local.get 0) (i32.const 0) (i32.const 0) (local.get 1) (local.get 2)))
    (memory (export "memory") 2)
    (func $pages (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 4)))
        (i32.load (i32.const 0)))
    (func (export "wx1_hold") (result i32)
        (if (i32.eq (memory.grow (call $pages)) (i32.const -1)) (then unreachable))
        ;; One subscription at 64: a relative timeout of the monotonic clock (1 at 80) of 10 ms (at 88).
        (i32.store (i32.const 80) (i32.const 1))
        (i64.store (i32.const 88) (i64.const 10000000))
        (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 256)))
    (func (export "wx1_return") (result i32)
        (local $left i32)
        (local.set $left (call $pages))
        (loop $more
            (call $output_write (i32.const 0) (i32.const 65536))
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0))
    (func (export "wx1_print") (result i32)
        (local $left i32)
        (i32.store (i32.const 4) (i32.const 1024))
        (local.set $left (i32.const 1024))
        (loop $more
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (call $log (i32.const 3) (i32.const 0) (i32.const 1000))
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0)))"#;

/// Generous: only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// An agent under `ulimit -v`, and the one artifact that its calls name.
struct Agent {
    process: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    connection: ControllerConnection,
    artifact: Vec<u8>,
    printed: u64,
}

impl Agent {
    fn start(kib: u64) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -v {kib}; exec \"$0\"")])
            .arg(env!("CARGO_BIN_EXE_wxec-agent"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let connection = ControllerConnection::new();
        let mut agent = Self {
            process,
            stdin,
            stdout,
            connection,
            artifact: Vec::new(),
            printed: 0,
        };
        let ControllerEvent::Ready { target } = agent.event() else {
            panic!("the agent greets")
        };
        assert_eq!(target.memory, Memory::Checked);
        let target = Target {
            platform: target.platform,
            ..Target {
                memory: Memory::Checked,
                ..Target::here()
            }
        };
        agent.artifact = compile(&wat::parse_str(GUEST).unwrap(), &target).unwrap();
        agent
    }

    /// Makes a call. Its deadline is long, because it may wait behind thousands of others.
    fn call(&mut self, function: &str, pages: u32) -> CallId {
        let input = pages.to_le_bytes().to_vec();
        let limits = Limits {
            deadline_ms: Some(600_000),
            ..Limits::default()
        };
        let module = Digest::of(&self.artifact);
        self.connection.call(CallRequest {
            terms: limits.into(),
            ..CallRequest::new(module, function, input)
        })
    }

    fn send(&mut self) {
        let mut wire = Vec::new();
        loop {
            wire.clear();
            assert_eq!(
                self.connection.poll_transmit(&mut wire),
                None,
                "no hop is here"
            );
            if wire.is_empty() {
                return;
            }
            self.stdin.write_all(&wire).expect("the agent lives");
        }
    }

    fn event(&mut self) -> ControllerEvent {
        let mut input = vec![0; 256 << 10];
        loop {
            if let Some(event) = self.connection.poll_event() {
                return event;
            }
            self.send();
            let length = self.stdout.read(&mut input).unwrap();
            assert_ne!(length, 0, "the agent is gone: {:?}", self.process.wait());
            self.connection.handle_input(&input[..length]).unwrap();
        }
    }

    /// Waits for the outcomes of `calls` calls; results are given by their length.
    fn returned(&mut self, calls: usize) -> HashMap<CallId, Result<usize, Fault>> {
        let mut outcomes = HashMap::new();
        while outcomes.len() < calls {
            match self.event() {
                ControllerEvent::Need { module, .. } => {
                    self.connection
                        .provide(module, self.artifact.clone().into());
                }
                ControllerEvent::Output { bytes, .. } => {
                    self.printed += bytes.len() as u64;
                    self.connection
                        .output_taken(output_cost(bytes.len() as u64));
                }
                ControllerEvent::Log {
                    level,
                    target,
                    message,
                    ..
                } => {
                    self.printed += message.len() as u64;
                    let record = LogRecord::new(level, &target, &message);
                    self.connection.output_taken(output_cost(record.cost()));
                }
                ControllerEvent::Returned { id, outcome, .. } => {
                    outcomes.insert(id, outcome.map(|bytes| bytes.len()));
                }
                event => panic!("unexpected: {event:?}"),
            }
        }
        outcomes
    }

    /// Waits until the agent is idle, and returns its memory use then.
    fn resident_kib_once_idle(&self) -> u64 {
        let proc =
            |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).unwrap();
        let ticks = || {
            proc("stat")
                .split(' ')
                .skip(13)
                .take(2)
                .map(|ticks| ticks.parse::<u64>().unwrap())
                .sum::<u64>()
        };
        // A thread that waits for a CPU is busy, too.
        let is_busy = || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
            let mut states = threads
                .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
            states.any(|stat| !stat.contains(") S "))
        };
        let started = Instant::now();
        let (mut before, mut idle) = (ticks(), 0);
        // Threads that take turns may all be seen asleep once, but not thirty times.
        while idle < 30 {
            assert!(started.elapsed() < PATIENCE, "the agent goes on and on");
            thread::sleep(Duration::from_millis(10));
            let now = ticks();
            idle = if now == before && !is_busy() {
                idle + 1
            } else {
                0
            };
            before = now;
        }
        let status = proc("status");
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        resident.unwrap().parse().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn ten_thousand_calls_wait_for_their_turn() {
    let mut agent = Agent::start(1 << 20);
    for _ in 0..10_000 {
        agent.call("hold", 16);
    }
    let outcomes = agent.returned(10_000);
    assert!(
        outcomes.values().all(|outcome| *outcome == Ok(0)),
        "{:?}",
        outcomes.values().find(|it| it.is_err())
    );
}

#[test]
fn calls_that_want_too_much_together_are_refused_one_by_one() {
    let mut agent = Agent::start(1 << 20);
    for _ in 0..400 {
        agent.call("hold", 64 << 4);
    }
    for _ in 0..200 {
        agent.call("return", 32 << 4);
    }
    let outcomes = agent.returned(600);
    let mut refused = 0;
    for outcome in outcomes.values() {
        match outcome {
            Ok(_) => {}
            Err(Fault::Limit {
                which: LimitKind::TotalMemory,
                limit,
                asked,
            }) => {
                assert!(asked > limit, "{outcome:?}");
                refused += 1;
            }
            Err(fault) => panic!("{fault:?}"),
        }
    }
    assert!((1..600).contains(&refused), "{refused} were refused");
    let id = agent.call("hold", 64 << 4);
    assert_eq!(
        agent.returned(1)[&id],
        Ok(0),
        "and then there is room again"
    );
}

#[test]
fn guests_that_print_wait_for_a_controller_that_does_not_read() {
    let mut agent = Agent::start(1 << 20);
    let id = agent.call("hold", 0);
    assert_eq!(agent.returned(1)[&id], Ok(0));
    let before = agent.resident_kib_once_idle();
    for _ in 0..300 {
        agent.call("print", 0);
    }
    agent.send();
    let held = agent.resident_kib_once_idle().saturating_sub(before) >> 10;
    assert!(held < 100, "{held} MiB are held, of six hundred");

    let outcomes = agent.returned(300);
    assert!(
        outcomes.values().all(|outcome| *outcome == Ok(0)),
        "{outcomes:?}"
    );
    // Output beyond a stream's limit, and the overhead of records, was dropped.
    assert!(
        agent.printed > 300 * 2 * 1_000_000,
        "{} bytes arrived",
        agent.printed
    );
}
