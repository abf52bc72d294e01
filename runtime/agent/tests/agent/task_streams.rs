//! Items that tasks send and receive, through the agent's event loop: order, back-pressure, ends,
//! and unsent rests.

use std::collections::HashMap;

use bytes::Bytes;
use wxec_engine::compile;
use wxec_protocol::{
    CallId, CallRequest, ControllerEvent, Digest, Fault, Limits, LogRecord, OUTPUT_WINDOW_BYTES,
    STREAM_WINDOW_BYTES, StreamEnd, StreamId, Target, output_cost,
};

use crate::{Agent, Peer, ended};

const GUEST: &str = r#"(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "call_stream" (func $call_stream (param i32) (result i32)))
    (import "wxec_v1" "stream_read" (func $stream_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "stream_write" (func $stream_write (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "stream_close" (func $stream_close (param i32) (result i32)))
    (import "wxec_v1" "log_record" (func $log_record (param i32 i32 i32 i32 i32)))
    (func $log (param i32 i32 i32)
        (call $log_record (local.get 0) (i32.const 0) (i32.const 0) (local.get 1) (local.get 2)))
    (memory (export "memory") 2)

    ;; Writes until that fails, and returns how much it wrote.
    (func (export "wx1_flood") (result i32)
        (local $stream i32) (local $wrote i32)
        (local.set $stream (call $call_stream (i32.const 0)))
        (block $end
            (loop $next
                (local.set $wrote (call $stream_write (local.get $stream) (i32.const 1024) (i32.const 4096)))
                (br_if $end (i32.lt_s (local.get $wrote) (i32.const 0)))
                (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.extend_i32_s (local.get $wrote))))
                (br $next)))
        (call $output_write (i32.const 0) (i32.const 8))
        (i32.const 0))

    ;; Writes to the second stream what the first one brings, and closes that when the first ends.
    (func (export "wx1_echo") (result i32)
        (local $from i32) (local $to i32) (local $left i32) (local $at i32) (local $wrote i32)
        (local.set $from (call $call_stream (i32.const 0)))
        (local.set $to (call $call_stream (i32.const 1)))
        (block $end
            (loop $next
                (local.set $left (call $stream_read (local.get $from) (i32.const 1024) (i32.const 65536)))
                (br_if $end (i32.le_s (local.get $left) (i32.const 0)))
                (local.set $at (i32.const 1024))
                (loop $rest
                    (local.set $wrote (call $stream_write (local.get $to) (local.get $at) (local.get $left)))
                    (if (i32.lt_s (local.get $wrote) (i32.const 0)) (then unreachable))
                    (local.set $at (i32.add (local.get $at) (local.get $wrote)))
                    (local.set $left (i32.sub (local.get $left) (local.get $wrote)))
                    (br_if $rest (i32.gt_s (local.get $left) (i32.const 0))))
                (br $next)))
        (drop (call $stream_close (local.get $to)))
        (i32.const 0))

    ;; Writes a little, and traps.
    (func (export "wx1_trap") (result i32)
        (drop (call $stream_write (call $call_stream (i32.const 0)) (i32.const 1024) (i32.const 3)))
        unreachable)

    ;; Closes its first stream, and waits for the second to end.
    (func (export "wx1_close") (result i32)
        (drop (call $stream_close (call $call_stream (i32.const 0))))
        (drop (call $stream_read (call $call_stream (i32.const 1)) (i32.const 1024) (i32.const 1)))
        (i32.const 0))

    ;; Logs more than may be under way, and returns.
    (func (export "wx1_say") (result i32)
        (local $left i32)
        (local.set $left (i32.const 4000))
        (loop $next
            (call $log (i32.const 3) (i32.const 0) (i32.const 100))
            (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (i32.const 0))

    (func (export "wx1_nothing") (result i32) (i32.const 0)))"#;

/// A controller that has one module, and keeps everything that it receives.
struct Controller {
    peer: Peer,
    artifact: Vec<u8>,
    received: HashMap<StreamId, Vec<u8>>,
    ends: HashMap<StreamId, StreamEnd>,
    outcomes: HashMap<CallId, Result<Vec<u8>, Fault>>,
    logged: usize,
    /// True if received data is announced as taken.
    takes: bool,
}

fn start() -> (Controller, Agent) {
    let (peer, agent) = crate::start();
    let artifact = compile(&wat::parse_str(GUEST).unwrap(), &Target::here()).unwrap();
    let (received, ends, outcomes) = (HashMap::new(), HashMap::new(), HashMap::new());
    (
        Controller {
            peer,
            artifact,
            received,
            ends,
            outcomes,
            logged: 0,
            takes: true,
        },
        agent,
    )
}

impl Controller {
    fn call(&mut self, function: &str, streams: usize) -> (CallId, Vec<StreamId>) {
        self.call_within(function, streams, Limits::default())
    }

    fn call_within(
        &mut self,
        function: &str,
        streams: usize,
        limits: Limits,
    ) -> (CallId, Vec<StreamId>) {
        let streams = self.peer.connection.open_call_streams(streams);
        let request = CallRequest::new(Digest::of(&self.artifact), function, "");
        (
            self.peer.connection.call(CallRequest {
                streams: streams.clone(),
                terms: limits.into(),
                ..request
            }),
            streams,
        )
    }

    /// Handles events until `is_done` returns true.
    async fn until(&mut self, mut is_done: impl FnMut(&Self) -> bool) {
        while !is_done(self) {
            let event = self.peer.event().await;
            self.hear(event);
        }
    }

    fn hear(&mut self, event: ControllerEvent) {
        match event {
            ControllerEvent::Need { module, .. } => {
                self.peer
                    .connection
                    .provide(module, self.artifact.clone().into());
            }
            ControllerEvent::Data { id, bytes } => {
                self.received.entry(id).or_default().extend(&bytes);
                if self.takes {
                    self.peer.connection.taken(id, bytes.len() as u64);
                }
            }
            ControllerEvent::Log {
                level,
                target,
                message,
                ..
            } => {
                self.logged += 1;
                let cost = output_cost(LogRecord::new(level, &target, &message).cost());
                if self.takes {
                    self.peer.connection.output_taken(cost);
                }
            }
            ControllerEvent::StreamClosed { id, end } => _ = self.ends.insert(id, end),
            ControllerEvent::Returned { id, outcome, .. } => {
                self.outcomes
                    .insert(id, outcome.map(|bytes| bytes.to_vec()));
            }
            _ => {}
        }
    }

    async fn outcome(&mut self, call: CallId) -> Result<Vec<u8>, Fault> {
        self.until(|controller| controller.outcomes.contains_key(&call))
            .await;
        self.outcomes[&call].clone()
    }

    async fn end(&mut self, stream: StreamId) -> StreamEnd {
        self.until(|controller| controller.ends.contains_key(&stream))
            .await;
        self.ends[&stream].clone()
    }

    /// Makes an independent call, and waits for its result.
    async fn answers(&mut self) {
        let (call, _) = self.call("nothing", 0);
        assert_eq!(self.outcome(call).await, Ok(Vec::new()));
    }

    async fn farewell(mut self, agent: Agent) {
        self.peer.connection.close();
        while self.peer.event().await != ControllerEvent::Closed {}
        ended(agent).await.unwrap();
    }
}

#[tokio::test]
async fn a_task_with_streams_returns_behind_what_it_logged() {
    let (mut controller, agent) = start();
    controller.takes = false;
    let (call, _) = controller.call("say", 1);
    let (record, mut taken) = (output_cost(100 + 16), 0);
    controller
        .until(|controller| controller.logged as u64 * record >= OUTPUT_WINDOW_BYTES)
        .await;
    while !controller.outcomes.contains_key(&call) {
        controller.answers().await;
        let logged = controller.logged as u64 * record;
        controller.peer.connection.output_taken(logged - taken);
        taken = logged;
    }
    assert_eq!(
        (controller.logged, &controller.outcomes[&call]),
        (4000, &Ok(Vec::new()))
    );
    controller.farewell(agent).await;
}

#[tokio::test]
async fn what_a_task_receives_and_sends_keeps_its_order_however_long_it_is() {
    let (mut controller, agent) = start();
    let (call, streams) = controller.call("echo", 2);
    let sent: Vec<u8> = (0..3 * STREAM_WINDOW_BYTES / 8)
        .flat_map(u64::to_le_bytes)
        .collect();
    let mut parts = sent.chunks(8 << 10).map(Bytes::copy_from_slice);
    // One window at first, then as much as the task takes.
    let mut room = streams[0].window_bytes();
    let mut next = parts.next();
    loop {
        while let Some(part) = next.take_if(|part| part.len() as u64 <= room) {
            room -= part.len() as u64;
            controller.peer.connection.send(streams[0], part);
            next = parts.next();
        }
        if next.is_none() {
            break;
        }
        match controller.peer.event().await {
            ControllerEvent::Credit { id, bytes } if id == streams[0] => room += bytes,
            event => controller.hear(event),
        }
    }
    controller.peer.connection.finish_stream(streams[0]);
    assert_eq!(controller.outcome(call).await, Ok(Vec::new()));
    assert_eq!(
        controller.end(streams[1]).await,
        StreamEnd::Closed,
        "the task closed it"
    );
    assert_eq!(controller.end(streams[0]).await, StreamEnd::CallEnded);
    assert!(controller.received[&streams[1]] == sent);
    controller.farewell(agent).await;
}

#[tokio::test]
async fn who_takes_nothing_stops_the_task_that_sends_and_no_one_else() {
    let (mut controller, agent) = start();
    controller.takes = false;
    let (call, streams) = controller.call("flood", 1);
    let window = usize::try_from(streams[0].window_bytes()).unwrap();
    controller
        .until(|controller| {
            controller
                .received
                .get(&streams[0])
                .is_some_and(|all| all.len() == window)
        })
        .await;
    for _ in 0..100 {
        controller.answers().await;
    }
    assert_eq!(
        controller.received[&streams[0]].len(),
        window,
        "not a byte more"
    );

    controller.peer.connection.close_stream(streams[0]);
    let wrote = controller.outcome(call).await.unwrap();
    let wrote = u64::from_le_bytes(*wrote.first_chunk().unwrap());
    // Beyond the window, a pipe was filled.
    let least = streams[0].window_bytes();
    assert!((least..=least + (128 << 10)).contains(&wrote), "{wrote}");
    controller.farewell(agent).await;
}

#[tokio::test]
async fn a_task_that_traps_leaves_what_it_sent_and_its_fault() {
    let (mut controller, agent) = start();
    let (call, streams) = controller.call("trap", 2);
    assert!(matches!(
        controller.outcome(call).await,
        Err(Fault::Trap { .. })
    ));
    for stream in &streams {
        assert_eq!(controller.end(*stream).await, StreamEnd::CallEnded);
    }
    assert_eq!(controller.received[&streams[0]].len(), 3);
    controller.farewell(agent).await;
}

#[tokio::test]
async fn a_stream_that_a_task_closes_is_over_while_the_task_goes_on() {
    let (mut controller, agent) = start();
    let (call, streams) = controller.call("close", 2);
    assert_eq!(controller.end(streams[0]).await, StreamEnd::Closed);
    assert_eq!(controller.outcomes.get(&call), None);
    controller.peer.connection.close_stream(streams[1]);
    assert_eq!(
        controller.outcome(call).await,
        Ok(Vec::new()),
        "what is closed has ended"
    );
    controller.farewell(agent).await;
}

#[tokio::test]
async fn a_cancelled_call_closes_its_streams() {
    let (mut controller, agent) = start();
    for function in ["flood", "echo"] {
        let (call, streams) = controller.call(function, 2);
        controller.answers().await;
        controller.peer.connection.cancel(call);
        for stream in &streams {
            assert_eq!(
                controller.end(*stream).await,
                StreamEnd::CallEnded,
                "{function}"
            );
        }
    }
    controller.farewell(agent).await;
}

#[tokio::test]
async fn a_deadline_ends_a_task_that_waits_for_its_caller() {
    let (mut controller, agent) = start();
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let (call, streams) = controller.call_within("echo", 2, limits);
    assert_eq!(
        controller.outcome(call).await,
        Err(Fault::Deadline { after_ms: 50 })
    );
    assert_eq!(controller.end(streams[0]).await, StreamEnd::CallEnded);
    controller.farewell(agent).await;
}

#[tokio::test]
async fn calls_that_do_not_begin_close_their_streams() {
    let (mut controller, agent) = start();
    let (call, streams) = controller.call("absent", 1);
    assert!(matches!(
        controller.outcome(call).await,
        Err(Fault::NoSuchFunction { .. })
    ));
    assert_eq!(controller.end(streams[0]).await, StreamEnd::CallEnded);

    let streams = controller.peer.connection.open_call_streams(1);
    let nowhere = Digest::of(b"nowhere");
    let request = CallRequest {
        streams: streams.clone(),
        ..CallRequest::new(nowhere, "f", "")
    };
    let call = controller.peer.connection.call(request);
    while !matches!(controller.peer.event().await, ControllerEvent::Need { module, .. } if module == nowhere)
    {
    }
    controller.peer.connection.refuse(nowhere, "lost");
    assert_eq!(
        controller.outcome(call).await,
        Err(Fault::BadModule("lost".into()))
    );
    assert_eq!(controller.end(streams[0]).await, StreamEnd::CallEnded);
    controller.farewell(agent).await;
}

#[tokio::test]
async fn many_streams_at_once_do_not_mix() {
    let (mut controller, agent) = start();
    let calls: Vec<_> = (0..100).map(|_| controller.call("echo", 2)).collect();
    for (number, (_, streams)) in calls.iter().enumerate() {
        controller
            .peer
            .connection
            .send(streams[0], format!("to {number}").into());
        controller.peer.connection.finish_stream(streams[0]);
    }
    for (number, (call, streams)) in calls.iter().enumerate() {
        assert_eq!(controller.outcome(*call).await, Ok(Vec::new()));
        assert_eq!(controller.end(streams[1]).await, StreamEnd::Closed);
        assert_eq!(
            controller.received[&streams[1]],
            format!("to {number}").as_bytes()
        );
    }
    controller.farewell(agent).await;
}
