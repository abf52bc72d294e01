use std::{process::Command, sync::Arc};

use wxec_engine::{CompileError, Sandbox, VerifiedArtifact, compile};
use wxec_protocol::{Code, Digest, Fault, LimitKind, Limits, Memory, Platform, Target};

use crate::{Fixture, PRELUDE, Recorder};

/// Bytes of a page of a guest's memory.
const PAGE: u64 = 64 << 10;

/// Returns every kind of artifact this machine can run.
fn kinds() -> Vec<(Code, Memory)> {
    let mut kinds = vec![
        (Code::Pulley, Memory::Reserved),
        (Code::Pulley, Memory::Checked),
    ];
    for &code in levels() {
        kinds.extend([(code, Memory::Reserved), (code, Memory::Checked)]);
    }
    kinds
}

/// Returns the levels of machine code this CPU has.
fn levels() -> &'static [Code] {
    let levels = &[Code::Baseline, Code::V2, Code::V3];
    let best = Sandbox::new().unwrap().target().code;
    let known = levels
        .iter()
        .position(|level| *level == best)
        .expect("tests run where code can be mapped");
    &levels[..=known]
}

fn fixtures(body: &str) -> impl Iterator<Item = (Fixture, String)> {
    kinds().into_iter().map(move |(code, memory)| {
        let fixture = Fixture::on(Sandbox::with(code, memory).unwrap(), body);
        let kind = fixture.sandbox.target().to_string();
        (fixture, kind)
    })
}

#[tokio::test]
async fn every_kind_computes_the_same() {
    // Multiplies two vectors, rounds, rotates and counts bits: levels differ in these instructions.
    let body = r#"
        (func (export "wx1_sum") (result i32)
            (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 32)))
            (v128.store (i32.const 64)
                (f64x2.floor (f64x2.add (f64x2.mul (v128.load (i32.const 0)) (v128.load (i32.const 16)))
                                        (v128.load (i32.const 0)))))
            (i64.store (i32.const 80) (i64.popcnt (i64.load (i32.const 0))))
            (i64.store (i32.const 88) (i64.shl (i64.clz (i64.load (i32.const 8))) (i64.load (i32.const 80))))
            (call $output_write (i32.const 64) (i32.const 32))
            (i32.const 0))"#;
    let input: Vec<u8> = [1.5_f64, -2.25, 4.75, 1e9]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let mut outputs = Vec::new();
    for (fixture, kind) in fixtures(body) {
        outputs.push((fixture.call("sum", &input).await.unwrap(), kind));
    }
    let (first, _) = outputs[0].clone();
    assert_eq!(
        first[..16],
        [8.0_f64, -2_250_000_003.0].map(f64::to_le_bytes).concat()
    );
    for (output, kind) in outputs {
        assert_eq!(output, first, "{kind}");
    }
}

