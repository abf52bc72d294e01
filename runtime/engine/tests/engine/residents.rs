use std::{
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use wxec_engine::{Completion, Request, Resident, Sandbox};
use wxec_protocol::{Fault, LimitKind, Limits, LogLevel};

use crate::{Fixture, Recorder, Written};

/// Counts its calls in memory, and ends in several ways.
const COUNTER: &str = r#"
    (global $initialized (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $initialized (i32.add (global.get $initialized) (i32.const 16))))
    (func (export "wx1_count") (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 100) (call $input_len)))
        (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 1)))
        (i32.store8 (i32.const 9) (global.get $initialized))
        (call $output_write (i32.const 8) (i32.const 2))
        (call $output_write (i32.const 100) (call $input_len))
        (call $log (i32.const 3) (i32.const 100) (call $input_len))
        (i32.const 0))
    (func (export "wx1_fail") (result i32) (call $error_write (i32.const 8) (i32.const 1)) (i32.const 1))
    (func (export "wx1_trap") (result i32) unreachable)
    (func (export "wx1_spin") (result i32) (loop $forever (br $forever)) (i32.const 0))
    (func (export "wx1_grow") (result i32)
        (if (i32.eq (memory.grow (i32.const 10)) (i32.const -1)) (then unreachable)) (i32.const 0))"#;

struct Instance {
    fixture: Fixture,
    resident: Resident,
}

fn instance() -> Instance {
    let fixture = Fixture::new(COUNTER);
    let resident = fixture.sandbox.resident(&fixture.program).unwrap();
    Instance { fixture, resident }
}

impl Instance {
    fn start(
        &self,
        function: &str,
        input: &[u8],
        limits: Limits,
        output: Arc<Recorder>,
    ) -> impl Future<Output = Completion> + Send + use<> {
        let request = Request {
            terms: limits.into(),
            ..Request::new(function, Bytes::copy_from_slice(input))
        };
        self.fixture
            .sandbox
            .run_resident(&self.resident, request, output)
    }

    async fn call(&self, function: &str, input: &[u8]) -> Result<Bytes, Fault> {
        self.start(function, input, Limits::default(), Arc::default())
            .await
            .outcome
    }
}

fn gone(reason: &str) -> Result<Bytes, Fault> {
    Err(Fault::InstanceGone {
        reason: reason.into(),
    })
}

#[tokio::test]
async fn an_instance_keeps_its_memory_and_is_initialized_once() {
    let instance = instance();
    for calls in 1..=3 {
        assert_eq!(
            instance.call("count", b"in").await.unwrap(),
            &[calls, 16, b'i', b'n'][..]
        );
        assert_eq!(
            instance.call("fail", b"").await,
            Err(Fault::Task(vec![calls])),
            "an error is a way to return"
        );
    }
    let other = instance
        .fixture
        .sandbox
        .resident(&instance.fixture.program)
        .unwrap();
    let call = instance.fixture.sandbox.run_resident(
        &other,
        Request::new("count", ""),
        Arc::<Recorder>::default(),
    );
    assert_eq!(
        call.await.outcome.unwrap(),
        &[1, 16][..],
        "another instance counts for itself"
    );
}

#[tokio::test]
async fn each_call_of_an_instance_has_its_own_output_and_limits_on_it() {
    let instance = instance();
    let limits = Limits {
        stdio_bytes: 20,
        output_bytes: 5,
        ..Limits::default()
    };
    for text in ["one", "two"] {
        let recorder = Arc::<Recorder>::default();
        let completion = instance
            .start("count", text.as_bytes(), limits.clone(), recorder.clone())
            .await;
        assert!(completion.outcome.is_ok(), "{completion:?}");
        assert_eq!(
            *recorder.0.lock().unwrap(),
            [Written::Logged(LogLevel::Info, String::new(), text.into())]
        );
    }
    let long = instance
        .start("count", b"long", limits, Arc::default())
        .await;
    assert_eq!(
        long.outcome,
        Err(Fault::Limit {
            which: LimitKind::Output,
            limit: 5,
            asked: 6
        })
    );
    assert_eq!(
        instance.call("count", b"").await,
        gone("an earlier call hit its output limit of 5 bytes")
    );
}

#[tokio::test]
async fn an_instance_keeps_the_memory_limit_it_began_with() {
    let instance = instance();
    let limits = Limits {
        memory_bytes: 12 << 16,
        ..Limits::default()
    };
    assert!(
        instance
            .start("grow", b"", limits, Arc::default())
            .await
            .outcome
            .is_ok()
    );
    let fault = Fault::Limit {
        which: LimitKind::Memory,
        limit: 12 << 16,
        asked: 21 << 16,
    };
    assert_eq!(instance.call("grow", b"").await, Err(fault));
}

