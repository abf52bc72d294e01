//! Asks: tasks that guests call on other hosts. The agent asks, the controller answers.

use bytes::Bytes;
use wxec_protocol::{
    AgentConnection, AgentEvent, Ask, CallErrorKind, CallId, CallRequest, ControllerEvent, Fault,
    Grants, LimitKind, MAX_ADDRESS_BYTES, MAX_ASK_BYTES, MAX_ASKS, MAX_FUNCTION_BYTES, Phase,
    Unreachable, abi::TaskFailure, cbor,
};

use crate::pair::{Pair, USAGE, long, request};

/// A call that may call tasks on `ssh:db`.
fn granted() -> CallRequest {
    CallRequest {
        terms: Grants::none().host("ssh:db").into(),
        ..request("f", "1")
    }
}

fn question() -> Ask {
    Ask {
        address: "ssh:db".into(),
        function: "words::count".into(),
        input: "text".into(),
        deadline_ms: Some(500),
    }
}

/// A pair, and a call in it whose guest may ask.
fn running() -> (Pair, CallId) {
    let mut pair = Pair::new();
    let call = pair.running(granted());
    (pair, call)
}

#[test]
fn an_ask_is_answered_with_a_value_or_an_error() {
    let (mut pair, call) = running();
    let unreachable = Unreachable::new(Phase::Authentication, "permission denied").at("bastion");
    let outcomes = [
        Ok(Bytes::from("value")),
        Ok(long(MAX_ASK_BYTES)),
        Err(CallErrorKind::Unreachable(unreachable)),
        Err(CallErrorKind::Cancelled),
    ];
    for outcome in outcomes {
        let ask = pair.agent.ask(call, &question()).unwrap();
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Ask {
                call,
                ask,
                question: question()
            }]
        );
        pair.controller.answer(ask, outcome.clone());
        let outcome = outcome.map_err(|error| cbor::encode(&error).unwrap().into());
        assert_eq!(pair.agent_events(), [AgentEvent::Answer { ask, outcome }]);
    }
}

#[test]
fn asks_are_answered_in_any_order() {
    let (mut pair, call) = running();
    let [first, second] = [(); 2].map(|()| pair.agent.ask(call, &question()).unwrap());
    assert_eq!(pair.controller_events().len(), 2);
    pair.controller.answer(second, Ok("2".into()));
    pair.controller.answer(first, Ok("1".into()));
    let answers = [(second, "2"), (first, "1")];
    assert_eq!(
        pair.agent_events(),
        answers.map(|(ask, value)| AgentEvent::Answer {
            ask,
            outcome: Ok(value.into())
        })
    );
}

#[test]
fn what_does_not_fit_into_a_frame_is_not_asked() {
    let (mut pair, call) = running();
    let longest = Ask {
        address: "ssh:db".into(),
        function: "f".repeat(MAX_FUNCTION_BYTES),
        input: long(MAX_ASK_BYTES),
        deadline_ms: Some(u64::MAX),
    };
    let too_long = [
        Ask {
            input: long(MAX_ASK_BYTES + 1),
            ..question()
        },
        Ask {
            function: "f".repeat(MAX_FUNCTION_BYTES + 1),
            ..question()
        },
        Ask {
            address: "a".repeat(MAX_ADDRESS_BYTES + 1),
            ..question()
        },
    ];
    assert!(
        too_long
            .iter()
            .all(|question| pair.agent.ask(call, question).is_none())
    );
    assert!(pair.agent.ask(call, &longest).is_some());
    assert!(matches!(
        *pair.controller_events(),
        [ControllerEvent::Ask { .. }]
    ));
}

#[test]
fn an_answer_that_does_not_fit_into_a_frame_says_so() {
    let (mut pair, call) = running();
    let endless = CallErrorKind::BadModule("x".repeat(2 << 20));
    for (outcome, asked) in [
        (Ok(long(MAX_ASK_BYTES + 1)), 1 << 20),
        (Err(endless), 2 << 20),
    ] {
        let ask = pair.agent.ask(call, &question()).unwrap();
        pair.controller_events();
        pair.controller.answer(ask, outcome);
        let [
            AgentEvent::Answer {
                outcome: Err(error),
                ..
            },
        ] = &*pair.agent_events()
        else {
            panic!("one error")
        };
        let error: CallErrorKind<TaskFailure> = cbor::decode(error).unwrap();
        assert!(
            matches!(error, CallErrorKind::Limit { which: LimitKind::Output, asked: it, .. } if it > asked),
            "{error:?}"
        );
    }
}

#[test]
fn a_call_has_no_more_asks_open_than_it_may() {
    let (mut pair, call) = running();
    let asks: Vec<_> = (0..MAX_ASKS)
        .map(|_| pair.agent.ask(call, &question()).unwrap())
        .collect();
    assert_eq!(pair.agent.ask(call, &question()), None);
    assert_eq!(pair.controller_events().len(), MAX_ASKS);
    pair.controller.answer(asks[7], Ok("1".into()));
    assert!(matches!(*pair.agent_events(), [AgentEvent::Answer { .. }]));
    assert!(pair.agent.ask(call, &question()).is_some());
    let other = pair.running(granted());
    assert!(
        pair.agent.ask(other, &question()).is_some(),
        "each call has its own"
    );
    pair.settle();
}

#[test]
fn what_a_call_asked_for_ends_with_it() {
    let (mut pair, call) = running();
    let ask = pair.agent.ask(call, &question()).unwrap();
    pair.settle();
    pair.agent.finish(call, Ok("2".into()), USAGE);
    assert!(matches!(
        *pair.controller_events(),
        [
            ControllerEvent::Ask { .. },
            ControllerEvent::Returned { .. }
        ]
    ));
    pair.controller_said();
    pair.controller.answer(ask, Ok("too late".into()));
    assert_eq!(pair.agent_events(), []);
    assert_eq!(pair.controller_said(), [], "nobody would read it");
    assert_eq!(
        pair.agent.ask(call, &question()),
        None,
        "nor does it ask any more"
    );
}

#[test]
fn an_answer_that_meets_the_end_of_its_call_is_read_by_nobody() {
    let (mut pair, call) = running();
    let ask = pair.agent.ask(call, &question()).unwrap();
    pair.settle();
    pair.agent.finish(call, Ok("2".into()), USAGE);
    pair.controller.answer(ask, Ok("too late".into()));
    assert_eq!(pair.agent_events(), []);
}

#[test]
fn a_cancelled_call_asks_in_vain() {
    let (mut pair, call) = running();
    let ask = pair.agent.ask(call, &question()).unwrap();
    pair.settle();
    pair.controller.cancel(call);
    pair.controller.answer(ask, Ok("unwanted".into()));
    let late = pair.agent.ask(call, &question());
    assert!(late.is_some(), "it has not heard yet");
    assert_eq!(pair.agent_events(), [AgentEvent::Cancel { id: call }]);
    assert!(
        matches!(*pair.controller_events(), [ControllerEvent::Ask { .. }]),
        "only what was asked before"
    );
    pair.agent.finish(call, Err(Fault::Cancelled), USAGE);
    pair.settle();
    assert!(pair.agent.is_idle());
}

/// An agent without an open call cannot ask.
#[test]
fn there_is_no_ask_without_a_call() {
    let (_, call) = running();
    let mut agent = AgentConnection::new(wxec_protocol::Target::here());
    assert_eq!(agent.ask(call, &question()), None);
}
