//! The agent's event loop over an in-memory pipe, with real guests, but without processes, shells
//! or ssh.

mod pipe;

use std::{collections::HashMap, time::Duration};

use tokio::io::AsyncWriteExt;
use wxec_agent::ServeError;
use wxec_engine::compile;
use wxec_protocol::{
    CallId, CallRequest, ControllerEvent, Digest, Entry, Fault, InstanceId, LimitKind, Limits,
    LogLevel, LogRecord, OUTPUT_WINDOW_BYTES, Target, output_cost,
};

use crate::pipe::{Agent, Peer, ended};

const GUEST: &str = r#"(module
    (import "wxec_v1" "input_len" (func $input_len (result i32)))
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "log" (func $log (param i32 i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "line")
    (func (export "wx1_echo") (result i32)
        (local $length i32)
        (local.set $length (call $input_read (i32.const 0) (i32.const 1024) (call $input_len)))
        (call $output_write (i32.const 1024) (local.get $length))
        (i32.const 0))
    (func (export "wx1_count") (result i32)
        (i32.store8 (i32.const 512) (i32.add (i32.load8_u (i32.const 512)) (i32.const 1)))
        (call $output_write (i32.const 512) (i32.const 1))
        (i32.const 0))
    (func (export "wx1_trap") (result i32) unreachable)
    (func (export "wx1_spin") (result i32) (loop $forever (br $forever)) (i32.const 0))
    (func (export "wx1_chatter") (result i32)
        (loop $forever (call $log (i32.const 3) (i32.const 0) (i32.const 4)) (br $forever))
        (i32.const 0)))"#;

/// A controller that has one module.
struct Controller {
    peer: Peer,
    artifact: Vec<u8>,
    /// The same artifact for calls that count fuel.
    metered: Vec<u8>,
    asked: usize,
    /// For each log record its call, its level, and its share of the limit.
    logged: Vec<(CallId, LogLevel, u64)>,
    /// True if log records count as taken at once.
    takes_output: bool,
}

fn start() -> (Controller, Agent) {
    let (peer, agent) = pipe::start();
    let wasm = wat::parse_str(GUEST).unwrap();
    let artifact = compile(&wasm, &Target::here()).unwrap();
    let metered = compile(
        &wasm,
        &Target {
            metered: true,
            ..Target::here()
        },
    )
    .unwrap();
    (
        Controller {
            peer,
            artifact,
            metered,
            asked: 0,
            logged: Vec::new(),
            takes_output: true,
        },
        agent,
    )
}

impl Controller {
    fn call(&mut self, function: &str, input: &[u8], limits: Limits) -> CallId {
        let module = Digest::of(&self.artifact);
        let input = input.to_vec();
        self.peer.connection.call(CallRequest {
            limits,
            ..CallRequest::new(module, function, input)
        })
    }

    fn call_instance(&mut self, instance: u64, function: &str, module: Digest) -> CallId {
        let entry = Entry::Resident {
            instance: InstanceId(instance),
            function: function.into(),
        };
        self.peer.connection.call(CallRequest {
            entry,
            ..CallRequest::new(module, "", "")
        })
    }

    async fn one_of_instance(&mut self, instance: u64, function: &str) -> Result<Vec<u8>, Fault> {
        let id = self.call_instance(instance, function, Digest::of(&self.artifact));
        self.returned(1)
            .await
            .remove(&id)
            .expect("the call just made")
    }

    /// Runs the conversation, serving artifacts, until `calls` calls have returned.
    async fn returned(&mut self, calls: usize) -> HashMap<CallId, Result<Vec<u8>, Fault>> {
        let mut outcomes = HashMap::new();
        while outcomes.len() < calls {
            if let ControllerEvent::Returned { id, outcome, .. } = self.event().await {
                outcomes.insert(id, outcome.map(|bytes| bytes.to_vec()));
            }
        }
        outcomes
    }

    async fn one(
        &mut self,
        function: &str,
        input: &[u8],
        limits: Limits,
    ) -> Result<Vec<u8>, Fault> {
        let id = self.call(function, input, limits);
        self.returned(1)
            .await
            .remove(&id)
            .expect("the call just made")
    }

    /// Waits until the agent asks for the artifact; returns whether it asked before.
    async fn needed(&mut self) -> bool {
        loop {
            if let ControllerEvent::Need { again, .. } = self.peer.event().await {
                return again;
            }
        }
    }

    /// Provides the artifact with one byte changed.
    fn provide_damaged(&mut self) {
        let mut damaged = self.artifact.clone();
        damaged[0] ^= 1;
        self.peer
            .connection
            .provide(Digest::of(&self.artifact), damaged.into());
    }

