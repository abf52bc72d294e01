//! Programs: stdin, stdout, stderr, arguments, environment and exit codes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use wxec_engine::{Command, Entry, Program, Request, Sandbox};
use wxec_protocol::{Fault, Grants, Limits, Need, abi::Exit, cbor};

use crate::{Recorder, load};

/// What the program's ends of the pipes hold.
const PIPE_BYTES: usize = 4096;

const PRELUDE: &str = r#"
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $set_flags (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (memory (export "memory") 4)
    (func $write (param $fd i32) (param $from i32) (param $length i32) (result i32)
        (i32.store (i32.const 0) (local.get $from))
        (i32.store (i32.const 4) (local.get $length))
        (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
"#;

/// Copies stdin to stdout, all of it.
const CAT: &str = r#"
    (func (export "_start")
        (local $left i32) (local $at i32)
        loop $read
            (i32.store (i32.const 16) (i32.const 1024))
            (i32.store (i32.const 20) (i32.const 65536))
            (if (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
            (local.set $left (i32.load (i32.const 24)))
            (local.set $at (i32.const 1024))
            (if (i32.eqz (local.get $left)) (then return))
            loop $write
                (if (call $write (i32.const 1) (local.get $at) (local.get $left)) (then (call $proc_exit (i32.const 9))))
                (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
                (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
                (br_if $write (local.get $left))
            end
            (br $read)
        end)"#;

/// A program and the other ends of its pipes.
struct Running {
    stdin: DuplexStream,
    stdout: DuplexStream,
    stderr: DuplexStream,
    ended: tokio::task::JoinHandle<Result<Bytes, Fault>>,
}

impl Running {
    async fn exit(self) -> Result<Exit, Fault> {
        self.ended.await.unwrap().map(|exit| cbor::decode(&exit).unwrap())
    }
}

fn program(sandbox: &Sandbox, body: &str) -> Program {
    load(sandbox, &format!("(module {PRELUDE} {body})")).unwrap()
}

fn start(body: &str, request: Request) -> Running {
    let sandbox = Sandbox::new().unwrap();
    let program = program(&sandbox, body);
    let [(stdin, their_stdin), (stdout, their_stdout), (stderr, their_stderr)] =
        std::array::from_fn(|_| duplex(PIPE_BYTES));
    let command = Command {
        arguments: vec!["cat".into(), "-v".into()],
        environment: vec![("A".into(), "b".into())],
        stdin: Box::new(their_stdin),
        stdout: Box::new(their_stdout),
        stderr: Box::new(their_stderr),
    };
    let request = Request { entry: Entry::Program(command), ..request };
    let run = sandbox.run(&program, request, Arc::default() as Arc<Recorder>);
    let ended = tokio::spawn(async move { run.await.outcome });
    Running { stdin, stdout, stderr, ended }
}

fn usual() -> Request {
    Request::new("", "")
}

#[tokio::test]
async fn a_program_copies_more_than_its_pipes_hold() {
    let mut cat = start(CAT, usual());
    let text: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let (mut stdin, sent) = (cat.stdin, text.clone());
    let write = tokio::spawn(async move {
        stdin.write_all(&sent).await.unwrap();
        stdin.shutdown().await.unwrap();
        stdin
    });
    let mut copied = Vec::new();
    cat.stdout.read_to_end(&mut copied).await.unwrap();
    assert!(copied == text, "{} bytes of {}", copied.len(), text.len());
    cat.stdin = write.await.unwrap();
    assert_eq!(cat.exit().await, Ok(Exit { code: 0, needs: Vec::new() }));
}

#[tokio::test]
async fn a_program_that_nobody_reads_finds_its_pipe_broken_each_time() {
    // Waits for stdin, so that its stdout is closed when it writes. EPIPE is 64.
    let writes = r#"(func (export "_start")
        (i32.store (i32.const 16) (i32.const 1024))
        (i32.store (i32.const 20) (i32.const 1024))
        (if (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
        (call $proc_exit (i32.add
            (call $write (i32.const 1) (i32.const 1024) (i32.const 4))
            (call $write (i32.const 1) (i32.const 1024) (i32.const 4)))))"#;
    let Running { mut stdin, stdout, stderr, ended } = start(writes, usual());
    drop(stdout);
    stdin.write_all(b"text").await.unwrap();
    let running = Running { stdin, stdout: duplex(1).0, stderr, ended };
    assert_eq!(running.exit().await.unwrap().code, 64 + 64);
}

#[tokio::test]
async fn a_program_that_waits_for_its_stdin_ends_at_its_deadline() {
    let limits = Limits { deadline_ms: Some(50), ..Limits::default() };
    let cat = start(CAT, Request { limits, ..usual() });
    assert_eq!(cat.exit().await, Err(Fault::Deadline { after_ms: 50 }));
}

#[tokio::test]
async fn an_exit_code_is_a_value_and_a_trap_is_none() {
    let exit = r#"(func (export "_start")
        (drop (call $write (i32.const 2) (i32.const 1024) (i32.const 1)))
        (call $proc_exit (i32.const 42)))"#;
    let mut exits = start(exit, usual());
    let mut said = Vec::new();
    exits.stderr.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, [0]);
    assert_eq!(exits.exit().await, Ok(Exit { code: 42, needs: Vec::new() }));

    let traps = start(r#"(func (export "_start") unreachable)"#, usual());
    assert!(matches!(traps.exit().await, Err(Fault::Trap { .. })));
}

#[tokio::test]
async fn a_module_without_a_start_is_no_program() {
    let library = start(r#"(func (export "wx1_task") (result i32) (i32.const 0))"#, usual());
    assert_eq!(library.exit().await, Err(Fault::NoSuchFunction { function: "_start".into() }));
}

#[tokio::test]
async fn a_start_of_another_type_is_named_as_such() {
    for start_of_another_type in [
        r#"(func (export "_start") (param i32))"#,
        r#"(func (export "_start") (result i32) (i32.const 0))"#,
        r#"(global (export "_start") i32 (i32.const 0))"#,
    ] {
        let library = start(start_of_another_type, usual());
        let reason = "its export `_start` is not a function that takes nothing and returns nothing";
        assert_eq!(library.exit().await, Err(Fault::BadModule(reason.into())), "{start_of_another_type}");
    }
}

/// Prints what `$sizes` and `$get` give: numbers that count, and texts.
fn prints(sizes: &str, get: &str) -> String {
    format!(
        r#"(func (export "_start")
            (drop (call ${sizes} (i32.const 32) (i32.const 36)))
            (drop (call ${get} (i32.const 64) (i32.const 4096)))
            (drop (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 36)))))"#
    )
}

async fn printed(body: &str, request: Request) -> String {
    let mut running = start(body, request);
    let mut text = String::new();
    running.stdout.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_program_has_its_arguments_and_variables_and_those_it_is_granted() {
    assert_eq!(printed(&prints("args_sizes_get", "args_get"), usual()).await, "cat\0-v\0");

    let environment = prints("environ_sizes_get", "environ_get");
    assert_eq!(printed(&environment, usual()).await, "A=b\0");
    let grants = Grants::none().env("PATH").env("CERTAINLY_NOT_SET");
    let path = std::env::var("PATH").unwrap();
    assert_eq!(printed(&environment, Request { grants, ..usual() }).await, format!("A=b\0PATH={path}\0"));
}

#[tokio::test]
async fn a_program_that_was_refused_a_path_ends_as_it_likes() {
    // ENOTCAPABLE is 76.
    let refused = r#"
        (data (i32.const 2000) "etc/passwd")
        (func $refused
            (if (i32.ne (i32.const 76) (call $open (i32.const 3) (i32.const 1) (i32.const 2000) (i32.const 10)
                    (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 1024)))
                (then (call $proc_exit (i32.const 99)))))"#;
    let end = async |how: &str| {
        start(&format!("{refused} (func (export \"_start\") (call $refused) {how})"), usual()).exit().await
    };
    let needs = vec![Need::Read("/etc/passwd".into())];
    assert_eq!(end("").await, Ok(Exit { code: 0, needs: Vec::new() }));
    assert_eq!(end("(call $proc_exit (i32.const 0))").await, Ok(Exit { code: 0, needs: Vec::new() }));
    assert_eq!(end("(call $proc_exit (i32.const 3))").await, Ok(Exit { code: 3, needs: needs.clone() }));
    let writes = "(drop (call $write (i32.const 1) (i32.const 2000) (i32.const 10)))";
    assert_eq!(end(writes).await, Ok(Exit { code: 0, needs: Vec::new() }));
    let aborted = end("unreachable").await;
    assert!(matches!(&aborted, Err(Fault::Denied { needs: found, .. }) if *found == needs), "{aborted:?}");
}