#[tokio::test]
async fn every_kind_traps() {
    let body = r#"
        (func $quotient (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
        (func $divide (export "wx1_divide") (result i32) (call $quotient (call $input_len)))
        (func $unreachable (export "wx1_unreachable") (result i32) unreachable)
        (func $last (export "wx1_last") (result i32) (i32.store (i32.const 65532) (i32.const -1)) (i32.const 0))
        (func $astride (export "wx1_astride") (result i32) (i32.store (i32.const 65533) (i32.const -1)) (i32.const 0))
        (func $far (export "wx1_far") (result i32) (i32.load (i32.const -4)))
        (func $farther (export "wx1_farther") (result i32) (i32.load offset=0xffffffff (i32.const -1)))
        (func $vector (export "wx1_vector") (result i32) (i32x4.extract_lane 0 (v128.load (i32.const 65524))))
        (func $fill (export "wx1_fill") (result i32)
            (memory.fill (i32.const 65500) (i32.const 0) (i32.const 100)) (i32.const 0))
        (func $lie (export "wx1_lie") (result i32) (call $output_write (i32.const 65535) (i32.const 2)) (i32.const 0))"#;
    let traps = [
        ("divide", "integer divide by zero"),
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("astride", "out of bounds memory access"),
        ("far", "out of bounds memory access"),
        ("farther", "out of bounds memory access"),
        ("vector", "out of bounds memory access"),
        ("fill", "out of bounds memory access"),
        (
            "lie",
            "a host call was given 2 bytes at 0xffff, beyond the end of memory",
        ),
    ];
    for (fixture, kind) in fixtures(body) {
        for (function, expected) in traps {
            let fault = fixture.call(function, b"").await.unwrap_err();
            let Fault::Trap { reason, frames } = fault else {
                panic!("{kind}: {fault:?}")
            };
            assert_eq!(reason, expected, "{kind}");
            let outermost = frames.last().unwrap();
            assert_eq!(
                (&*outermost.function, outermost.offset.is_some()),
                (function, true),
                "{kind}: {frames:?}"
            );
        }
        assert!(fixture.call("last", b"").await.is_ok(), "{kind}");
    }
}

#[tokio::test]
async fn every_kind_keeps_limits() {
    let body = r#"
        (func $dig (param i64) (result i64) (i64.add (call $dig (i64.add (local.get 0) (i64.const 1))) (local.get 0)))
        (func (export "wx1_dig") (result i32) (i32.wrap_i64 (call $dig (i64.const 0))))
        (func (export "wx1_spin") (result i32) (loop $again (br $again)) (i32.const 0))
        (func (export "wx1_grow") (result i32)
            (loop $more
                (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                (br $more))
            (i32.const 0))"#;
    for (fixture, kind) in fixtures(body) {
        let fixture = fixture.with_limits(Limits {
            memory_bytes: 9 * PAGE,
            ..Limits::default()
        });
        let fault = Fault::Limit {
            which: LimitKind::Memory,
            limit: 9 * PAGE,
            asked: 10 * PAGE,
        };
        assert_eq!(fixture.call("grow", b"").await, Err(fault), "{kind}");
        let fault = Fault::Limit {
            which: LimitKind::Stack,
            limit: 1 << 20,
            asked: (1 << 20) + 1,
        };
        assert_eq!(fixture.call("dig", b"").await, Err(fault), "{kind}");
        let fixture = fixture.with_deadline_ms(50);
        assert_eq!(
            fixture.call("spin", b"").await,
            Err(Fault::Deadline { after_ms: 50 }),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_memory_that_grows_keeps_what_is_in_it() {
    // Writes the number of each page as it comes, and sums them at the end; grows so far that
    // checked memories move.
    let body = r#"
        (func (export "wx1_sum") (result i32)
            (local $page i32) (local $sum i32)
            (loop $more
                (local.set $page (memory.grow (i32.const 1)))
                (i32.store (i32.mul (local.get $page) (i32.const 65536)) (local.get $page))
                (br_if $more (i32.lt_u (local.get $page) (i32.const 800))))
            (loop $more
                (local.set $sum (i32.add (local.get $sum) (i32.load (i32.mul (local.get $page) (i32.const 65536)))))
                (local.set $page (i32.sub (local.get $page) (i32.const 1)))
                (br_if $more (local.get $page)))
            (i32.store (i32.const 0) (local.get $sum))
            (call $output_write (i32.const 0) (i32.const 4))
            (i32.const 0))"#;
    for (fixture, kind) in fixtures(body) {
        let sum = fixture.call("sum", b"").await.unwrap();
        assert_eq!(*sum, 320_400_u32.to_le_bytes(), "{kind}");
    }
}

#[tokio::test]
async fn a_guest_sees_nothing_of_the_one_before_it() {
    let body = r#"
        (func (export "wx1_mark") (result i32)
            (call $output_write (i32.const 60000) (i32.const 1))
            (i32.store8 (i32.const 60000) (i32.const 7))
            (i32.const 0))"#;
    for (fixture, kind) in fixtures(body) {
        for _ in 0..3 {
            assert_eq!(fixture.call("mark", b"").await.unwrap(), &[0][..], "{kind}");
        }
    }
}

#[test]
fn an_artifact_of_another_kind_is_refused() {
    let wasm = wat::parse_str(
        r#"(module (memory 1) (func (export "wx1_f") (result i32) (i32.load (i32.const 0))))"#,
    );
    let wasm = wasm.unwrap();
    let sandboxes: Vec<_> = kinds()
        .into_iter()
        .map(|(code, memory)| Sandbox::with(code, memory).unwrap())
        .collect();
    for compiled in &sandboxes {
        let artifact = compile(&wasm, compiled.target()).unwrap();
        let artifact =
            VerifiedArtifact::verify(artifact.clone().into(), Digest::of(&artifact)).unwrap();
        for sandbox in &sandboxes {
            let (theirs, ours) = (compiled.target(), sandbox.target());
            // Levels of machine code belong to the CPU, not to the sandbox.
            let same_kind = (theirs.code == Code::Pulley) == (ours.code == Code::Pulley);
            let fits = same_kind && theirs.memory == ours.memory;
            match sandbox.load(&artifact) {
                Ok(_) => assert!(fits, "{theirs} in {ours}"),
                Err(Fault::BadModule(reason)) => assert!(!fits, "{theirs} in {ours}: {reason}"),
                Err(fault) => panic!("{theirs} in {ours}: {fault:?}"),
            }
        }
    }
}

#[test]
fn levels_differ_in_their_code() {
    let body = r#"(func (export "wx1_add") (result i32) (i64.store (i32.const 0) (i64.popcnt (i64.load (i32.const 8))))
        (v128.store (i32.const 16) (f64x2.add (v128.load (i32.const 16)) (v128.load (i32.const 32)))) (i32.const 0))"#;
    let wasm = wat::parse_str(format!("(module {PRELUDE} {body})")).unwrap();
    let codes = [Code::Baseline, Code::V2, Code::V3, Code::Pulley];
    let platform = Platform::new("x86_64", "linux");
    let artifact = |code| {
        compile(
            &wasm,
            &Target {
                platform: platform.clone(),
                code,
                memory: Memory::Reserved,
                metered: false,
            },
        )
        .unwrap()
    };
    let text = |code| contains_vex_add(&artifact(code));
    assert_eq!(codes.map(text), [false, false, true, false]);
    let digests: std::collections::HashSet<_> =
        codes.map(|code| Digest::of(&artifact(code))).into();
    assert_eq!(digests.len(), codes.len());
}

/// Returns true if there is a `vaddpd` of 128 bits, the first instruction of AVX that such a sum
/// would use.
fn contains_vex_add(artifact: &[u8]) -> bool {
    artifact
        .windows(3)
        .any(|bytes| bytes[0] == 0xc5 && bytes[1] & 0x07 == 0x01 && bytes[2] == 0x58)
}

#[test]
fn a_level_that_the_architecture_has_not_is_refused() {
    let target: Target = "aarch64-linux-v3".parse().unwrap();
    let error = compile(&wat::parse_str("(module)").unwrap(), &target).unwrap_err();
    assert!(matches!(error, CompileError::Target { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("cannot compile for aarch64-linux-v3: "),
        "{error}"
    );
}

#[test]
fn a_sandbox_here_needs_no_excuses() {
    passes_alone("kinds::with_no_other_sandbox");
}

#[test]
#[ignore = "needs address space that the sandboxes of other tests may have: run by another test"]
fn with_no_other_sandbox() {
    let sandbox = Sandbox::new().unwrap();
    assert_eq!(sandbox.notes(), [""; 0]);
    assert_eq!(sandbox.target().memory, Memory::Reserved);
    assert_ne!(sandbox.target().code, Code::Pulley);
}

/// Runs a test of this program in a process of its own.
#[track_caller]
pub(crate) fn passes_alone(test: &str) {
    passes_below("unlimited", test);
}

/// Runs a test like `passes_alone`, in a process that may have so many KiB of address space.
#[track_caller]
fn passes_within(kib: u64, test: &str) {
    passes_below(&kib.to_string(), test);
}

#[track_caller]
fn passes_below(limit: &str, test: &str) {
    let script = format!("ulimit -v {limit} && exec \"$0\" --include-ignored --exact \"$1\"");
    let this = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(this)
        .arg(test)
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{output:?}"
    );
}

#[test]
fn a_smaller_pool_is_taken_where_the_best_does_not_fit() {
    passes_within(600 << 20, "kinds::with_address_space_for_a_hundred");
    passes_within(600 << 20, "calls::input_comes_back_as_output");
}

#[test]
#[ignore = "needs an address space of 600 GiB: run by another test"]
fn with_address_space_for_a_hundred() {
    let sandbox = Sandbox::new().unwrap();
    assert_eq!(sandbox.target().memory, Memory::Reserved);
    assert_eq!(
        sandbox.notes(),
        ["address space is short: at most 100 guests run at once"]
    );
}

#[test]
fn memories_are_checked_where_no_pool_fits() {
    passes_within(16 << 20, "calls::input_comes_back_as_output");
    passes_within(1 << 20, "kinds::with_address_space_for_few");
}

#[tokio::test]
#[ignore = "needs an address space of 1 GiB: run by another test"]
async fn with_address_space_for_few() {
    let fixture = Fixture::new(
        r#"
        (func (export "wx1_sleep") (result i32)
            ;; One subscription at 0, all zero: a relative timeout of the monotonic clock (1 at 16) of 2^24 ns (at 24).
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 0x1000000))
            (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"#,
    );
    let note = "address space is limited to 1024 MiB: memories are checked, and at most 64 guests run at once";
    assert_eq!(
        (fixture.sandbox.target().memory, fixture.sandbox.notes()),
        (Memory::Checked, &[note.into()][..])
    );
    let calls: Vec<_> = (0..200)
        .map(|_| tokio::spawn(fixture.start("sleep", b"", Arc::<Recorder>::default())))
        .collect();
    for call in calls {
        assert!(
            call.await.unwrap().outcome.is_ok(),
            "calls wait for their turn"
        );
    }
}
