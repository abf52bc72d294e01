//! Greeting, calls cold and warm, modules, output, farewell.

use bytes::Bytes;
use wxec_protocol::{
    AgentConnection, AgentEvent, CHUNK_BYTES, CallRequest, Code, ControllerConnection,
    ControllerEvent, Digest, Entry, Fault, Frame, Grants, InstanceId, LimitKind, Limits, LogLevel,
    LogRecord, MAX_CALLS, MAX_MESSAGE_BYTES, MAX_TARGET_BYTES, Memory, OUTPUT_WINDOW_BYTES,
    OutputStream, Platform, StreamEnd, Target, Terms, Usage, abi::Panic, output_cost,
};

use crate::{
    pair::{ARTIFACT, Pair, USAGE, long, request},
    wire::{ToAgent, ToController},
};

fn returned(id: wxec_protocol::CallId, value: impl Into<Bytes>) -> ControllerEvent {
    ControllerEvent::Returned {
        id,
        outcome: Ok(value.into()),
        usage: USAGE,
    }
}

#[test]
fn the_first_thing_a_controller_hears_is_what_the_agent_runs_on() {
    let platform = Platform::new("aarch64", "linux");
    let target = Target {
        platform,
        code: Code::Pulley,
        memory: Memory::Checked,
        metered: false,
    };
    let mut agent = AgentConnection::new(target.clone());
    let mut controller = ControllerConnection::new();
    let mut wire = Vec::new();
    agent.poll_transmit(&mut wire);
    controller.handle_input(&wire).unwrap();
    assert_eq!(
        controller.poll_event(),
        Some(ControllerEvent::Ready { target })
    );
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn calls_may_be_made_before_the_greeting_is_answered() {
    let (mut controller, mut agent) = (
        ControllerConnection::new(),
        AgentConnection::new(Target::here()),
    );
    controller.call(request("f", "1"));
    let mut wire = Vec::new();
    assert_eq!(controller.poll_transmit(&mut wire), None);
    agent.handle_input(&wire).unwrap();
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Call { .. })));
}

#[test]
fn a_call_arrives_as_it_was_made() {
    let mut pair = Pair::new();
    let limits = Limits {
        memory_bytes: 1,
        input_bytes: 2,
        output_bytes: 3,
        stdio_bytes: 4,
        deadline_ms: Some(u64::MAX),
        fuel: Some(5),
        open_files: 6,
        children: 7,
        linger_ms: Some(8),
    };
    let terms = Terms {
        preview: true,
        limits,
        grants: Grants::none().write("/srv").run("ls").without_clock(),
        seed: Some(8),
    };
    let request = CallRequest {
        module: Digest::of(b"another artifact"),
        entry: Entry::Function("words::count".into()),
        terms,
        streams: pair.controller.open_call_streams(2),
        input: "in".into(),
    };
    let id = pair.controller.call(request.clone());
    assert_eq!(pair.agent_events(), [AgentEvent::Call { id, request }]);
}

#[test]
fn an_instance_is_called_and_dropped_in_that_order() {
    let mut pair = Pair::new();
    let instance = InstanceId(7);
    let entry = Entry::Resident {
        instance,
        function: "words::count".into(),
    };
    let id = pair.controller.call(CallRequest {
        entry: entry.clone(),
        ..request("", "")
    });
    pair.controller.drop_instance(instance);
    let [AgentEvent::Call { request, .. }, dropped] = &*pair.agent_events() else {
        panic!("two events")
    };
    assert_eq!(
        (&request.entry, dropped),
        (&entry, &AgentEvent::DropInstance { instance })
    );

    let reason = "it trapped".to_owned();
    pair.agent.finish(
        id,
        Err(Fault::InstanceGone {
            reason: reason.clone(),
        }),
        USAGE,
    );
    let outcome = Err(Fault::InstanceGone { reason });
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Returned {
            id,
            outcome,
            usage: USAGE
        }]
    );
}

