//! Agents on machines other than this one: older CPUs, other architectures, systems that give less.
//! Each agent is a process that the protocol alone drives.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use rustix::process::Signal;
use wxec::build::{BuildError, Quiet};
use wxec_build::AgentImage;
use wxec_protocol::{
    CallRequest, Code, ControllerConnection, ControllerEvent, Digest, Fault, Limits, Memory,
    Platform, Target,
};

use crate::harness::{Pid, descendants, skip};

/// Functions that return, grow, trap, never end, and call themselves without end.
const GUEST: &str = r#"(module
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1)
    (func $dig (param i64) (result i64) (i64.add (call $dig (i64.add (local.get 0) (i64.const 1))) (local.get 0)))
    (func (export "wx1_divide") (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 2)))
        (i32.store8 (i32.const 8) (i32.div_u (i32.load8_u (i32.const 0)) (i32.load8_u (i32.const 1))))
        (call $output_write (i32.const 8) (i32.const 1))
        (i32.const 0))
    (func (export "wx1_grow") (result i32)
        (local $page i32)
        (local.set $page (memory.grow (i32.const 320)))
        (i32.store (i32.const 20000000) (i32.const 1))
        (i32.eq (local.get $page) (i32.const -1)))
    (func (export "wx1_outside") (result i32) (i32.load (i32.const 65536)))
    (func (export "wx1_spin") (result i32) (loop $again (br $again)) (i32.const 0))
    (func (export "wx1_dig") (result i32) (i32.wrap_i64 (call $dig (i64.const 0)))))"#;

/// The time after which a hanging agent is killed: emulated agents take half a second, and this
/// machine may do other things.
const PATIENCE_SECONDS: &str = "600";

struct Agent {
    process: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    connection: ControllerConnection,
    target: Target,
}

impl Agent {
    /// Starts `wrapper`, which becomes `agent`, and waits for its greeting.
    fn start(wrapper: &[&str], agent: &Path) -> Self {
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", PATIENCE_SECONDS])
            .args(wrapper)
            .arg(agent);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (
            process.stdin.take().unwrap(),
            process.stdout.take().unwrap(),
        );
        let mut agent = Self {
            process,
            stdin,
            stdout,
            connection: ControllerConnection::new(),
            target: Target::here(),
        };
        match agent.event() {
            ControllerEvent::Ready { target } => agent.target = target,
            event => panic!("{event:?}"),
        }
        agent
    }

    fn event(&mut self) -> ControllerEvent {
        let mut input = vec![0; 64 << 10];
        loop {
            if let Some(event) = self.connection.poll_event() {
                return event;
            }
            let mut output = Vec::new();
            assert_eq!(
                self.connection.poll_transmit(&mut output),
                None,
                "no hop is here"
            );
            self.stdin.write_all(&output).unwrap();
            if output.is_empty() {
                let length = self.stdout.read(&mut input).unwrap();
                assert_ne!(length, 0, "the agent is gone: {:?}", self.process.wait());
                self.connection.handle_input(&input[..length]).unwrap();
            }
        }
    }

    /// Calls a function of [`GUEST`], compiled for `target`.
    fn call_compiled(
        &mut self,
        target: &Target,
        function: &str,
        input: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        let artifact = compile(target);
        let limits = Limits {
            deadline_ms: (function == "spin").then_some(50),
            ..Limits::default()
        };
        let module = Digest::of(&artifact);
        self.connection.call(CallRequest {
            terms: limits.into(),
            ..CallRequest::new(module, function, input.to_vec())
        });
        loop {
            match self.event() {
                ControllerEvent::Need { module, .. } => {
                    self.connection.provide(module, artifact.clone().into())
                }
                ControllerEvent::Returned { outcome, .. } => {
                    return outcome.map(|bytes| bytes.to_vec());
                }
                event => panic!("{event:?}"),
            }
        }
    }

    fn call(&mut self, function: &str, input: &[u8]) -> Result<Vec<u8>, Fault> {
        self.call_compiled(&self.target.clone(), function, input)
    }