#[tokio::test]
async fn calls_of_an_instance_run_one_after_another() {
    let instance = instance();
    let limits = Limits {
        deadline_ms: Some(60_000),
        ..Limits::default()
    };
    let calls: Vec<_> = (0..100)
        .map(|_| tokio::spawn(instance.start("count", b"", limits.clone(), Arc::default())))
        .collect();
    let mut counts = Vec::new();
    for call in calls {
        counts.push(call.await.unwrap().outcome.unwrap()[0]);
    }
    assert_eq!(counts, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_trap_takes_the_instance_along() {
    let instance = instance();
    assert!(instance.call("count", b"").await.is_ok());
    assert!(
        matches!(
            instance.call("missing", b"").await,
            Err(Fault::NoSuchFunction { .. })
        ),
        "which harms nobody"
    );
    assert!(matches!(
        instance.call("trap", b"").await,
        Err(Fault::Trap { .. })
    ));
    for _ in 0..2 {
        let reason = "an earlier call trapped: wasm `unreachable` instruction executed";
        assert_eq!(instance.call("count", b"").await, gone(reason));
    }
}

#[tokio::test]
async fn a_call_that_is_ended_takes_the_instance_along_but_not_one_that_waits() {
    let ended = "an earlier call was ended before it returned";
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let deadline = Err(Fault::Deadline { after_ms: 50 });

    let first = instance();
    let call = first
        .start("spin", b"", limits.clone(), Arc::default())
        .await;
    assert_eq!(call.outcome, deadline);
    assert_eq!(first.call("count", b"").await, gone(ended));

    let second = instance();
    assert!(second.call("count", b"").await.is_ok());
    let mut spinning = Box::pin(second.start("spin", b"", Limits::default(), Arc::default()));
    assert!(
        spinning
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let waited = second.start("count", b"", limits, Arc::default()).await;
    assert_eq!(waited.outcome, deadline, "which counts while a call waits");
    drop(spinning);
    assert_eq!(second.call("count", b"").await, gone(ended));

    let third = instance();
    assert!(third.call("count", b"").await.is_ok());
    drop(third.start("spin", b"", Limits::default(), Arc::default()));
    assert!(third.call("count", b"").await.is_ok(), "it had not begun");
}

#[tokio::test]
async fn instances_are_bounded_and_leave_room_for_calls() {
    let fixture = Fixture::on(
        Sandbox::new().unwrap().with_memory_budget(12 << 20),
        COUNTER,
    );
    let residents: Vec<_> = (0..3)
        .map(|_| fixture.sandbox.resident(&fixture.program).unwrap())
        .collect();
    let Err(fault) = fixture.sandbox.resident(&fixture.program) else {
        panic!("three of six places are for calls")
    };
    assert_eq!(
        fault,
        Fault::Limit {
            which: LimitKind::Instances,
            limit: 3,
            asked: 4
        }
    );
    for resident in &residents {
        let call = fixture.sandbox.run_resident(
            resident,
            Request::new("count", ""),
            Arc::<Recorder>::default(),
        );
        assert!(call.await.outcome.is_ok());
    }
    assert!(fixture.call("count", b"").await.is_ok());
    drop(residents);
    assert!(fixture.sandbox.resident(&fixture.program).is_ok());
}

#[tokio::test]
async fn an_instance_counts_fuel_for_each_call() {
    let sandbox = Sandbox::new().unwrap();
    let wat = format!("(module {} {COUNTER})", crate::PRELUDE);
    let artifact = crate::compile_wat(&wat, &sandbox.metered_target());
    let digest = wxec_protocol::Digest::of(&artifact);
    let artifact = wxec_engine::VerifiedArtifact::verify(artifact, digest).unwrap();
    let resident = sandbox
        .resident(&sandbox.load_metered(&artifact).unwrap())
        .unwrap();
    let call = |function: &str, fuel| {
        let limits = Limits {
            fuel: Some(fuel),
            ..Limits::default()
        };
        let request = Request {
            terms: limits.into(),
            ..Request::new(function, "")
        };
        sandbox.run_resident(&resident, request, Arc::<Recorder>::default())
    };
    let first = call("count", 1000).await;
    let second = call("count", 1000).await;
    assert_eq!(second.outcome.as_deref(), Ok(&[2, 16][..]));
    let used = second.usage.fuel.unwrap();
    assert!(
        (1..first.usage.fuel.unwrap()).contains(&used),
        "the first call pays for the beginning: {first:?}"
    );
    let fault = Fault::Limit {
        which: LimitKind::Fuel,
        limit: 500,
        asked: 501,
    };
    assert_eq!(call("spin", 500).await.outcome, Err(fault));
}