#[test]
fn a_program_has_streams_until_it_ends() {
    let mut pair = Pair::new();
    let streams = pair.controller.open_streams();
    let (arguments, environment) = (
        vec![b"cat".to_vec().into()],
        vec![(b"A".to_vec().into(), b"\xff".to_vec().into())],
    );
    let entry = Entry::Command {
        arguments,
        environment,
        streams,
    };
    let id = pair.running(CallRequest {
        entry,
        ..request("", "")
    });
    pair.controller.send(streams.stdio, "in".into());
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::Data {
            id: streams.stdio,
            bytes: "in".into()
        }]
    );

    pair.agent.send(streams.stdio, "out".into());
    pair.agent.finish(id, Ok("code".into()), USAGE);
    pair.agent.send(streams.stdio, "too late".into());
    let mut events = pair.controller_events();
    let returned = ControllerEvent::Returned {
        id,
        outcome: Ok("code".into()),
        usage: USAGE,
    };
    let at = events
        .iter()
        .position(|event| *event == returned)
        .expect("the call returns");
    events.remove(at);
    assert_eq!(
        events,
        [
            ControllerEvent::Data {
                id: streams.stdio,
                bytes: "out".into()
            },
            ControllerEvent::StreamClosed {
                id: streams.stderr,
                end: StreamEnd::Closed
            },
            ControllerEvent::StreamClosed {
                id: streams.stdio,
                end: StreamEnd::Closed
            },
        ]
    );
}

#[test]
fn the_streams_of_a_call_end_with_it_after_all_that_was_sent_on_them() {
    let mut pair = Pair::new();
    let streams = pair.controller.open_call_streams(2);
    let id = pair.running(CallRequest {
        streams: streams.clone(),
        ..request("f", "")
    });
    pair.controller.send(streams[1], "in".into());
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::Data {
            id: streams[1],
            bytes: "in".into()
        }]
    );

    pair.agent.send(streams[0], "out".into());
    pair.agent.end_stream(streams[1], StreamEnd::Closed);
    pair.agent.finish(id, Ok("value".into()), USAGE);
    pair.agent.send(streams[0], "too late".into());
    let mut events = pair.controller_events();
    events.retain(|event| !matches!(event, ControllerEvent::Returned { .. }));
    events.sort_by_key(
        |event| matches!(event, ControllerEvent::StreamClosed { id, .. } if *id == streams[0]),
    );
    events.sort_by_key(|event| !matches!(event, ControllerEvent::Data { .. }));
    assert_eq!(
        events,
        [
            ControllerEvent::Data {
                id: streams[0],
                bytes: "out".into()
            },
            ControllerEvent::StreamClosed {
                id: streams[1],
                end: StreamEnd::Closed
            },
            ControllerEvent::StreamClosed {
                id: streams[0],
                end: StreamEnd::CallEnded
            },
        ]
    );
}

#[test]
fn the_streams_of_a_call_that_is_cancelled_before_it_arrived_end_as_well() {
    let mut pair = Pair::new();
    let streams = pair.controller.open_call_streams(1);
    let id = pair.controller.call(CallRequest {
        streams: streams.clone(),
        ..request("f", long(1 << 20))
    });
    pair.step();
    pair.controller.cancel(id);
    let events = pair.controller_events();
    assert_eq!(
        events,
        [ControllerEvent::StreamClosed {
            id: streams[0],
            end: StreamEnd::CallEnded
        }]
    );
    assert_eq!(pair.agent.poll_event(), None);
}

#[test]
fn a_warm_call_is_one_frame_out_and_one_back() {
    let mut pair = Pair::new();
    let before = pair.controller.traffic();

    let id = pair.running(request("words::count", "a b a"));
    pair.agent.finish(id, Ok("3".into()), USAGE);
    assert_eq!(pair.controller_events(), [returned(id, "3")]);

    assert!(matches!(*pair.controller_said(), [ToAgent::Call { .. }]));
    assert!(matches!(*pair.agent_said(), [ToController::Return { .. }]));
    let after = pair.controller.traffic();
    assert_eq!(after.round_trips - before.round_trips, 1);
    assert_eq!(after.module_bytes, 0);
    assert!(after.bytes_sent - before.bytes_sent < 100, "{after:?}");
    assert!(
        after.bytes_received - before.bytes_received < 20,
        "{after:?}"
    );
}

