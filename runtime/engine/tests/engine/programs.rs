//! Programs: stdin, stdout, stderr, arguments, environment and exit codes.

use std::sync::Arc;

use bytes::Bytes;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use wxec_engine::{Command, Entry, Program, Request, Sandbox};
use wxec_protocol::{Fault, Grants, Limits, Need, abi::Exit, cbor};

use crate::{Recorder, load};

/// Bytes that the program's ends of the pipes hold.
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
        self.ended
            .await
            .unwrap()
            .map(|exit| cbor::decode(&exit).unwrap())
    }
}

fn program(sandbox: &Sandbox, body: &str) -> Program {
    load(sandbox, &format!("(module {PRELUDE} {body})")).unwrap()
}

fn start(body: &str, request: Request) -> Running {
    let sandbox = Sandbox::new().unwrap();
    let program = program(&sandbox, body);
    let [
        (stdin, their_stdin),
        (stdout, their_stdout),
        (stderr, their_stderr),
    ] = std::array::from_fn(|_| duplex(PIPE_BYTES));
    let bytes = |text: &[u8]| ByteBuf::from(text);
    let command = Command {
        arguments: [&b"cat"[..], b"-v", b"\xff\xc3", b""]
            .map(ByteBuf::from)
            .into(),
        environment: [(&b"A"[..], &b"b"[..]), (b"\xfe", b"\xff=")]
            .map(|(name, value)| (bytes(name), bytes(value)))
            .into(),
        stdin: Box::new(their_stdin),
        stdout: Box::new(their_stdout),
        stderr: Box::new(their_stderr),
    };
    let request = Request {
        entry: Entry::Program(command),
        ..request
    };
    let run = sandbox.run(&program, request, Arc::default() as Arc<Recorder>);
    let ended = tokio::spawn(async move { run.await.outcome });
    Running {
        stdin,
        stdout,
        stderr,
        ended,
    }
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
    assert_eq!(
        cat.exit().await,
        Ok(Exit {
            code: 0,
            needs: Vec::new()
        })
    );
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
    let Running {
        mut stdin,
        stdout,
        stderr,
        ended,
    } = start(writes, usual());
    drop(stdout);
    stdin.write_all(b"text").await.unwrap();
    let running = Running {
        stdin,
        stdout: duplex(1).0,
        stderr,
        ended,
    };
    assert_eq!(running.exit().await.unwrap().code, 64 + 64);
}

#[tokio::test]
async fn a_program_that_waits_for_its_stdin_ends_at_its_deadline() {
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let cat = start(
        CAT,
        Request {
            terms: limits.into(),
            ..usual()
        },
    );
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
    assert_eq!(
        exits.exit().await,
        Ok(Exit {
            code: 42,
            needs: Vec::new()
        })
    );

    let traps = start(r#"(func (export "_start") unreachable)"#, usual());
    assert!(matches!(traps.exit().await, Err(Fault::Trap { .. })));
}

#[tokio::test]
async fn a_module_without_a_start_is_no_program() {
    let library = start(
        r#"(func (export "wx1_task") (result i32) (i32.const 0))"#,
        usual(),
    );
    assert_eq!(
        library.exit().await,
        Err(Fault::NoSuchFunction {
            function: "_start".into()
        })
    );
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
        assert_eq!(
            library.exit().await,
            Err(Fault::BadModule(reason.into())),
            "{start_of_another_type}"
        );
    }
}

/// Prints what `$sizes` and `$get` give: counts, and texts.
fn prints(sizes: &str, get: &str) -> String {
    format!(
        r#"(func (export "_start")
            (drop (call ${sizes} (i32.const 32) (i32.const 36)))
            (drop (call ${get} (i32.const 64) (i32.const 4096)))
            (drop (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 36)))))"#
    )
}

