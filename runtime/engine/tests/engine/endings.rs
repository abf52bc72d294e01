use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use wxec_protocol::Fault;

use crate::{Fixture, PATIENCE, Recorder};

/// A loop without end, a sleep without end, and a task that is done at once.
const ENDLESS: &str = r#"
    (func (export "wx1_spin") (result i32) (loop $again (br $again)) (i32.const 0))
    (func (export "wx1_sleep") (result i32)
        ;; One subscription at 0, all zero: a relative timeout of the monotonic clock (1 at 16) of 2^62 ns (at 24).
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 0x4000000000000000))
        (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
    (func (export "wx1_done") (result i32) (i32.const 0))"#;

#[tokio::test]
async fn a_deadline_ends_a_guest_that_computes_and_one_that_sleeps() {
    let fixture = Fixture::new(ENDLESS).with_deadline_ms(100);
    for function in ["spin", "sleep"] {
        let started = Instant::now();
        assert_eq!(
            fixture.call(function, b"").await,
            Err(Fault::Deadline { after_ms: 100 }),
            "{function}"
        );
        assert!(
            (Duration::from_millis(100)..PATIENCE).contains(&started.elapsed()),
            "{function}"
        );
        assert!(
            fixture.call("done", b"").await.is_ok(),
            "the sandbox serves the next call"
        );
    }
}

#[tokio::test]
async fn a_deadline_ends_initialization_and_start_functions_too() {
    for endless in [
        r#"(func (export "_initialize") (loop (br 0)))"#,
        "(func $start (loop (br 0))) (start $start)",
    ] {
        let fixture = Fixture::new(&format!("{ENDLESS} {endless}")).with_deadline_ms(50);
        assert_eq!(
            fixture.call("done", b"").await,
            Err(Fault::Deadline { after_ms: 50 }),
            "{endless}"
        );
    }
}

#[tokio::test]
async fn polled_by_hand_a_quick_call_is_done_and_a_long_one_yields() {
    let fixture = Fixture::new(ENDLESS);
    let mut context = Context::from_waker(Waker::noop());

    // A tick may fall into any call, so one call alone need not be done at the first poll.
    let done = (0..100).any(|_| {
        let call = pin!(fixture.start("done", b"", Arc::<Recorder>::default()));
        call.poll(&mut context).is_ready()
    });
    assert!(done);
    for function in ["spin", "sleep"] {
        let mut endless = pin!(fixture.start(function, b"", Arc::<Recorder>::default()));
        for _ in 0..3 {
            assert!(
                endless.as_mut().poll(&mut context).is_pending(),
                "{function}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_begun_here_is_ended_by_dropping_it_elsewhere() {
    let fixture = Fixture::new(ENDLESS);
    for function in ["spin", "sleep"] {
        let mut call = Box::pin(fixture.start(function, b"", Arc::<Recorder>::default()));
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        let task = tokio::spawn(call);
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(fixture.call("done", b"").await.is_ok());
    }
}

#[tokio::test]
async fn computing_guests_share_one_thread() {
    let fixture = Fixture::new(ENDLESS).with_deadline_ms(200);
    let calls: Vec<_> = (0..8)
        .map(|_| fixture.start("spin", b"", Arc::<Recorder>::default()))
        .collect();
    let started = Instant::now();
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    for task in tasks {
        assert_eq!(
            task.await.unwrap().outcome,
            Err(Fault::Deadline { after_ms: 200 })
        );
    }
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test]
async fn calls_beyond_what_fits_at_once_wait_for_their_turn() {
    let fixture = Fixture::new(ENDLESS);
    let mut context = Context::from_waker(Waker::noop());
    let sleeping: Vec<_> = (0..wxec_engine::MAX_RUNNING)
        .map(|_| {
            let mut call = Box::pin(fixture.start("sleep", b"", Arc::<Recorder>::default()));
            assert!(call.as_mut().poll(&mut context).is_pending());
            call
        })
        .collect();
    let mut waiting = pin!(fixture.start("done", b"", Arc::<Recorder>::default()));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    drop(sleeping);
    assert!(waiting.await.outcome.is_ok());
}

#[tokio::test]
async fn usage_tells_the_time_a_call_took() {
    let fixture = Fixture::new(ENDLESS).with_deadline_ms(20);
    let completion = fixture.start("spin", b"", Arc::<Recorder>::default()).await;
    assert!(
        (20_000..30_000_000).contains(&completion.usage.wall_us),
        "{completion:?}"
    );
}

#[tokio::test]
async fn a_panic_of_the_host_ends_one_call() {
    struct Broken;
    impl wxec_engine::Output for Broken {
        fn write(&self, _: wxec_protocol::OutputStream, _: &[u8]) {
            panic!("no paper");
        }
        fn log(&self, _: wxec_protocol::LogRecord<'_>) {
            panic!("no paper");
        }
    }
    let fixture = Fixture::new(
        r#"(func (export "wx1_log") (result i32) (call $log (i32.const 1) (i32.const 0) (i32.const 1)) (i32.const 0))"#,
    );
    let completion = fixture.start("log", b"", Arc::new(Broken)).await;
    assert_eq!(
        completion.outcome,
        Err(Fault::Agent("panicked: no paper".into()))
    );
    assert!(fixture.call("log", b"").await.is_ok());
}