#[test]
fn a_cold_call_is_one_round_trip_more() {
    let mut pair = Pair::new();
    let before = pair.controller.traffic();
    let module = Digest::of(ARTIFACT);

    let id = pair.running(request("f", "1"));
    pair.agent.need(module);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need {
            module,
            again: false
        }]
    );
    pair.controller.provide(module, ARTIFACT.into());
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::Module {
            digest: module,
            bytes: ARTIFACT.into()
        }]
    );
    pair.agent.finish(id, Ok("2".into()), USAGE);
    assert_eq!(pair.controller_events(), [returned(id, "2")]);

    assert!(matches!(
        *pair.controller_said(),
        [ToAgent::Call { .. }, ToAgent::Module { .. }]
    ));
    assert!(matches!(
        *pair.agent_said(),
        [ToController::Need { .. }, ToController::Return { .. }]
    ));
    let after = pair.controller.traffic();
    assert_eq!(after.round_trips - before.round_trips, 2);
    assert_eq!(after.module_bytes, ARTIFACT.len() as u64);
}

#[test]
fn a_cold_call_that_brings_its_module_is_one_round_trip() {
    let mut pair = Pair::new();
    let before = pair.controller.traffic();
    let (module, artifact) = (Digest::of(ARTIFACT), Bytes::from(ARTIFACT));
    let call = |pair: &mut Pair| {
        pair.controller
            .call_with_artifact(request("f", "1"), &artifact)
    };

    let ids = [call(&mut pair), call(&mut pair)];
    let [
        AgentEvent::Call { .. },
        AgentEvent::Call { .. },
        AgentEvent::Module { .. },
    ] = *pair.agent_events()
    else {
        panic!("two calls, then their module")
    };
    for id in ids {
        pair.agent.finish(id, Ok("2".into()), USAGE);
    }
    assert_eq!(pair.controller_events(), ids.map(|id| returned(id, "2")));
    let after = pair.controller.traffic();
    assert_eq!(after.round_trips - before.round_trips, 1);
    assert_eq!(after.module_bytes, ARTIFACT.len() as u64);

    // An agent that has dropped it asks.
    let id = call(&mut pair);
    assert!(matches!(*pair.agent_events(), [AgentEvent::Call { .. }]));
    pair.agent.need(module);
    let again = true;
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need { module, again }]
    );
    pair.controller.provide(module, artifact);
    assert!(matches!(*pair.agent_events(), [AgentEvent::Module { .. }]));
    pair.agent.finish(id, Ok("2".into()), USAGE);
    assert_eq!(pair.controller_events(), [returned(id, "2")]);
}

#[test]
fn a_module_may_come_before_its_first_call() {
    let mut pair = Pair::new();
    let (module, artifact) = (Digest::of(ARTIFACT), Bytes::from(ARTIFACT));
    for _ in 0..2 {
        pair.controller.bring(module, artifact.clone());
    }
    let before = pair.controller.traffic();
    let id = pair
        .controller
        .call_with_artifact(request("f", "1"), &artifact);
    let [AgentEvent::Call { .. }, AgentEvent::Module { .. }] = *pair.agent_events() else {
        panic!("the call, and its module once")
    };
    pair.agent.finish(id, Ok("2".into()), USAGE);
    assert_eq!(pair.controller_events(), [returned(id, "2")]);
    let after = pair.controller.traffic();
    assert_eq!(after.round_trips - before.round_trips, 1);
    assert_eq!(after.module_bytes, ARTIFACT.len() as u64);

    // An agent that has dropped it asks.
    pair.controller
        .call_with_artifact(request("f", "1"), &artifact);
    assert!(matches!(*pair.agent_events(), [AgentEvent::Call { .. }]));
    pair.agent.need(module);
    let again = true;
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need { module, again }]
    );
}

