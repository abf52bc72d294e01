use std::{
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use wxec_engine::{Completion, Sandbox};
use wxec_protocol::{Fault, LimitKind, Limits, abi::Panic, cbor};

use crate::{Fixture, Recorder};

const PAGE: u64 = 64 << 10;

/// Tasks that grow their memory by the number of pages at the start of their input, and give up in
/// different ways if refused. The rest of the input is the record of a panic.
const GROW: &str = r#"
    (func $refused (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 0) (call $input_len)))
        (i32.eq (memory.grow (i32.load (i32.const 0))) (i32.const -1)))
    (func (export "wx1_or_trap") (result i32) (if (call $refused) (then unreachable)) (i32.const 0))
    (func (export "wx1_or_exit") (result i32) (if (call $refused) (then (call $proc_exit (i32.const 2)))) (i32.const 0))
    (func (export "wx1_or_panic") (result i32)
        (if (call $refused) (then
            (call $panic (i32.const 4) (i32.sub (call $input_len) (i32.const 4)))
            unreachable))
        (i32.const 0))
    (func (export "wx1_or_take_less") (result i32)
        (if (call $refused) (then (drop (memory.grow (i32.const 1)))))
        unreachable)"#;

fn limited_to_pages(pages: u64) -> Fixture {
    Fixture::new(GROW).with_limits(Limits {
        memory_bytes: pages * PAGE,
        ..Limits::default()
    })
}

fn memory_limit(limit_pages: u64, asked_pages: u64) -> Result<Bytes, Fault> {
    Err(Fault::Limit {
        which: LimitKind::Memory,
        limit: limit_pages * PAGE,
        asked: asked_pages * PAGE,
    })
}

fn grow_by(pages: u32, panic_message: &str) -> Vec<u8> {
    let panic = Panic {
        message: panic_message.into(),
        file: None,
        line: 0,
        column: 0,
    };
    [&pages.to_le_bytes()[..], &cbor::encode(&panic).unwrap()].concat()
}

#[tokio::test]
async fn a_guest_that_gives_up_for_want_of_memory_hit_the_limit() {
    let fixture = limited_to_pages(16);
    assert!(fixture.call("or_trap", &grow_by(15, "")).await.is_ok());
    assert_eq!(
        fixture.call("or_trap", &grow_by(16, "")).await,
        memory_limit(16, 17)
    );
    assert_eq!(
        fixture.call("or_exit", &grow_by(40_000, "")).await,
        memory_limit(16, 40_001)
    );
    let input = grow_by(16, "memory allocation of 1048576 bytes failed");
    assert_eq!(fixture.call("or_panic", &input).await, memory_limit(16, 17));
}

#[tokio::test]
async fn a_guest_that_gives_up_for_another_reason_did_not() {
    let fixture = limited_to_pages(16);
    let input = grow_by(16, "index out of bounds");
    assert!(matches!(
        fixture.call("or_panic", &input).await,
        Err(Fault::Panic { .. })
    ));
    assert!(matches!(
        fixture.call("or_take_less", &input).await,
        Err(Fault::Trap { .. })
    ));
}

#[tokio::test]
async fn the_memory_a_module_starts_with_counts() {
    let fixture = Fixture::new("").with_limits(Limits {
        memory_bytes: PAGE - 1,
        ..Limits::default()
    });
    assert!(
        matches!(
            fixture.call("any", b"").await,
            Err(Fault::NoSuchFunction { .. })
        ),
        "checked first"
    );

    let fixture = limited_to_pages(0);
    assert_eq!(fixture.call("or_trap", b"").await, memory_limit(0, 1));
}

#[tokio::test]
async fn tables_are_limited_together() {
    let fixture = Fixture::new(
        r#"
        (table $a 10 funcref)
        (table $b 10 funcref)
        (func (export "wx1_grow") (result i32)
            (if (i32.eq (table.grow $a (ref.null func) (i32.const 60000)) (i32.const -1)) (then (return (i32.const 9))))
            (if (i32.eq (table.grow $b (ref.null func) (i32.const 60000)) (i32.const -1)) (then unreachable))
            (i32.const 0))"#,
    );
    let fault = Fault::Limit {
        which: LimitKind::Table,
        limit: 100_000,
        asked: 120_020,
    };
    assert_eq!(fixture.call("grow", b"").await, Err(fault));
}

#[tokio::test]
async fn deep_recursion_hits_the_stack_limit() {
    let fixture = Fixture::new(
        r#"
        (func $dig (param i64) (result i64) (i64.add (call $dig (i64.add (local.get 0) (i64.const 1))) (local.get 0)))
        (func (export "wx1_dig") (result i32) (i32.wrap_i64 (call $dig (i64.const 0))))
        (func (export "wx1_done") (result i32) (i32.const 0))"#,
    );
    let fault = Fault::Limit {
        which: LimitKind::Stack,
        limit: 1 << 20,
        asked: (1 << 20) + 1,
    };
    assert_eq!(fixture.call("dig", b"").await, Err(fault));
    assert!(fixture.call("done", b"").await.is_ok());
}

#[tokio::test]
async fn a_stack_in_memory_that_overflows_is_hinted_at() {
    let fixture = Fixture::new(
        r#"
        (func $dig (param $stack i32)
            (i32.store (local.get $stack) (i32.const 0))
            (call $dig (i32.sub (local.get $stack) (i32.const 256))))
        (func (export "wx1_dig") (result i32) (call $dig (i32.const 65532)) (i32.const 0))"#,
    );
    let Err(Fault::Trap { reason, frames }) = fixture.call("dig", b"").await else {
        panic!("a trap")
    };
    assert_eq!(
        reason,
        "out of bounds memory access, probably a stack overflow: many functions are active"
    );
    assert_eq!(frames.len(), 32);
}

