use std::{sync::Arc, time::Duration};

use wxec_engine::{Completion, Program, Request, Sandbox, VerifiedArtifact};
use wxec_protocol::{Digest, Fault, LimitKind, Limits, Target, Terms};

use crate::{Recorder, compile_wat};

/// Tasks that ask for random numbers and the time, compute, and sleep.
const GUEST: &str = r#"(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "wx1_random") (result i32)
        (drop (call $random_get (i32.const 0) (i32.const 13)))
        (drop (call $random_get (i32.const 13) (i32.const 3)))
        (call $output_write (i32.const 0) (i32.const 16))
        (i32.const 0))
    (func (export "wx1_time") (result i32)
        (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 0)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 8)))
        (call $output_write (i32.const 0) (i32.const 16))
        (i32.const 0))
    (func (export "wx1_sleep") (result i32)
        ;; One subscription at 64: a relative timeout of the monotonic clock (1 at 80) of an hour (at 88).
        (i32.store (i32.const 80) (i32.const 1))
        (i64.store (i32.const 88) (i64.const 3600000000000))
        (drop (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 256)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0)))
        (call $output_write (i32.const 0) (i32.const 8))
        (i32.const 0))
    (func (export "wx1_wait") (result i32)
        ;; Until the clock shows a second more than it did at first.
        (local $end i64)
        (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0)))
        (local.set $end (i64.add (i64.load (i32.const 0)) (i64.const 1000000000)))
        (loop $more
            (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 0)))
            (br_if $more (i64.lt_u (i64.load (i32.const 0)) (local.get $end))))
        (i32.const 0))
    (func (export "wx1_count") (result i32)
        (local $i i32)
        (loop $more (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
        (i32.const 0))
    (func (export "wx1_spin") (result i32) (loop $forever (br $forever)) (i32.const 0))
    (func (export "wx1_nan") (result i32)
        ;; The bits of 0/0, of a sum with another NaN, and of a NaN's root, which CPUs choose differently.
        (f64.store (i32.const 0) (f64.div (f64.load (i32.const 64)) (f64.load (i32.const 64))))
        (i64.store (i32.const 72) (i64.const 0xfff4000000000123))
        (f64.store (i32.const 8) (f64.add (f64.load (i32.const 72)) (f64.const 1)))
        (f64.store (i32.const 16) (f64.sqrt (f64.load (i32.const 72))))
        (call $output_write (i32.const 0) (i32.const 24))
        (i32.const 0)))"#;

fn artifact(target: &Target) -> VerifiedArtifact {
    let artifact = compile_wat(GUEST, target);
    let digest = Digest::of(&artifact);
    VerifiedArtifact::verify(artifact, digest).unwrap()
}

/// Returns a sandbox with the guest in it, ready to count fuel.
fn metered() -> (Sandbox, Program) {
    let sandbox = Sandbox::new().unwrap();
    let program = sandbox
        .load_metered(&artifact(&sandbox.metered_target()))
        .unwrap();
    (sandbox, program)
}

async fn call(
    (sandbox, program): &(Sandbox, Program),
    function: &str,
    seed: u64,
    limits: Limits,
) -> Completion {
    let request = Request {
        terms: Terms {
            seed: Some(seed),
            limits,
            ..Terms::default()
        },
        ..Request::new(function, "")
    };
    sandbox
        .run(program, request, Arc::<Recorder>::default())
        .await
}

async fn output(sandbox: &(Sandbox, Program), function: &str, seed: u64) -> Vec<u8> {
    call(sandbox, function, seed, Limits::default())
        .await
        .outcome
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn the_same_seed_gives_the_same_numbers_times_and_fuel() {
    let (one, other) = (metered(), metered());
    for function in ["random", "time", "sleep", "wait", "count", "nan"] {
        let first = call(&one, function, 7, Limits::default()).await;
        let second = call(&other, function, 7, Limits::default()).await;
        assert!(first.outcome.is_ok(), "{function}: {first:?}");
        assert_eq!(first.outcome, second.outcome, "{function}");
        assert_eq!(first.usage.fuel, second.usage.fuel, "{function}");
    }
}

#[tokio::test]
async fn another_seed_gives_other_numbers() {
    let sandbox = metered();
    let seven = output(&sandbox, "random", 7).await;
    assert_ne!(seven, output(&sandbox, "random", 8).await);
    assert_ne!(seven[..13], [0; 13]);
    assert_eq!(
        output(&sandbox, "time", 7).await,
        output(&sandbox, "time", 8).await
    );
}

#[tokio::test]
async fn clocks_begin_in_2020_and_go_on_when_they_are_read() {
    let times = output(&metered(), "time", 1).await;
    let (wall, monotonic) = times.split_at(8);
    assert_eq!(
        wall,
        Duration::from_secs(1_577_836_800).as_nanos().to_le_bytes()[..8].to_vec()
    );
    assert_eq!(monotonic, 1_000_000_u64.to_le_bytes());
}

#[tokio::test]
async fn sleeping_takes_no_time_but_that_of_the_clock() {
    let limits = Limits {
        deadline_ms: Some(60_000),
        ..Limits::default()
    };
    let slept = call(&metered(), "sleep", 1, limits).await.outcome.unwrap();
    assert_eq!(
        *slept,
        Duration::from_secs(3600).as_nanos().to_le_bytes()[..8]
    );
}

#[tokio::test]
async fn every_nan_has_the_same_bits() {
    let nans = output(&metered(), "nan", 1).await;
    assert_eq!(nans, [0x7ff8_0000_0000_0000_u64.to_le_bytes(); 3].concat());
}

#[tokio::test]
async fn fuel_is_counted_and_its_end_is_a_limit() {
    let sandbox = metered();
    let used = call(&sandbox, "count", 1, Limits::default())
        .await
        .usage
        .fuel
        .unwrap();
    assert!(
        (5_000..10_000).contains(&used),
        "{used} units for a thousand rounds"
    );

    let with = |fuel| Limits {
        fuel: Some(fuel),
        ..Limits::default()
    };
    let enough = call(&sandbox, "count", 1, with(used)).await;
    assert!(enough.outcome.is_ok(), "{enough:?}");
    for (function, fuel) in [("count", used / 2), ("spin", 1_000_000), ("count", 0)] {
        let exhausted = call(&sandbox, function, 1, with(fuel)).await;
        let fault = Fault::Limit {
            which: LimitKind::Fuel,
            limit: fuel,
            asked: fuel + 1,
        };
        assert_eq!(
            (exhausted.outcome, exhausted.usage.fuel),
            (Err(fault), Some(fuel)),
            "{function}"
        );
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_counts_fuel() {
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let ended = call(&metered(), "spin", 1, limits).await;
    assert_eq!(ended.outcome, Err(Fault::Deadline { after_ms: 50 }));
    assert_eq!(
        ended.usage.fuel, None,
        "how much it had used by then is nowhere to be read"
    );
}

#[test]
fn neither_kind_of_artifact_is_taken_for_the_other() {
    let sandbox = Sandbox::new().unwrap();
    let (plain, metered) = (
        artifact(sandbox.target()),
        artifact(&sandbox.metered_target()),
    );
    assert!(matches!(sandbox.load(&metered), Err(Fault::BadModule(_))));
    assert!(matches!(
        sandbox.load_metered(&plain),
        Err(Fault::BadModule(_))
    ));
    assert!(
        sandbox
            .load(&plain)
            .is_ok_and(|program| !program.is_metered())
    );
    assert!(
        sandbox
            .load_metered(&metered)
            .is_ok_and(|program| program.is_metered())
    );
}

#[tokio::test]
async fn a_program_that_does_not_count_cannot_be_called_with_a_seed_or_fuel() {
    let sandbox = Sandbox::new().unwrap();
    let program = sandbox.load(&artifact(sandbox.target())).unwrap();
    let limits = Limits {
        fuel: Some(1),
        ..Limits::default()
    };
    let seed = Terms {
        seed: Some(1),
        ..Terms::default()
    };
    for terms in [seed, limits.into()] {
        let request = Request {
            terms,
            ..Request::new("count", "")
        };
        let completion = sandbox
            .run(&program, request, Arc::<Recorder>::default())
            .await;
        assert!(
            matches!(completion.outcome, Err(Fault::BadModule(_))),
            "{completion:?}"
        );
        assert_eq!(completion.usage.fuel, None);
    }
}

#[tokio::test]
async fn calls_of_both_kinds_run_side_by_side() {
    let sandbox = Sandbox::new().unwrap();
    let metered = sandbox
        .load_metered(&artifact(&sandbox.metered_target()))
        .unwrap();
    let plain = sandbox.load(&artifact(sandbox.target())).unwrap();
    let counted = sandbox.run(
        &metered,
        Request::new("count", ""),
        Arc::<Recorder>::default(),
    );
    let uncounted = sandbox.run(
        &plain,
        Request::new("count", ""),
        Arc::<Recorder>::default(),
    );
    let (counted, uncounted) = tokio::join!(counted, uncounted);
    assert!(
        counted.outcome.is_ok() && counted.usage.fuel.is_some(),
        "{counted:?}"
    );
    assert!(
        uncounted.outcome.is_ok() && uncounted.usage.fuel.is_none(),
        "{uncounted:?}"
    );
}