#[test]
fn a_call_with_a_long_input_brings_no_module() {
    let mut pair = Pair::new();
    let artifact = Bytes::from(ARTIFACT);
    pair.controller
        .call_with_artifact(request("f", long(1 << 20)), &artifact);
    assert!(matches!(*pair.agent_events(), [AgentEvent::Call { .. }]));
    pair.agent.need(Digest::of(ARTIFACT));
    let module = Digest::of(ARTIFACT);
    let again = false;
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need { module, again }]
    );
}

#[test]
fn a_hundred_calls_of_a_missing_module_ask_for_it_once() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    let ids: Vec<_> = (0..100)
        .map(|_| pair.controller.call(request("f", "1")))
        .collect();
    for event in pair.agent_events() {
        let AgentEvent::Call { request, .. } = event else {
            panic!("calls only")
        };
        pair.agent.need(request.module);
    }
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need {
            module,
            again: false
        }]
    );
    pair.controller.provide(module, ARTIFACT.into());
    assert!(matches!(*pair.agent_events(), [AgentEvent::Module { .. }]));
    for id in &ids {
        pair.agent.finish(*id, Ok("2".into()), USAGE);
    }
    assert_eq!(
        pair.controller_events(),
        ids.iter().map(|id| returned(*id, "2")).collect::<Vec<_>>()
    );
    assert_eq!(
        pair.controller.traffic().module_bytes,
        ARTIFACT.len() as u64
    );
}

#[test]
fn a_module_that_has_arrived_is_not_asked_for_before_that_is_told() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    pair.running(request("f", "1"));
    pair.agent.need(module);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need {
            module,
            again: false
        }]
    );
    pair.controller.call(request("g", "2"));
    pair.controller.provide(module, ARTIFACT.into());
    pair.settle();
    assert!(
        matches!(pair.agent.poll_event(), Some(AgentEvent::Call { .. })),
        "which the module waits behind"
    );
    pair.agent.need(module);
    assert_eq!(pair.controller_events(), []);
    assert_eq!(
        pair.agent.poll_event(),
        Some(AgentEvent::Module {
            digest: module,
            bytes: ARTIFACT.into()
        })
    );
    assert_eq!(pair.agent.poll_event(), None);
    pair.agent.need(module);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need {
            module,
            again: true
        }],
        "and then it may be"
    );
}

#[test]
fn a_module_that_was_ever_asked_for_is_asked_for_again() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    let asked_for = |pair: &mut Pair, again| {
        pair.agent.need(module);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Need { module, again }]
        );
        pair.controller.provide(module, ARTIFACT.into());
        assert!(matches!(*pair.agent_events(), [AgentEvent::Module { .. }]));
    };
    let ids = [(); 2].map(|()| pair.running(request("f", "1")));
    for (id, again) in ids.into_iter().zip([false, true]) {
        asked_for(&mut pair, again);
        pair.agent.finish(id, Ok("2".into()), USAGE);
        assert_eq!(pair.controller_events(), [returned(id, "2")]);
    }
    pair.running(request("f", "1"));
    asked_for(&mut pair, true);
}

#[test]
fn a_store_that_dropped_a_module_may_ask_again() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    pair.running(request("f", "1"));
    for again in [false, true] {
        pair.agent.need(module);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Need { module, again }]
        );
        pair.controller.provide(module, ARTIFACT.into());
        assert!(matches!(*pair.agent_events(), [AgentEvent::Module { .. }]));
    }
}

#[test]
fn a_store_may_drop_a_module_before_every_call() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    for turn in 0..10 {
        pair.running(request("f", "1"));
        pair.agent.need(module);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Need {
                module,
                again: turn > 0
            }]
        );
        pair.controller.provide(module, ARTIFACT.into());
        assert!(matches!(*pair.agent_events(), [AgentEvent::Module { .. }]));
    }
}

