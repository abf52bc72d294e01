//! Calls of guests, with a controller that has one module. Guests are real; processes, shells and
//! ssh have no part in it.

/// Artifacts: each is asked for once, and a bad one fails its calls only.
mod artifacts;
/// Ends of a conversation: a goodbye, the end of the pipe, garbage.
mod endings;
/// Output of guests: its limits, its credit, and that it comes before the return.
mod output;
/// Instances that stay between calls.
mod residents;

use std::{collections::HashMap, time::Duration};

use wxec_engine::compile;
use wxec_protocol::{
    CallId, CallRequest, ControllerEvent, Digest, Entry, Fault, InstanceId, LimitKind, Limits,
    LogLevel, LogRecord, Target, Terms, output_cost,
};

use crate::{Agent, Peer};

const GUEST: &str = r#"(module
    (import "wxec_v1" "input_len" (func $input_len (result i32)))
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "log_record" (func $log_record (param i32 i32 i32 i32 i32)))
    (import "wxec_v1" "cancelled" (func $cancelled (result i32)))
    (func $log (param i32 i32 i32)
        (call $log_record (local.get 0) (i32.const 0) (i32.const 0) (local.get 1) (local.get 2)))
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
    (func (export "wx1_until_cancelled") (result i32)
        (loop $on (br_if $on (i32.eqz (call $cancelled))))
        (i32.const 0))
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
    let (peer, agent) = crate::start();
    (controller(peer), agent)
}

fn controller(peer: Peer) -> Controller {
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
    Controller {
        peer,
        artifact,
        metered,
        asked: 0,
        logged: Vec::new(),
        takes_output: true,
    }
}

impl Controller {
    fn call(&mut self, function: &str, input: &[u8], limits: Limits) -> CallId {
        let module = Digest::of(&self.artifact);
        let input = input.to_vec();
        self.peer.connection.call(CallRequest {
            terms: limits.into(),
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
async fn a_deadline_comes_while_the_event_loop_is_busy() {
    /// Far longer than the deadline.
    const BUSY: Duration = Duration::from_secs(2);
    let (peer, conversation) = crate::start_apart();
    let mut controller = controller(peer);
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let echo = Limits::default();
    controller.one("echo", b"", echo.clone()).await.unwrap();
    controller.call("spin", b"", limits);
    // The one that spins has begun when this one returns.
    controller.one("echo", b"", echo).await.unwrap();
    conversation.spawn(async { std::thread::sleep(BUSY) });

    let ControllerEvent::Returned { outcome, usage, .. } = controller.event().await else {
        panic!("one call is open");
    };
    assert_eq!(outcome, Err(Fault::Deadline { after_ms: 50 }));
    assert!(Duration::from_micros(usage.wall_us) < BUSY, "{usage:?}");
    conversation.shutdown_background();
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
            terms: limits.clone().into(),
            ..CallRequest::new(metered, "spin", "")
        };
        let counted = controller.peer.connection.call(request);
        let request = CallRequest {
            terms: Terms {
                seed: Some(1),
                ..Terms::default()
            },
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
