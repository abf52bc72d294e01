//! The engine from outside: hand-written guests, compiled and run.

/// Loading: digests, imports, exports, other targets.
mod artifacts;
/// A guest that makes the capability calls its input lists.
mod asking;
/// Input, output and status of a call, in a fresh instance.
mod calls;
/// Calls with a seed or a limit on fuel: the same each time.
mod determinism;
/// Ends of calls from outside: deadlines, dropping, many at once.
mod endings;
/// Failures of guests: traps, panics, exits, lies.
mod faults;
/// Calls about files: mode, owner, links, renames, and previews, which may do none of it.
mod file_calls;
/// Files, the clock and random numbers: guests reach what was granted, and nothing else.
mod files;
/// Facts of the host for guests, and tasks that guests call on other hosts.
mod hosts;
/// Kinds of code and memory: all give the same results, and none is taken for another.
mod kinds;
/// Limits on memory, tables, stack and output.
mod limits;
/// Listing directories: each entry once, whatever is done meanwhile.
mod listings;
/// Connections: grants, names, timeouts, data.
mod network;
/// Output and log records of guests.
mod output;
/// Processes: grants, environment, pipes, limits, and that none is left.
mod processes;
/// Programs: stdin, stdout, stderr, arguments, environment, exit codes.
mod programs;
/// Instances that stay between calls.
mod residents;
/// Proposals of WebAssembly: those that run, and those that are refused by name.
mod proposals;
/// Guests as lists of WASI calls.
mod script;
/// Streams that come with a call, in both directions.
mod task_streams;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::timeout;
use wxec_engine::{Completion, Output, Program, Request, Sandbox, VerifiedArtifact, compile};
use wxec_protocol::{Digest, Fault, Limits, LogLevel, LogRecord, OutputStream, Target};

/// Generous: only a hang takes so long. Shorter than the life of the processes that tests start,
/// which is a minute.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every import the tests' guests use, and their memory.
const PRELUDE: &str = r#"
    (import "wxec_v1" "input_len" (func $input_len (result i32)))
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "error_write" (func $error_write (param i32 i32)))
    (import "wxec_v1" "log_record" (func $log_record (param i32 i32 i32 i32 i32)))
    (import "wxec_v1" "panic" (func $panic (param i32 i32)))
    (import "wxec_v1" "cancelled" (func $cancelled (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (func $log (param i32 i32 i32)
        (call $log_record (local.get 0) (i32.const 0) (i32.const 0) (local.get 1) (local.get 2)))
    (memory (export "memory") 1)
"#;

/// A sandbox with one program in it.
struct Fixture {
    sandbox: Sandbox,
    program: Program,
    limits: Limits,
}

impl Fixture {
    /// Loads a module of the [`PRELUDE`] and `body`.
    fn new(body: &str) -> Self {
        Self::on(Sandbox::new().unwrap(), body)
    }

    fn on(sandbox: Sandbox, body: &str) -> Self {
        let program = load(&sandbox, &format!("(module {PRELUDE} {body})")).unwrap();
        Self {
            sandbox,
            program,
            limits: Limits::default(),
        }
    }

    fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    fn with_deadline_ms(self, deadline_ms: u64) -> Self {
        self.with_limits(Limits {
            deadline_ms: Some(deadline_ms),
            ..Limits::default()
        })
    }

    fn start(
        &self,
        function: &str,
        input: &[u8],
        output: Arc<dyn Output>,
    ) -> impl Future<Output = Completion> + Send + use<> {
        let request = Request {
            terms: self.limits.clone().into(),
            ..Request::new(function, Bytes::copy_from_slice(input))
        };
        self.sandbox.run(&self.program, request, output)
    }

    async fn call(&self, function: &str, input: &[u8]) -> Result<Bytes, Fault> {
        self.start(function, input, Arc::default() as Arc<Recorder>)
            .await
            .outcome
    }
}

/// Keeps the output and log records of guests.
#[derive(Default)]
struct Recorder(Mutex<Vec<Written>>);

#[derive(Debug, Clone, PartialEq)]
enum Written {
    Printed(OutputStream, Vec<u8>),
    Logged(LogLevel, String, String),
}

impl Recorder {
    /// Returns the output without the log records.
    fn printed(&self) -> Vec<(OutputStream, Vec<u8>)> {
        let written = self.0.lock().unwrap();
        let printed = written.iter().filter_map(|written| match written {
            Written::Printed(stream, bytes) => Some((*stream, bytes.clone())),
            Written::Logged(..) => None,
        });
        printed.collect()
    }
}

impl Output for Recorder {
    fn write(&self, stream: OutputStream, bytes: &[u8]) {
        self.0
            .lock()
            .unwrap()
            .push(Written::Printed(stream, bytes.to_vec()));
    }

    fn log(&self, record: LogRecord<'_>) {
        self.0.lock().unwrap().push(Written::Logged(
            record.level,
            record.target.into(),
            record.message.into(),
        ));
    }
}

/// Polls a call until `is_so` is true, and no further.
async fn runs_until(
    what: &str,
    call: &mut (impl Future<Output = Completion> + Unpin),
    is_so: impl Fn() -> bool,
) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        if let Ok(completion) = timeout(Duration::from_millis(1), &mut *call).await {
            panic!("{what}: the call is over: {completion:?}");
        }
    }
}

fn compile_wat(wat: &str, target: &Target) -> Bytes {
    compile(&wat::parse_str(wat).unwrap(), target)
        .unwrap()
        .into()
}

fn load(sandbox: &Sandbox, wat: &str) -> Result<Program, Fault> {
    let artifact = compile_wat(wat, sandbox.target());
    let digest = Digest::of(&artifact);
    sandbox.load(&VerifiedArtifact::verify(artifact, digest).unwrap())
}