#[test]
fn each_call_may_ask_anew() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    for turn in 0..10 {
        let id = pair.running(request("f", "1"));
        pair.agent.need(module);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Need {
                module,
                again: turn > 0
            }]
        );
        pair.controller.provide(module, ARTIFACT.into());
        pair.settle();
        assert!(matches!(
            pair.agent.poll_event(),
            Some(AgentEvent::Module { .. })
        ));
        pair.agent.finish(id, Ok("2".into()), USAGE);
        assert_eq!(pair.controller_events(), [returned(id, "2")]);
    }
}

#[test]
fn a_module_that_is_not_to_be_had_is_refused_with_a_reason() {
    let mut pair = Pair::new();
    let module = Digest::of(ARTIFACT);
    let id = pair.running(request("f", "1"));
    // Twice, because a refusal clears the request, so that the agent can ask for the module again.
    for again in [false, true] {
        pair.agent.need(module);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Need { module, again }]
        );
        pair.controller.refuse(module, "the compiler was killed");
        let reason = "the compiler was killed".into();
        assert_eq!(
            pair.agent_events(),
            [AgentEvent::NoModule {
                digest: module,
                reason
            }]
        );
    }
    let fault = Fault::BadModule("the compiler was killed".into());
    pair.agent.finish(id, Err(fault.clone()), USAGE);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Returned {
            id,
            outcome: Err(fault),
            usage: USAGE
        }]
    );
}

#[test]
fn ten_calls_return_in_the_order_they_finish() {
    let mut pair = Pair::new();
    let ids: Vec<_> = (0..10)
        .map(|i| pair.running(request("f", format!("{i}"))))
        .collect();
    let finished = [7, 0, 9, 3, 8, 1, 2, 6, 5, 4].map(|i| ids[i]);
    for id in finished {
        pair.agent.finish(id, Ok(id.to_string().into()), USAGE);
    }
    assert_eq!(
        pair.controller_events(),
        finished.map(|id| returned(id, id.to_string()))
    );
}

#[test]
fn a_call_returns_once_however_often_it_is_finished() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.agent.finish(id, Ok("first".into()), USAGE);
    pair.agent.finish(id, Ok("second".into()), USAGE);
    assert_eq!(pair.controller_events(), [returned(id, "first")]);
}

#[test]
fn every_fault_arrives_as_it_was_said() {
    let frames = vec![Frame {
        function: "words::count".into(),
        offset: Some(u64::MAX),
    }];
    let panic = Panic {
        message: "oh no".into(),
        file: Some("src/lib.rs".into()),
        line: 3,
        column: 9,
    };
    let faults = [
        Fault::Task(vec![0xa0; 1 << 20]),
        Fault::Panic {
            panic,
            frames: frames.clone(),
        },
        Fault::Trap {
            reason: "unreachable code".into(),
            frames,
        },
        Fault::Limit {
            which: LimitKind::Memory,
            limit: 1,
            asked: 2,
        },
        Fault::Deadline { after_ms: 100 },
        Fault::Cancelled,
        Fault::NoSuchFunction {
            function: "words::cuont".into(),
        },
        Fault::BadArguments("a text, not a number".into()),
        Fault::BadModule("not wasm".into()),
        Fault::Agent("out of memory".into()),
    ];
    let mut pair = Pair::new();
    for fault in faults {
        let id = pair.running(request("f", "1"));
        pair.agent.finish(id, Err(fault.clone()), USAGE);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Returned {
                id,
                outcome: Err(fault),
                usage: USAGE
            }]
        );
    }
}

#[test]
fn output_arrives_in_order_and_before_the_return() {
    let mut pair = Pair::new();
    for value in [long(1), long(CHUNK_BYTES + 1)] {
        let id = pair.running(request("f", "1"));
        let streams = [
            OutputStream::Stdout,
            OutputStream::Stderr,
            OutputStream::Stdout,
        ];
        for stream in streams {
            pair.agent.output(id, stream, b"line\n");
        }
        pair.agent.finish(id, Ok(value.clone()), USAGE);

        let mut expected: Vec<_> = streams
            .map(|stream| ControllerEvent::Output {
                id,
                stream,
                bytes: "line\n".into(),
            })
            .into();
        expected.push(returned(id, value));
        assert_eq!(pair.controller_events(), expected);
    }
}

