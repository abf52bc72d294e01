//! Long inputs, results and modules: complete, taking turns, and without delaying short messages.

use bytes::Bytes;
use wxec_protocol::{
    AgentEvent, CHUNK_BYTES, CallRequest, ControllerEvent, Digest, Fault, LimitKind, Limits,
    TRANSMIT_BYTES, Usage,
};

use crate::{
    pair::{Pair, USAGE, long, request},
    wire::{ToAgent, ToController, number},
};

const MIB: usize = 1 << 20;

/// A call of `artifact`, which the agent lacks.
fn cold_call(pair: &mut Pair, artifact: &Bytes) {
    let module = Digest::of(artifact);
    pair.running(CallRequest {
        module,
        ..request("f", "1")
    });
    pair.agent.need(module);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need {
            module,
            again: false
        }]
    );
    pair.controller.provide(module, artifact.clone());
}

#[test]
fn ten_mebibytes_of_input_arrive_whole() {
    let mut pair = Pair::new();
    let input = long(10 * MIB);
    pair.controller.call(request("f", input.clone()));
    let [AgentEvent::Call { request, .. }] = &*pair.agent_events() else {
        panic!("one call")
    };
    assert!(request.input == input);
}

#[test]
fn ten_mebibytes_of_result_arrive_whole() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    let value = long(10 * MIB);
    pair.agent.finish(id, Ok(value.clone()), USAGE);
    let [
        ControllerEvent::Returned {
            outcome: Ok(arrived),
            usage: USAGE,
            ..
        },
    ] = &*pair.controller_events()
    else {
        panic!("one value")
    };
    assert!(*arrived == value);
}

#[test]
fn a_module_travels_in_chunks_and_arrives_whole() {
    let mut pair = Pair::new();
    let artifact = long(MIB + 1);
    cold_call(&mut pair, &artifact);
    let [AgentEvent::Module { digest, bytes }] = &*pair.agent_events() else {
        panic!("one module")
    };
    assert!(*digest == Digest::of(&artifact) && *bytes == artifact);

    let said = pair.controller_said();
    let chunks = said
        .iter()
        .filter(|message| matches!(message, ToAgent::Module { .. }))
        .count();
    assert_eq!(chunks, artifact.len().div_ceil(CHUNK_BYTES));
    assert_eq!(
        pair.controller.traffic().module_bytes,
        artifact.len() as u64
    );
}

#[test]
fn lengths_around_the_chunk_size_arrive_whole() {
    let mut pair = Pair::new();
    for length in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        2 * CHUNK_BYTES,
        TRANSMIT_BYTES,
    ] {
        let artifact = long(length);
        cold_call(&mut pair, &artifact);
        assert!(
            matches!(&*pair.agent_events(), [AgentEvent::Module { bytes, .. }] if *bytes == artifact),
            "{length}"
        );

        let id = pair.controller.call(request("f", artifact.clone()));
        assert!(
            matches!(&*pair.agent_events(), [AgentEvent::Call { request, .. }] if request.input == artifact),
            "{length}"
        );
        pair.agent.finish(id, Ok(artifact.clone()), USAGE);
        let outcome = Ok(artifact);
        assert!(
            pair.controller_events()
                == [ControllerEvent::Returned {
                    id,
                    outcome,
                    usage: USAGE
                }],
            "{length}"
        );
    }
}

#[test]
fn a_short_call_overtakes_a_long_input() {
    let mut pair = Pair::new();
    pair.controller.call(request("f", long(2 * MIB)));
    pair.step();
    pair.answers_a_short_call();
    assert!(
        matches!(*pair.agent_events(), [AgentEvent::Call { .. }]),
        "the long one is yet to come"
    );
}

#[test]
fn a_short_call_overtakes_a_long_result() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.agent.finish(id, Ok(long(2 * MIB)), USAGE);
    pair.step();
    pair.answers_a_short_call();
    assert!(
        matches!(
            *pair.controller_events(),
            [ControllerEvent::Returned { .. }]
        ),
        "the long one is yet to come"
    );
}

#[test]
fn a_short_call_overtakes_a_module() {
    let mut pair = Pair::new();
    cold_call(&mut pair, &long(2 * MIB));
    pair.step();
    pair.answers_a_short_call();
    assert!(
        matches!(*pair.agent_events(), [AgentEvent::Module { .. }]),
        "the module is yet to come"
    );
}

#[test]
fn a_transmission_holds_about_what_it_says() {
    let mut pair = Pair::new();
    pair.controller.call(request("f", long(MIB)));
    let mut wire = Vec::new();
    assert_eq!(pair.controller.poll_transmit(&mut wire), None);
    assert!(
        (TRANSMIT_BYTES..TRANSMIT_BYTES + CHUNK_BYTES + 100).contains(&wire.len()),
        "{} bytes",
        wire.len()
    );

    pair.controller.ping();
    let before = wire.len();
    assert_eq!(pair.controller.poll_transmit(&mut wire), None);
    assert_eq!(
        wire.len(),
        before + 5,
        "a full buffer takes the short messages only"
    );
}

#[test]
fn long_inputs_take_turns() {
    let mut pair = Pair::new();
    for _ in 0..3 {
        pair.controller.call(request("f", long(4 * CHUNK_BYTES)));
    }
    pair.settle();
    let turns = pair
        .controller_said()
        .into_iter()
        .filter_map(|message| match message {
            ToAgent::Input { id, .. } => Some(id),
            _ => None,
        });
    assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn long_results_take_turns() {
    let mut pair = Pair::new();
    let ids = [(); 2].map(|()| pair.running(request("f", "1")));
    for id in ids {
        pair.agent.finish(id, Ok(long(3 * CHUNK_BYTES)), USAGE);
    }
    pair.settle();
    let turns = pair
        .agent_said()
        .into_iter()
        .filter_map(|message| match message {
            ToController::Result { id, .. } | ToController::Return { id, .. } => Some(id),
            _ => None,
        });
    let [a, b] = ids.map(number);
    assert_eq!(turns.collect::<Vec<_>>(), [a, b, a, b, a, b]);
}

#[test]
fn a_refused_input_is_not_sent_to_its_end() {
    let mut pair = Pair::new();
    let limits = Limits {
        input_bytes: MIB as u64,
        ..Limits::default()
    };
    let id = pair.controller.call(CallRequest {
        terms: limits.into(),
        ..request("f", long(10 * MIB))
    });
    let outcome = Err(Fault::Limit {
        which: LimitKind::Input,
        limit: MIB as u64,
        asked: 10 * MIB as u64,
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
    assert!(pair.controller.traffic().bytes_sent < MIB as u64);
}

#[test]
fn a_call_may_fail_while_its_result_is_awaited() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", long(MIB)));
    pair.agent
        .finish(id, Err(Fault::Deadline { after_ms: 5 }), USAGE);
    let outcome = Err(Fault::Deadline { after_ms: 5 });
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Returned {
            id,
            outcome,
            usage: USAGE
        }]
    );
}