#[tokio::test]
async fn output_and_error_bodies_are_limited() {
    let fixture = Fixture::new(
        r#"
        (func (export "wx1_output") (result i32)
            (call $output_write (i32.const 0) (i32.const 600))
            (call $output_write (i32.const 0) (i32.const 400))
            (if (call $input_len) (then (call $output_write (i32.const 0) (call $input_len))))
            (i32.const 0))
        (func (export "wx1_error") (result i32)
            (loop $more (call $error_write (i32.const 0) (i32.const 65536)) (br $more))
            (i32.const 1))"#,
    )
    .with_limits(Limits {
        output_bytes: 1000,
        ..Limits::default()
    });

    let hit = |limit, asked| {
        Err(Fault::Limit {
            which: LimitKind::Output,
            limit,
            asked,
        })
    };
    assert_eq!(fixture.call("output", b"").await.unwrap().len(), 1000);
    assert_eq!(fixture.call("output", b"1").await, hit(1000, 1001));
    assert_eq!(
        fixture.call("error", b"").await,
        hit(1 << 20, (1 << 20) + (64 << 10))
    );
}

/// Tasks that grow memory and sleep without end, or return as many pages as they are told.
const HOLD: &str = r#"
    (func (export "wx1_grow_and_sleep") (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 4)))
        (if (i32.eq (memory.grow (i32.load (i32.const 0))) (i32.const -1)) (then unreachable))
        (call $log (i32.const 3) (i32.const 0) (i32.const 0))
        ;; One subscription at 64: a relative timeout of the monotonic clock (1 at 80) of 2^62 ns (at 88).
        (i32.store (i32.const 80) (i32.const 1))
        (i64.store (i32.const 88) (i64.const 0x4000000000000000))
        (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 256)))
    (func (export "wx1_return") (result i32)
        (local $left i32)
        (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 4)))
        (local.set $left (i32.load (i32.const 0)))
        (loop $more
            (call $output_write (i32.const 0) (i32.const 65536))
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0))"#;

const MIB: u64 = 1 << 20;

fn budget_of_10_mib() -> Fixture {
    Fixture::on(Sandbox::new().unwrap().with_memory_budget(10 * MIB), HOLD)
}

/// Starts a guest and waits until it sleeps with so many pages more than it began with.
async fn sleeper(fixture: &Fixture, pages: u32) -> impl Future<Output = Completion> + use<> {
    let recorder = Arc::<Recorder>::default();
    let mut call =
        Box::pin(fixture.start("grow_and_sleep", &pages.to_le_bytes(), recorder.clone()));
    while recorder.0.lock().unwrap().is_empty() {
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    call
}

fn total_memory(asked: u64) -> Result<Bytes, Fault> {
    Err(Fault::Limit {
        which: LimitKind::TotalMemory,
        limit: 10 * MIB,
        asked,
    })
}

#[tokio::test]
async fn guests_share_what_their_host_has() {
    let fixture = budget_of_10_mib();
    let pages = |pages: u32| pages.to_le_bytes();
    let (one, other) = (sleeper(&fixture, 63).await, sleeper(&fixture, 63).await);
    // The guests have 8 MiB; the next one begins with a page.
    assert_eq!(
        fixture.call("grow_and_sleep", &pages(32)).await,
        total_memory(10 * MIB + PAGE)
    );
    drop(one);
    let fits = sleeper(&fixture, 95).await;
    // Not even the page that a module begins with is left.
    assert_eq!(
        fixture.call("return", &pages(1)).await,
        total_memory(10 * MIB + PAGE)
    );
    drop((other, fits));
}

#[tokio::test]
async fn memory_is_given_back_however_a_call_ends() {
    let mut fixture = Fixture::on(
        Sandbox::new().unwrap().with_memory_budget(10 * MIB),
        &format!("{GROW} {HOLD}"),
    );
    let nine = 9 * 16_u32;
    for _ in 0..3 {
        assert!(fixture.call("or_trap", &grow_by(nine, "")).await.is_ok());
        assert!(matches!(
            fixture.call("or_take_less", &grow_by(nine, "")).await,
            Err(Fault::Trap { .. })
        ));
        drop(sleeper(&fixture, nine).await);
        fixture.limits.deadline_ms = Some(20);
        let deadline = Err(Fault::Deadline { after_ms: 20 });
        assert_eq!(
            fixture.call("grow_and_sleep", &nine.to_le_bytes()).await,
            deadline
        );
        fixture.limits.deadline_ms = None;
        assert_eq!(
            fixture.call("or_exit", &grow_by(160, "")).await,
            total_memory(10 * MIB + PAGE)
        );
    }
}

#[tokio::test]
async fn what_guests_return_counts_until_it_has_been_sent() {
    let fixture = budget_of_10_mib();
    let pages = |pages: u32| pages.to_le_bytes();
    let kept = fixture.call("return", &pages(9 * 16)).await.unwrap();
    assert_eq!(kept.len() as u64, 9 * MIB);
    assert_eq!(
        fixture.call("return", &pages(16)).await,
        total_memory(10 * MIB + PAGE)
    );
    drop(kept);
    assert!(fixture.call("return", &pages(16)).await.is_ok());
}

#[tokio::test]
async fn guests_that_cannot_all_have_what_is_usual_wait_for_their_turn() {
    let fixture = budget_of_10_mib();
    let mut sleeping = Vec::new();
    for _ in 0..5 {
        sleeping.push(sleeper(&fixture, 0).await);
    }
    let mut waiting =
        Box::pin(fixture.start("return", &1_u32.to_le_bytes(), Arc::<Recorder>::default()));
    assert!(
        waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(sleeping);
    assert!(waiting.await.outcome.is_ok());
}