#[test]
fn log_records_arrive_between_what_is_printed() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    let stream = OutputStream::Stdout;
    pair.agent.output(id, stream, b"before");
    pair.agent.log(
        id,
        LogRecord::new(LogLevel::Warn, "words::stats", "few words"),
    );
    pair.agent.output(id, stream, b"after");
    pair.agent.finish(id, Ok("2".into()), USAGE);
    pair.agent.log(
        id,
        LogRecord::new(LogLevel::Warn, "words::stats", "too late"),
    );

    let printed = |bytes: &'static str| ControllerEvent::Output {
        id,
        stream,
        bytes: bytes.into(),
    };
    let (level, target, message) = (LogLevel::Warn, "words::stats".into(), "few words".into());
    let logged = ControllerEvent::Log {
        id,
        level,
        target,
        message,
    };
    assert_eq!(
        pair.controller_events(),
        [
            printed("before"),
            logged,
            printed("after"),
            returned(id, "2")
        ]
    );
}

#[test]
fn a_log_record_is_cut_to_what_people_read() {
    let (target, message) = ("é".repeat(1000), "é".repeat(100_000));
    let record = LogRecord::new(LogLevel::Trace, &target, &message);
    assert_eq!(
        (record.target.len(), record.message.len()),
        (MAX_TARGET_BYTES, MAX_MESSAGE_BYTES)
    );
    assert_eq!(
        LogRecord::new(LogLevel::nearest(0), "", "a b").to_string(),
        "ERROR a b"
    );
    assert_eq!(
        LogRecord::new(LogLevel::nearest(9), "words", "a b").to_string(),
        "TRACE words: a b"
    );
}

#[test]
fn output_is_told_at_once() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    let bytes = Bytes::from("working\n");
    pair.agent.output(id, OutputStream::Stderr, &bytes);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Output {
            id,
            stream: OutputStream::Stderr,
            bytes
        }]
    );
}

#[test]
fn long_output_is_cut_and_arrives_whole() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    let written = long(200 << 10);
    pair.agent.output(id, OutputStream::Stdout, &written);
    let mut read = Vec::new();
    for event in pair.controller_events() {
        let ControllerEvent::Output { bytes, .. } = event else {
            panic!("output only")
        };
        assert!(bytes.len() <= CHUNK_BYTES);
        read.extend_from_slice(&bytes);
    }
    assert!(read == written);
}

#[test]
fn output_of_a_finished_call_is_not_sent() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.agent.finish(id, Ok("2".into()), USAGE);
    pair.agent.output(id, OutputStream::Stdout, b"too late");
    assert_eq!(pair.controller_events(), [returned(id, "2")]);
}

#[test]
fn the_inputs_of_all_open_calls_are_limited_together() {
    let mut pair = Pair::new();
    pair.agent = AgentConnection::new(Target::here()).with_inputs_limit(6);
    pair.controller = ControllerConnection::new();
    pair.controller_events();
    let one = pair.running(request("f", "four"));
    let id = pair.controller.call(request("f", "too"));
    let outcome = Err(Fault::Limit {
        which: LimitKind::TotalMemory,
        limit: 6,
        asked: 7,
    });
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Returned {
            id,
            outcome,
            usage: Usage::default()
        }]
    );
    pair.running(request("f", "ok"));

    pair.agent.finish(one, Ok("1".into()), USAGE);
    pair.running(request("f", "4444"));
}