    /// Calls the guest in every way in which kinds of code could differ.
    #[track_caller]
    fn works(mut self) {
        assert_eq!(self.call("divide", &[84, 2]), Ok(vec![42]));
        self.traps("divide", "integer divide by zero");
        self.traps("outside", "out of bounds memory access");
        assert_eq!(self.call("grow", b""), Ok(vec![]));
        let stack = self.call("dig", b"");
        assert!(matches!(stack, Err(Fault::Limit { .. })), "{stack:?}");
        assert_eq!(
            self.call("spin", b""),
            Err(Fault::Deadline { after_ms: 50 })
        );
        assert_eq!(self.call("divide", &[9, 3]), Ok(vec![3]));
    }

    #[track_caller]
    fn traps(&mut self, function: &str, expected: &str) {
        match self.call(function, &[1, 0]) {
            Err(Fault::Trap { reason, frames }) => {
                assert_eq!(reason, expected);
                assert_eq!(frames.len(), 1, "{frames:?}");
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn compile(target: &Target) -> Vec<u8> {
    let compiler = wxec_build::compiler(target, &Quiet).unwrap();
    let mut compiler = Command::new(compiler);
    let mut compiler = compiler
        .args([&target.to_string(), "4294967296", "120", "180"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    compiler
        .stdin
        .take()
        .unwrap()
        .write_all(&wat::parse_str(GUEST).unwrap())
        .unwrap();
    let output = compiler.wait_with_output().unwrap();
    assert!(output.status.success(), "{target}");
    output.stdout
}

fn agent_here() -> &'static Path {
    static IMAGE: OnceLock<AgentImage> = OnceLock::new();
    &IMAGE
        .get_or_init(|| wxec_build::agent(&Platform::here(), &Quiet).unwrap())
        .path
}

/// Returns true if `arguments` can be run here; otherwise skips the calling test.
fn can_run(arguments: &[&str]) -> bool {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output();
    let reason = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    skip(&format!("{}: {reason}", arguments[0]));
    false
}

fn target(code: Code, memory: Memory) -> Target {
    Target {
        platform: Platform::here(),
        code,
        memory,
        metered: false,
    }
}

#[test]
fn an_aarch64_agent_runs_native_code() {
    const QEMU: &str = "qemu-aarch64-static";
    if !can_run(&[QEMU, "--version"]) {
        return;
    }
    let platform = Platform::new("aarch64", "linux");
    let image = match wxec_build::agent(&platform, &Quiet) {
        Ok(image) => image,
        Err(error @ (BuildError::MissingStd { .. } | BuildError::NoCCompiler { .. })) => {
            return skip(&error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    // Takes longer to build than an agent waits for its controller.
    let target = Target {
        platform: platform.clone(),
        ..Target::here()
    };
    wxec_build::compiler(&target, &Quiet).unwrap();
    let agent = Agent::start(&[QEMU], &image.path);
    assert_eq!(
        (&agent.target.platform, agent.target.code),
        (&platform, Code::Baseline)
    );
    agent.works();
}

#[test]
fn an_aarch64_starter_unpacks_its_image() {
    const QEMU: &str = "qemu-aarch64-static";
    if !can_run(&[QEMU, "--version"]) {
        return;
    }
    let platform = Platform::new("aarch64", "linux");
    let built = wxec_build::agent(&platform, &Quiet)
        .and_then(|image| Ok((image, wxec_build::starter(&platform, &Quiet)?)));
    let (image, starter) = match built {
        Ok(built) => built,
        Err(error @ (BuildError::MissingStd { .. } | BuildError::NoCCompiler { .. })) => {
            return skip(&error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    let mut process = Command::new("timeout")
        .args(["--signal=KILL", PATIENCE_SECONDS, QEMU])
        .arg(&starter.path)
        .args(["TOKEN", "title", "", "", "", "name"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (sent, bytes, digest) = (image.compressed_bytes, image.bytes, image.digest);
    let described = format!("zstd {sent} {bytes} {digest} -\n").into_bytes();
    let packed = [described, fs::read(&image.compressed).unwrap()].concat();
    process.stdin.take().unwrap().write_all(&packed).unwrap();
    let mut said = String::new();
    process
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    // The digest was right; whether this machine can execute the agent is another matter.
    assert!(said.starts_with("WXEC1:TOKEN:start\n"), "{said}");
    process.wait().unwrap();
}

#[test]
fn an_agent_says_which_level_its_cpu_has() {
    const QEMU: &str = "qemu-x86_64-static";
    if cfg!(not(target_arch = "x86_64")) || !can_run(&[QEMU, "--version"]) {
        return;
    }
    for (cpu, code) in [
        ("qemu64", Code::Baseline),
        ("Nehalem", Code::V2),
        ("max", Code::V3),
    ] {
        let mut agent = Agent::start(&[QEMU, "-cpu", cpu], agent_here());
        assert_eq!(agent.target.code, code, "{cpu}");
        let better = Target {
            code: Code::V3,
            ..agent.target.clone()
        };
        match agent.call_compiled(&better, "divide", &[8, 2]) {
            Ok(output) => assert!(code == Code::V3 && output == [4], "{cpu}"),
            Err(Fault::BadModule(reason)) => assert!(
                code != Code::V3 && reason.contains("not available"),
                "{reason}"
            ),
            Err(fault) => panic!("{fault:?}"),
        }
        // No traps: qemu before version 8 misaligns the stacks of x86-64's signal handlers.
        assert_eq!(agent.call("divide", &[84, 2]), Ok(vec![42]), "{cpu}");
    }
}

/// Makes the kernel refuse to make memory executable, as hardened systems do.
const NO_NEW_CODE: &str =
    "syscall($^O eq 'linux' && `uname -m` =~ /x86_64/ ? 157 : 167, 65, 1, 0, 0, 0) == 0
    or die \"no PR_SET_MDWE: $!\\n\"; exec @ARGV or die;";

#[test]
fn bytecode_runs_where_code_cannot_be_mapped() {
    let wrapper = ["perl", "-e", NO_NEW_CODE];
    if !can_run(&[&wrapper[..], &["true"]].concat()) {
        return;
    }
    let agent = Agent::start(&wrapper, agent_here());
    assert_eq!(agent.target, target(Code::Pulley, Memory::Reserved));
    agent.works();
}

#[test]
fn memories_are_checked_where_address_space_is_limited() {
    for kib in [200_000, 1_000_000, 20_000_000] {
        let agent = Agent::start(
            &["sh", "-c", &format!("ulimit -v {kib}; exec \"$0\"")],
            agent_here(),
        );
        assert_eq!(agent.target.memory, Memory::Checked, "{kib} KiB");
        assert_ne!(agent.target.code, Code::Pulley, "{kib} KiB");
        agent.works();
    }
}

#[test]
fn nothing_runs_without_address_space_and_one_line_says_so() {
    for kib in [4_000, 8_000, 16_000, 24_000, 32_000] {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -v {kib}; exec \"$0\"")])
            .arg(agent_here());
        let agent = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = agent.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(1), 1),
            "{kib} KiB: {text}"
        );
        assert!(text.contains("no room for guests"), "{kib} KiB: {text}");
    }
}

#[test]
fn an_agent_needs_no_proc() {
    let wrapper = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        "mount -t tmpfs none /proc && exec \"$0\"",
    ];
    if !can_run(&[&wrapper[..], &["true"]].concat()) {
        return;
    }
    Agent::start(&wrapper, agent_here()).works();
}

/// A guest writes to processes that have closed their stdin.
#[test]
fn an_agent_without_proc_survives_a_pipe_that_nobody_reads() {
    let wrapper = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        "mount -t tmpfs none /proc && exec \"$0\" \"a title\"",
    ];
    if !can_run(&[&wrapper[..4], &["mount -t tmpfs none /proc"]].concat()) {
        return;
    }
    let agent = Agent::start(&wrapper, agent_here());
    // `timeout` has started it.
    let [agent] = *descendants(Pid::from_child(&agent.process)) else {
        panic!("one agent")
    };
    let status = fs::read_to_string(format!("/proc/{}/status", agent.as_raw_nonzero())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    let pipe = 1 << (Signal::PIPE.as_raw() - 1);
    assert_eq!(ignored & pipe, pipe, "{status}");
}
