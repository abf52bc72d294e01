//! Cancelled calls: before, while and after they run.

use wxec_protocol::{AgentEvent, ControllerEvent, Digest, Fault, OutputStream};

use crate::{
    pair::{ARTIFACT, Pair, USAGE, long, request},
    wire::{ToAgent, ToController},
};

const MIB: usize = 1 << 20;

#[test]
fn a_call_that_was_never_sent_leaves_no_payload() {
    let mut pair = Pair::new();
    let id = pair.controller.call(request("f", long(4 * MIB)));
    pair.controller.cancel(id);
    assert_eq!(pair.controller_events(), []);
    assert_eq!(pair.agent_events(), []);
    assert!(matches!(
        *pair.controller_said(),
        [ToAgent::Call { .. }, ToAgent::Cancel { .. }]
    ));
    assert!(pair.agent.is_idle());
}

#[test]
fn a_call_whose_input_is_arriving_never_runs() {
    let mut pair = Pair::new();
    let id = pair.controller.call(request("f", long(4 * MIB)));
    pair.step();
    pair.controller_said();
    pair.controller.cancel(id);
    assert_eq!(pair.controller_events(), []);
    assert_eq!(pair.agent_events(), []);
    assert!(
        matches!(*pair.controller_said(), [ToAgent::Cancel { .. }]),
        "no more of the input"
    );
    assert!(pair.agent.is_idle());
}

#[test]
fn a_running_call_is_ended_and_not_told() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.controller.cancel(id);
    assert_eq!(pair.agent_events(), [AgentEvent::Cancel { id }]);
    assert!(!pair.agent.is_idle(), "the agent has yet to end it");

    pair.agent.output(id, OutputStream::Stderr, b"ending");
    pair.agent.finish(id, Err(Fault::Cancelled), USAGE);
    assert_eq!(pair.controller_events(), []);
    assert!(pair.agent.is_idle());
}

#[test]
fn a_call_that_has_just_returned_is_cancelled_in_vain() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.agent.finish(id, Ok("2".into()), USAGE);
    pair.controller.cancel(id);
    assert_eq!(pair.controller_events(), []);
    assert_eq!(pair.agent_events(), []);
}

#[test]
fn a_call_that_was_told_is_cancelled_without_a_word() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.agent.finish(id, Ok("2".into()), USAGE);
    assert!(matches!(
        *pair.controller_events(),
        [ControllerEvent::Returned { .. }]
    ));
    pair.controller_said();
    pair.controller.cancel(id);
    pair.settle();
    assert_eq!(pair.controller_said(), []);
}

#[test]
fn cancelling_twice_says_it_once() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.controller.cancel(id);
    pair.controller.cancel(id);
    assert_eq!(pair.agent_events(), [AgentEvent::Cancel { id }]);
}

#[test]
fn a_result_on_its_way_stops() {
    let mut pair = Pair::new();
    let id = pair.running(request("f", "1"));
    pair.agent.finish(id, Ok(long(4 * MIB)), USAGE);
    pair.step();
    pair.controller.cancel(id);
    assert_eq!(pair.controller_events(), []);
    assert!(pair.controller.traffic().bytes_received < MIB as u64);
    assert!(matches!(
        pair.agent_said().last(),
        Some(ToController::Return { .. })
    ));
}

#[test]
fn a_cancelled_call_leaves_others_alone() {
    let mut pair = Pair::new();
    let [input, other_input] = [long(MIB), long(MIB + 1)];
    let id = pair.controller.call(request("f", input));
    let other = pair.controller.call(request("g", other_input.clone()));
    pair.step();
    pair.controller.cancel(id);
    let [AgentEvent::Call { id, request: call }] = &*pair.agent_events() else {
        panic!("one call")
    };
    assert!(*id == other && call.input == other_input);

    let third = pair.running(request("h", "1"));
    pair.agent.finish(third, Ok(long(MIB)), USAGE);
    pair.agent.finish(other, Ok(long(MIB)), USAGE);
    pair.step();
    pair.controller.cancel(third);
    let [
        ControllerEvent::Returned {
            id: returned,
            outcome: Ok(value),
            ..
        },
    ] = &*pair.controller_events()
    else {
        panic!("one value")
    };
    assert!(*returned == other && *value == long(MIB));
}

#[test]
fn a_module_on_its_way_for_a_cancelled_call_is_of_use_to_the_next() {
    let mut pair = Pair::new();
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
    pair.controller.cancel(id);
    assert_eq!(pair.agent_events(), [AgentEvent::Cancel { id }]);
    pair.agent.finish(id, Err(Fault::Cancelled), USAGE);
    pair.settle();

    pair.running(request("f", "1"));
    pair.agent.need(module);
    assert_eq!(pair.controller_events(), [], "it was asked for already");
    pair.controller.provide(module, ARTIFACT.into());
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::Module {
            digest: module,
            bytes: ARTIFACT.into()
        }]
    );
}

#[test]
fn a_module_that_arrives_damaged_for_a_cancelled_call_is_not_asked_for() {
    let mut pair = Pair::new();
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
    pair.controller.cancel(id);
    assert_eq!(pair.agent_events(), [AgentEvent::Cancel { id }]);
    pair.agent.finish(id, Err(Fault::Cancelled), USAGE);
    assert_eq!(pair.controller_events(), []);
    pair.controller.provide(module, "damaged".into());
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::DamagedModule { digest: module }]
    );
    assert_eq!(pair.controller_events(), [], "nobody wants it");

    pair.running(request("f", "1"));
    pair.agent.need(module);
    assert!(matches!(
        *pair.controller_events(),
        [ControllerEvent::Need { .. }]
    ));
    pair.controller.provide(module, ARTIFACT.into());
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::Module {
            digest: module,
            bytes: ARTIFACT.into()
        }]
    );
}

/// Runs one long call, and cancels it after `steps` transmissions. Returns how many outcomes
/// arrived before.
fn cancelled_after(steps: usize) -> usize {
    let mut pair = Pair::new();
    let id = pair.controller.call(request("f", long(MIB)));
    let mut outcomes = 0;
    for step in 0..50 {
        if step == steps {
            pair.controller.cancel(id);
        }
        pair.step();
        match pair.agent.poll_event() {
            Some(AgentEvent::Call { id, .. }) => pair.agent.finish(id, Ok(long(MIB)), USAGE),
            Some(event) => panic!("{event:?} although a call finishes at once"),
            None => {}
        }
        match pair.controller.poll_event() {
            Some(ControllerEvent::Returned { .. }) if step < steps => outcomes += 1,
            Some(event) => panic!("{event:?} after {steps} steps"),
            None => {}
        }
    }
    assert!(pair.agent.is_idle());
    assert!(!pair.step(), "nothing is left to say");
    outcomes
}

#[test]
fn whenever_a_call_is_cancelled_it_has_one_outcome_or_none() {
    let outcomes: Vec<_> = (0..12).map(cancelled_after).collect();
    assert_eq!(outcomes.first(), Some(&0));
    assert_eq!(outcomes.last(), Some(&1));
    assert!(outcomes.is_sorted(), "{outcomes:?}");
}