#[test]
fn an_input_over_its_limit_fails_its_call_only() {
    let mut pair = Pair::new();
    let limits = Limits {
        input_bytes: 3,
        ..Limits::default()
    };
    let other = pair.running(request("g", "fits"));
    let id = pair.controller.call(CallRequest {
        terms: limits.clone().into(),
        ..request("f", "four")
    });
    let outcome = Err(Fault::Limit {
        which: LimitKind::Input,
        limit: 3,
        asked: 4,
    });
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Returned {
            id,
            outcome,
            usage: Usage::default()
        }]
    );
    assert_eq!(pair.agent_events(), []);

    pair.running(CallRequest {
        terms: limits.into(),
        ..request("f", "two")
    });
    pair.agent.finish(other, Ok("2".into()), USAGE);
    assert_eq!(pair.controller_events(), [returned(other, "2")]);
}

#[test]
fn calls_beyond_the_maximum_are_refused_until_one_has_returned() {
    let mut pair = Pair::new();
    let ids: Vec<_> = (0..MAX_CALLS)
        .map(|_| pair.controller.call(request("f", "1")))
        .collect();
    assert_eq!(pair.agent_events().len(), MAX_CALLS);

    let id = pair.controller.call(request("f", "1"));
    let limit = MAX_CALLS as u64;
    let outcome = Err(Fault::Limit {
        which: LimitKind::ConcurrentCalls,
        limit,
        asked: limit + 1,
    });
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Returned {
            id,
            outcome,
            usage: Usage::default()
        }]
    );

    pair.agent.finish(ids[0], Ok("2".into()), USAGE);
    pair.running(request("f", "1"));
}

#[test]
fn a_ping_is_answered_without_asking_the_driver() {
    let mut pair = Pair::new();
    let before = pair.controller.traffic().round_trips;
    pair.controller.ping();
    assert_eq!(pair.controller_events(), [ControllerEvent::Pong]);
    assert_eq!(pair.agent_events(), []);
    assert_eq!(pair.agent_said(), [ToController::Pong]);
    assert_eq!(pair.controller.traffic().round_trips - before, 1);
}

#[test]
fn what_the_agent_says_of_itself_is_no_round_trip() {
    let mut pair = Pair::new();
    let before = pair.controller.traffic().round_trips;
    let id = pair.running(request("f", "1"));
    for _ in 0..3 {
        pair.agent.output(id, OutputStream::Stdout, b"working\n");
        pair.settle();
    }
    assert_eq!(
        pair.controller.traffic().round_trips - before,
        1,
        "the call and the first that was heard of it"
    );
}

#[test]
fn goodbye_is_answered_when_open_calls_have_returned() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.controller.close();
    assert_eq!(pair.agent_events(), [AgentEvent::Closing]);
    assert!(!pair.agent.is_idle());

    pair.agent.finish(id, Ok("2".into()), USAGE);
    assert!(pair.agent.is_idle());
    pair.agent.close();
    assert_eq!(
        pair.controller_events(),
        [returned(id, "2"), ControllerEvent::Closed]
    );
    assert!(!pair.step(), "nothing is left to say");
}

#[test]
fn goodbye_does_not_overtake_a_long_result() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.controller.close();
    let value = long(1 << 20);
    pair.agent.finish(id, Ok(value.clone()), USAGE);
    pair.agent.close();
    assert_eq!(
        pair.controller_events(),
        [returned(id, value), ControllerEvent::Closed]
    );
}

#[test]
fn an_input_still_arriving_keeps_the_agent_busy() {
    let mut pair = Pair::new();
    let id = pair.controller.call(request("f", long(1 << 20)));
    pair.controller.close();
    pair.step();
    assert_eq!(pair.agent.poll_event(), Some(AgentEvent::Closing));
    assert!(!pair.agent.is_idle());

    assert!(matches!(*pair.agent_events(), [AgentEvent::Call { .. }]));
    pair.agent.finish(id, Ok("2".into()), USAGE);
    assert!(pair.agent.is_idle());
}