    async fn event(&mut self) -> ControllerEvent {
        loop {
            match self.peer.event().await {
                ControllerEvent::Need { module, .. } => {
                    self.asked += 1;
                    let artifact = if module == Digest::of(&self.metered) {
                        &self.metered
                    } else {
                        &self.artifact
                    };
                    self.peer
                        .connection
                        .provide(module, artifact.clone().into());
                }
                ControllerEvent::Log {
                    id,
                    level,
                    target,
                    message,
                } => {
                    let cost = LogRecord::new(level, &target, &message).cost();
                    self.logged.push((id, level, cost));
                    if self.takes_output {
                        self.peer.connection.output_taken(output_cost(cost));
                    }
                }
                event => return event,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_call_sends_no_module_bytes() {
    let (mut controller, _agent) = start();
    assert_eq!(
        controller.one("echo", b"first", Limits::default()).await,
        Ok(b"first".to_vec())
    );
    let cold = controller.peer.connection.traffic();
    assert_eq!(cold.module_bytes, controller.artifact.len() as u64);
    assert_eq!(
        controller.one("echo", b"second", Limits::default()).await,
        Ok(b"second".to_vec())
    );
    let warm = controller.peer.connection.traffic();
    assert_eq!(warm.module_bytes, cold.module_bytes);
    assert_eq!(warm.round_trips, cold.round_trips + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_at_once_ask_once() {
    let (mut controller, _agent) = start();
    let ids: Vec<_> = (0..1000_u32)
        .map(|n| {
            (
                controller.call("echo", &n.to_le_bytes(), Limits::default()),
                n,
            )
        })
        .collect();
    let outcomes = controller.returned(1000).await;
    for (id, n) in ids {
        assert_eq!(outcomes[&id], Ok(n.to_le_bytes().to_vec()));
    }
    assert_eq!(controller.asked, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_spin_hold_up_no_one() {
    let (mut controller, _agent) = start();
    let spinning: Vec<_> = (0..8)
        .map(|_| controller.call("spin", b"", Limits::default()))
        .collect();
    assert_eq!(
        controller.one("echo", b"hello", Limits::default()).await,
        Ok(b"hello".to_vec())
    );
    for id in spinning {
        controller.peer.connection.cancel(id);
    }
    assert_eq!(
        controller.one("echo", b"again", Limits::default()).await,
        Ok(b"again".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_the_guest_and_not_the_session() {
    let (mut controller, _agent) = start();
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    assert_eq!(
        controller.one("spin", b"", limits).await,
        Err(Fault::Deadline { after_ms: 50 })
    );
    assert_eq!(
        controller.one("echo", b"alive", Limits::default()).await,
        Ok(b"alive".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_count_fuel_and_calls_that_do_not_share_a_session() {
    let (mut controller, _agent) = start();
    let limits = Limits {
        fuel: Some(100_000),
        ..Limits::default()
    };
    let metered = Digest::of(&controller.metered);
    for _ in 0..2 {
        let request = CallRequest {
            limits: limits.clone(),
            ..CallRequest::new(metered, "spin", "")
        };
        let counted = controller.peer.connection.call(request);
        let request = CallRequest {
            seed: Some(1),
            ..CallRequest::new(metered, "echo", "hello")
        };
        let seeded = controller.peer.connection.call(request);
        let plain = controller.call("echo", b"hello", Limits::default());
        let outcomes = controller.returned(3).await;
        let fault = Fault::Limit {
            which: LimitKind::Fuel,
            limit: 100_000,
            asked: 100_001,
        };
        assert_eq!(outcomes[&counted], Err(fault));
        assert_eq!(outcomes[&seeded], Ok(b"hello".to_vec()));
        assert_eq!(outcomes[&plain], Ok(b"hello".to_vec()));
    }
    assert_eq!(controller.asked, 2, "once for each artifact");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_mixes_up_artifacts_is_told_so() {
    let (mut controller, _agent) = start();
    let limits = Limits {
        fuel: Some(1_000),
        ..Limits::default()
    };
    let outcome = controller.one("echo", b"", limits.clone()).await;
    assert!(
        matches!(outcome, Err(Fault::BadModule(_))),
        "before it is loaded: {outcome:?}"
    );
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    let outcome = controller.one("echo", b"", limits).await;
    assert!(
        matches!(outcome, Err(Fault::BadModule(_))),
        "and after: {outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_stays_until_it_is_dropped() {
    let (mut controller, _agent) = start();
    // The first two wait for the module together.
    let module = Digest::of(&controller.artifact);
    let ids = [1, 2].map(|count| (controller.call_instance(7, "count", module), count));
    let outcomes = controller.returned(2).await;
    for (id, count) in ids {
        assert_eq!(outcomes[&id], Ok(vec![count]));
    }
    assert_eq!(controller.one_of_instance(8, "count").await, Ok(vec![1]));
    assert_eq!(controller.one_of_instance(7, "count").await, Ok(vec![3]));
    assert_eq!(
        controller.one("count", b"", Limits::default()).await,
        Ok(vec![1])
    );

    let other = Digest::of(&controller.metered);
    let id = controller.call_instance(7, "count", other);
    assert!(matches!(
        controller.returned(1).await[&id],
        Err(Fault::BadModule(_))
    ));
    controller.peer.connection.drop_instance(InstanceId(7));
    assert_eq!(
        controller.one_of_instance(7, "count").await,
        Ok(vec![1]),
        "its number is free again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_trapped_or_was_cancelled_is_gone() {
    let (mut controller, _agent) = start();
    assert!(matches!(
        controller.one_of_instance(1, "trap").await,
        Err(Fault::Trap { .. })
    ));
    assert!(matches!(
        controller.one_of_instance(1, "count").await,
        Err(Fault::InstanceGone { .. })
    ));

    assert_eq!(controller.one_of_instance(2, "count").await, Ok(vec![1]));
    let module = Digest::of(&controller.artifact);
    let spinning = controller.call_instance(2, "spin", module);
    let waiting = controller.call_instance(2, "count", module);
    controller.peer.send().await;
    controller.peer.connection.cancel(spinning);
    assert!(matches!(
        controller.returned(1).await[&waiting],
        Err(Fault::InstanceGone { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_a_hundred_instances() {
    let (mut controller, _agent) = start();
    for instance in 0..100 {
        assert_eq!(
            controller.one_of_instance(instance, "count").await,
            Ok(vec![1])
        );
    }
    let fault = Fault::Limit {
        which: LimitKind::Instances,
        limit: 100,
        asked: 101,
    };
    assert_eq!(controller.one_of_instance(100, "count").await, Err(fault));
    controller.peer.connection.drop_instance(InstanceId(5));
    assert_eq!(controller.one_of_instance(100, "count").await, Ok(vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_before_the_return_and_within_its_limit() {
    let (mut controller, _agent) = start();
    // Long enough for the guest to log something, even on a busy machine.
    let limits = Limits {
        deadline_ms: Some(2000),
        stdio_bytes: 1000,
        ..Limits::default()
    };
    let id = controller.call("chatter", b"", limits);
    assert_eq!(
        controller.returned(1).await[&id],
        Err(Fault::Deadline { after_ms: 2000 })
    );
    let logged: u64 = controller.logged.iter().map(|(_, _, cost)| cost).sum();
    assert!(
        controller
            .logged
            .iter()
            .all(|(from, level, _)| (*from, *level) == (id, LogLevel::Info))
    );
    assert!((1..=1000).contains(&logged), "{logged} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_takes_stops_who_prints_and_no_one_else() {
    let (mut controller, _agent) = start();
    controller.takes_output = false;
    let limits = Limits {
        stdio_bytes: 64 << 20,
        ..Limits::default()
    };
    let ids = [(); 2].map(|()| controller.call("chatter", b"", limits.clone()));
    let under_way = |controller: &Controller| {
        controller
            .logged
            .iter()
            .map(|(.., cost)| output_cost(*cost))
            .sum::<u64>()
    };
    while under_way(&controller) < OUTPUT_WINDOW_BYTES {
        assert_eq!(
            controller.one("echo", b"123", Limits::default()).await,
            Ok(b"123".into()),
            "it waits for nobody"
        );
    }
    for _ in 0..100 {
        assert_eq!(
            controller.one("echo", b"123", Limits::default()).await,
            Ok(b"123".into())
        );
    }
    let stopped = under_way(&controller);
    assert!(
        stopped < OUTPUT_WINDOW_BYTES + 1000,
        "{stopped} bytes came unasked"
    );

    controller.peer.connection.output_taken(stopped);
    controller.takes_output = true;
    while under_way(&controller) < 4 * OUTPUT_WINDOW_BYTES {
        assert_eq!(
            controller.one("echo", b"123", Limits::default()).await,
            Ok(b"123".into())
        );
    }
    controller.takes_output = false;
    ids.into_iter()
        .for_each(|id| controller.peer.connection.cancel(id));
    assert_eq!(
        controller.one("echo", b"123", Limits::default()).await,
        Ok(b"123".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_returns_behind_what_it_printed() {
    let (mut controller, _agent) = start();
    controller.takes_output = false;
    // Long enough for the guest to print this much, even on a busy machine.
    let limits = Limits {
        stdio_bytes: 64 << 20,
        deadline_ms: Some(10_000),
        ..Limits::default()
    };
    let id = controller.call("chatter", b"", limits);
    while controller
        .logged
        .iter()
        .map(|(.., cost)| output_cost(*cost))
        .sum::<u64>()
        < OUTPUT_WINDOW_BYTES
    {
        assert_eq!(
            controller.one("echo", b"1", Limits::default()).await,
            Ok(b"1".into())
        );
    }
    // Waits until the deadline has passed, and handles the events of that time.
    tokio::time::sleep(Duration::from_millis(10_000)).await;
    assert_eq!(
        controller.one("echo", b"1", Limits::default()).await,
        Ok(b"1".into()),
        "the other has not returned"
    );
    let first = controller.logged.iter().map(|(.., cost)| cost).sum::<u64>();
    let taken = controller
        .logged
        .iter()
        .map(|(.., cost)| output_cost(*cost))
        .sum();
    controller.takes_output = true;
    controller.peer.connection.output_taken(taken);
    assert_eq!(
        controller.returned(1).await[&id],
        Err(Fault::Deadline { after_ms: 10_000 })
    );
    let logged: u64 = controller.logged.iter().map(|(.., cost)| cost).sum();
    assert!(
        logged > first,
        "{logged} bytes: what it printed before was kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_does_not_load_fails_its_calls_only() {
    let (mut controller, _agent) = start();
    let good = std::mem::replace(&mut controller.artifact, b"no artifact".to_vec());
    let outcome = controller.one("echo", b"", Limits::default()).await;
    assert!(matches!(outcome, Err(Fault::BadModule(_))), "{outcome:?}");
    controller.artifact = good;
    assert_eq!(
        controller.one("echo", b"fine", Limits::default()).await,
        Ok(b"fine".to_vec())
    );
    assert_eq!(
        controller.one("nothing", b"", Limits::default()).await,
        Err(Fault::NoSuchFunction {
            function: "nothing".into()
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_does_not_load_fails_its_calls_however_they_overlap() {
    let (mut controller, _agent) = start();
    let good = std::mem::replace(&mut controller.artifact, b"no artifact".to_vec());
    controller.call("echo", b"", Limits::default());
    for _ in 0..10 {
        controller.needed().await;
        controller.peer.connection.provide(
            Digest::of(&controller.artifact),
            controller.artifact.clone().into(),
        );
        controller.peer.send().await;
        // This call arrives after the artifact, and before the return of the call that asked for
        // it.
        controller.call("echo", b"", Limits::default());
    }
    let outcomes = controller.returned(2).await;
    assert!(
        outcomes
            .values()
            .all(|outcome| matches!(outcome, Err(Fault::BadModule(_)))),
        "{outcomes:?}"
    );
    controller.artifact = good;
    assert_eq!(
        controller.one("echo", b"fine", Limits::default()).await,
        Ok(b"fine".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_arrives_damaged_is_asked_for_again() {
    let (mut controller, _agent) = start();
    for _ in 0..2 {
        controller.call("echo", b"hello", Limits::default());
    }
    assert!(!controller.needed().await);
    controller.provide_damaged();
    let outcomes = controller.returned(2).await;
    assert!(
        outcomes
            .values()
            .all(|outcome| *outcome == Ok(b"hello".to_vec())),
        "{outcomes:?}"
    );
    assert_eq!(controller.asked, 1, "and once more before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_artifact_of_a_cancelled_call_does_not_end_the_session() {
    let (mut controller, _agent) = start();
    let id = controller.call("echo", b"", Limits::default());
    controller.needed().await;
    controller.peer.connection.cancel(id);
    controller.provide_damaged();
    controller.peer.connection.ping();
    assert_eq!(controller.event().await, ControllerEvent::Pong);
    // The pong arrives after any request for the artifact.
    controller.peer.connection.ping();
    assert_eq!(controller.event().await, ControllerEvent::Pong);
    assert_eq!(controller.asked, 0, "nobody wants it any more");
    assert_eq!(
        controller.one("echo", b"fine", Limits::default()).await,
        Ok(b"fine".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_waits_for_open_calls() {
    let (mut controller, agent) = start();
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let id = controller.call("spin", b"", limits);
    controller.peer.connection.close();
    assert_eq!(
        controller.returned(1).await[&id],
        Err(Fault::Deadline { after_ms: 50 })
    );
    assert_eq!(controller.event().await, ControllerEvent::Closed);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_pipe_ends_the_agent_whatever_runs() {
    let (mut controller, agent) = start();
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    controller.call("spin", b"", Limits::default());
    controller.peer.send().await;
    drop(controller);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_the_conversation() {
    let (mut controller, agent) = start();
    controller
        .peer
        .pipe
        .write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        .await
        .unwrap();
    assert!(matches!(ended(agent).await, Err(ServeError::Protocol(_))));
}