async fn printed(body: &str, request: Request) -> Vec<u8> {
    let mut running = start(body, request);
    let mut text = Vec::new();
    running.stdout.read_to_end(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_program_has_its_arguments_and_variables_and_those_it_is_granted() {
    assert_eq!(
        printed(&prints("args_sizes_get", "args_get"), usual()).await,
        b"cat\0-v\0\xff\xc3\0\0"
    );

    let environment = prints("environ_sizes_get", "environ_get");
    let given = b"A=b\0\xfe=\xff=\0";
    assert_eq!(printed(&environment, usual()).await, given);
    let grants = Grants::none().env("PATH").env("CERTAINLY_NOT_SET");
    let path = std::env::var("PATH").unwrap();
    let granted = format!("PATH={path}\0");
    assert_eq!(
        printed(
            &environment,
            Request {
                terms: grants.into(),
                ..usual()
            }
        )
        .await,
        [given, granted.as_bytes()].concat()
    );
}

#[tokio::test]
async fn a_program_finds_each_argument_where_it_is_said_to_be() {
    // The third one is two bytes and a NUL, the fourth nothing but a NUL.
    let body = r#"(func (export "_start")
        (if (call $args_sizes_get (i32.const 32) (i32.const 36)) (then (call $proc_exit (i32.const 90))))
        (if (i32.ne (i32.load (i32.const 32)) (i32.const 4)) (then (call $proc_exit (i32.const 91))))
        (if (call $args_get (i32.const 64) (i32.const 4096)) (then (call $proc_exit (i32.const 92))))
        (if (i32.ne (i32.load16_u (i32.load (i32.const 72))) (i32.const 0xc3ff)) (then (call $proc_exit (i32.const 93))))
        (if (i32.load8_u offset=2 (i32.load (i32.const 72))) (then (call $proc_exit (i32.const 94))))
        (if (i32.load8_u (i32.load (i32.const 76))) (then (call $proc_exit (i32.const 95)))))"#;
    assert_eq!(start(body, usual()).exit().await.unwrap().code, 0);
}

/// Subscriptions to a clock and to stdin, at 2048: `$timer` and `$stdin` put one there, each with a
/// name of its own. `$wait` waits for the first `count` of them, traps unless exactly one came, and
/// returns its name.
const POLLING: &str = r#"
    (func $at (param $place i32) (result i32) (i32.add (i32.const 2048) (i32.mul (local.get $place) (i32.const 48))))
    (func $timer (param $place i32) (param $name i64) (param $clock i32) (param $nanoseconds i64) (param $absolute i32)
        (local $at i32) (local.set $at (call $at (local.get $place)))
        (i64.store (local.get $at) (local.get $name))
        (i32.store8 offset=8 (local.get $at) (i32.const 0))
        (i32.store offset=16 (local.get $at) (local.get $clock))
        (i64.store offset=24 (local.get $at) (local.get $nanoseconds))
        (i64.store offset=32 (local.get $at) (i64.const 0))
        (i32.store16 offset=40 (local.get $at) (local.get $absolute)))
    (func $stdin (param $place i32) (param $name i64)
        (local $at i32) (local.set $at (call $at (local.get $place)))
        (i64.store (local.get $at) (local.get $name))
        (i32.store8 offset=8 (local.get $at) (i32.const 1))
        (i32.store offset=16 (local.get $at) (i32.const 0)))
    (func $now (param $clock i32) (result i64)
        (if (call $clock (local.get $clock) (i64.const 1) (i32.const 1024)) (then unreachable))
        (i64.load (i32.const 1024)))
    (func $wait (param $count i32) (result i32)
        (if (call $poll (i32.const 2048) (i32.const 4096) (local.get $count) (i32.const 1024)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 1024)) (i32.const 1)) (then unreachable))
        (if (i32.load16_u (i32.const 4104)) (then unreachable))
        (i32.wrap_i64 (i64.load (i32.const 4096))))
    (func $read (result i32)
        (i32.store (i32.const 16) (i32.const 1032))
        (i32.store (i32.const 20) (i32.const 8))
        (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
"#;

fn polls(body: &str) -> String {
    format!(r#"{POLLING} (func (export "_start") {body})"#)
}

#[tokio::test]
async fn a_timer_fires_while_stdin_is_idle_and_stdin_wakes_before_a_timer() {
    let body = r#"
        (call $stdin (i32.const 0) (i64.const 1))
        (call $timer (i32.const 1) (i64.const 2) (i32.const 1) (i64.const 1000000) (i32.const 0))
        (if (i32.ne (call $wait (i32.const 2)) (i32.const 2)) (then unreachable))
        ;; Says so, and waits for what is written to it only then.
        (drop (call $write (i32.const 1) (i32.const 8000) (i32.const 1)))
        (call $timer (i32.const 1) (i64.const 2) (i32.const 1) (i64.const 3600000000000) (i32.const 0))
        (if (i32.ne (call $wait (i32.const 2)) (i32.const 1)) (then unreachable))
        (if (call $read) (then unreachable))
        (call $proc_exit (i32.load8_u (i32.const 1032)))"#;
    let mut waits = start(&polls(body), usual());
    assert_eq!(waits.stdout.read_u8().await.unwrap(), 0);
    waits.stdin.write_all(b"!").await.unwrap();
    assert_eq!(waits.exit().await.unwrap().code, i32::from(b'!'));
}

#[tokio::test]
async fn the_first_of_several_timers_fires_by_whichever_clock() {
    for (clock, absolute) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let from = if absolute == 1 {
            format!("(call $now (i32.const {clock}))")
        } else {
            "(i64.const 0)".into()
        };
        let timer = |place, after_ns: u64| {
            format!(
                "(call $timer (i32.const {place}) (i64.const {place}) (i32.const {clock}) \
                 (i64.add {from} (i64.const {after_ns})) (i32.const {absolute}))"
            )
        };
        let hour = 3_600_000_000_000;
        let timers = [timer(0, hour), timer(1, 1_000_000), timer(2, 2 * hour)].concat();
        let body = format!(
            "(call $stdin (i32.const 3) (i64.const 3)) {timers} (call $proc_exit (call $wait (i32.const 4)))"
        );
        let waits = start(&polls(&body), usual());
        assert_eq!(
            waits.exit().await.unwrap().code,
            1,
            "clock {clock}, absolute {absolute}"
        );
    }
}

#[tokio::test]
async fn a_program_that_polls_an_idle_stdin_ends_at_its_deadline() {
    let body = r#"
        (call $stdin (i32.const 0) (i64.const 1))
        (call $timer (i32.const 1) (i64.const 2) (i32.const 1) (i64.const 3600000000000) (i32.const 0))
        (drop (call $wait (i32.const 2)))"#;
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let waits = start(
        &polls(body),
        Request {
            terms: limits.into(),
            ..usual()
        },
    );
    assert_eq!(waits.exit().await, Err(Fault::Deadline { after_ms: 50 }));
}

/// Go's programs read stdin beside other work in this way.
#[tokio::test]
async fn a_stdin_that_must_not_block_says_when_there_is_nothing() {
    let body = r#"
        (if (call $set_flags (i32.const 0) (i32.const 4)) (then (call $proc_exit (i32.const 90))))
        (if (call $fdstat_get (i32.const 0) (i32.const 1040)) (then (call $proc_exit (i32.const 91))))
        (if (i32.ne (i32.load16_u (i32.const 1042)) (i32.const 4)) (then (call $proc_exit (i32.const 92))))
        ;; There is nothing, now and later.
        (if (i32.ne (call $read) (i32.const 6)) (then (call $proc_exit (i32.const 93))))
        (call $stdin (i32.const 0) (i64.const 1))
        (call $timer (i32.const 1) (i64.const 2) (i32.const 1) (i64.const 1000000) (i32.const 0))
        (if (i32.ne (call $wait (i32.const 2)) (i32.const 2)) (then (call $proc_exit (i32.const 94))))
        (if (i32.ne (call $read) (i32.const 6)) (then (call $proc_exit (i32.const 95))))
        (drop (call $write (i32.const 1) (i32.const 8000) (i32.const 1)))
        ;; Then there is a byte, and nothing behind it.
        (if (i32.ne (call $wait (i32.const 1)) (i32.const 1)) (then (call $proc_exit (i32.const 96))))
        (if (call $read) (then (call $proc_exit (i32.const 97))))
        (if (i32.ne (call $read) (i32.const 6)) (then (call $proc_exit (i32.const 98))))
        (drop (call $write (i32.const 1) (i32.const 8000) (i32.const 1)))
        ;; Then it ends.
        (if (i32.ne (call $wait (i32.const 1)) (i32.const 1)) (then (call $proc_exit (i32.const 99))))
        (if (call $read) (then (call $proc_exit (i32.const 100))))
        (if (i32.load (i32.const 24)) (then (call $proc_exit (i32.const 101))))
        ;; One that may block again does.
        (if (call $set_flags (i32.const 0) (i32.const 0)) (then (call $proc_exit (i32.const 102))))
        (if (call $fdstat_get (i32.const 0) (i32.const 1040)) (then (call $proc_exit (i32.const 103))))
        (if (i32.load16_u (i32.const 1042)) (then (call $proc_exit (i32.const 104))))"#;
    let mut reads = start(&polls(body), usual());
    assert_eq!(reads.stdout.read_u8().await.unwrap_or(99), 0);
    reads.stdin.write_all(b"!").await.unwrap();
    assert_eq!(reads.stdout.read_u8().await.unwrap_or(99), 0);
    reads.stdin.shutdown().await.unwrap();
    assert_eq!(reads.exit().await.unwrap().code, 0);
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
        start(
            &format!("{refused} (func (export \"_start\") (call $refused) {how})"),
            usual(),
        )
        .exit()
        .await
    };
    let needs = vec![Need::Read("/etc/passwd".into())];
    assert_eq!(
        end("").await,
        Ok(Exit {
            code: 0,
            needs: Vec::new()
        })
    );
    assert_eq!(
        end("(call $proc_exit (i32.const 0))").await,
        Ok(Exit {
            code: 0,
            needs: Vec::new()
        })
    );
    assert_eq!(
        end("(call $proc_exit (i32.const 3))").await,
        Ok(Exit {
            code: 3,
            needs: needs.clone()
        })
    );
    let writes = "(drop (call $write (i32.const 1) (i32.const 2000) (i32.const 10)))";
    assert_eq!(
        end(writes).await,
        Ok(Exit {
            code: 0,
            needs: Vec::new()
        })
    );
    let aborted = end("unreachable").await;
    assert!(
        matches!(&aborted, Err(Fault::Denied { needs: found, .. }) if *found == needs),
        "{aborted:?}"
    );
}

#[tokio::test]
async fn a_program_gets_as_many_random_bytes_as_it_has_room_for() {
    let memory = 40 << 20;
    // The last bytes asked for are random, those beyond are untouched, and asking beyond memory is
    // EFAULT (21).
    let body = format!(
        r#"(drop (memory.grow (i32.const {pages})))
        (if (call $random (i32.const 65536) (i32.const {length})) (then (call $proc_exit (i32.const 90))))
        (if (i64.eqz (i64.load (i32.const {last}))) (then (call $proc_exit (i32.const 91))))
        (if (i64.ne (i64.load (i32.const {beyond})) (i64.const 0)) (then (call $proc_exit (i32.const 92))))
        (call $proc_exit (call $random (i32.const 65536) (i32.const {memory})))"#,
        pages = (memory >> 16) - 4,
        length = memory - 65536 - 8,
        last = memory - 16,
        beyond = memory - 8,
    );
    let asks = start(&format!(r#"(func (export "_start") {body})"#), usual());
    assert_eq!(asks.exit().await.unwrap().code, 21);
}

#[tokio::test]
async fn random_bytes_can_be_too_many_for_a_deadline() {
    // All in one host call, which no tick interrupts.
    let body = r#"(func (export "_start")
        (drop (memory.grow (i32.const 1600)))
        (drop (call $random (i32.const 0) (i32.const 104857600))))"#;
    let limits = Limits {
        deadline_ms: Some(1),
        ..Limits::default()
    };
    let asks = start(
        body,
        Request {
            terms: limits.into(),
            ..usual()
        },
    );
    assert_eq!(asks.exit().await, Err(Fault::Deadline { after_ms: 1 }));
}