/// Runs a conversation with every kind of message; returns the events of both ends.
fn everything(mut pair: Pair) -> (Vec<AgentEvent>, Vec<ControllerEvent>) {
    let module = Digest::of(ARTIFACT);
    let empty = pair.controller.call(request("", ""));
    let long_call = pair.controller.call(request("long", long(150_000)));
    let unwanted = pair.controller.call(request("unwanted", "1"));
    let mut heard = pair.agent_events();
    pair.agent.need(module);
    let mut told = pair.controller_events();
    pair.controller.provide(module, ARTIFACT.into());
    pair.controller.cancel(unwanted);
    pair.controller.ping();
    heard.extend(pair.agent_events());
    pair.agent.finish(unwanted, Err(Fault::Cancelled), USAGE);
    pair.agent.log(
        empty,
        LogRecord::new(LogLevel::Error, "t", &"x".repeat(60_000)),
    );
    pair.agent
        .output(empty, OutputStream::Stdout, &long(70_000));
    pair.agent.finish(empty, Ok("".into()), USAGE);
    pair.agent.finish(long_call, Ok(long(150_001)), USAGE);
    pair.controller.close();
    heard.extend(pair.agent_events());
    pair.agent.close();
    told.extend(pair.controller_events());
    (heard, told)
}

#[test]
fn bytes_may_be_cut_anywhere() {
    let whole = everything(Pair::new());
    assert_eq!((whole.0.len(), whole.1.len()), (6, 8), "{whole:?}");
    for part_bytes in [1, 2, 3, 4, 5, 7, 64, 1021, CHUNK_BYTES, CHUNK_BYTES + 1] {
        assert!(
            everything(Pair::carrying_parts_of(part_bytes)) == whole,
            "parts of {part_bytes} bytes"
        );
    }
}

#[test]
fn guests_output_stops_until_some_of_it_was_taken() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    let mut sent = 0;
    while pair.agent.has_output_room() {
        pair.agent.output(id, OutputStream::Stdout, &long(1000));
        sent += output_cost(1000);
    }
    assert!((OUTPUT_WINDOW_BYTES..OUTPUT_WINDOW_BYTES + 2000).contains(&sent));
    pair.settle();
    assert_eq!(
        pair.controller_events().len() as u64,
        sent / output_cost(1000)
    );
    pair.controller.output_taken(OUTPUT_WINDOW_BYTES / 4 - 1);
    pair.settle();
    assert!(!pair.agent.has_output_room(), "too little to tell");
    pair.controller.output_taken(1);
    pair.settle();
    assert!(pair.agent.has_output_room());
}

#[test]
fn output_of_cancelled_calls_counts_as_taken() {
    let mut pair = Pair::new();
    let limits = Limits {
        stdio_bytes: u64::MAX,
        ..Limits::default()
    };
    let id = pair.running(CallRequest {
        terms: limits.into(),
        ..request("f", "1")
    });
    pair.controller.cancel(id);
    for _ in 0..3 {
        while pair.agent.has_output_room() {
            pair.agent
                .log(id, LogRecord::new(LogLevel::Info, "", &"x".repeat(9999)));
        }
        pair.settle();
        assert_eq!(pair.controller_events(), []);
    }
    assert!(pair.agent.has_output_room());
}

#[test]
fn what_streams_bring_before_a_call_has_arrived_is_told_behind_it() {
    let mut pair = Pair::new();
    let streams = pair.controller.open_call_streams(2);
    let input = long(3 * CHUNK_BYTES);
    pair.controller.call(CallRequest {
        streams: streams.clone(),
        ..request("f", input.clone())
    });
    pair.controller.send(streams[0], "early".into());
    pair.controller.finish_stream(streams[0]);
    pair.controller.close_stream(streams[1]);
    pair.settle();
    let told = pair.agent_events();
    let AgentEvent::Call { request, .. } = &told[0] else {
        panic!("{told:?}")
    };
    assert!(request.streams == streams && request.input == input);
    let [closed, data, finished] = &told[1..] else {
        panic!("{told:?}")
    };
    assert_eq!(*closed, AgentEvent::StreamClosed { id: streams[1] });
    assert_eq!(
        *data,
        AgentEvent::Data {
            id: streams[0],
            bytes: "early".into()
        }
    );
    assert_eq!(*finished, AgentEvent::Finished { id: streams[0] });
}
