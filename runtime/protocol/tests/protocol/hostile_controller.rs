//! A controller that breaks the rules, one at a time, and the agent that notices.

use wxec_protocol::{
    AgentConnection, AgentEvent, BUILD, Digest, Limits, MAX_FRAME_BYTES, MAX_MODULE_BYTES, ProtocolError, Target,
};

use crate::{
    pair::ARTIFACT,
    wire::{ToAgent, ToController, frame, messages, raw_frame},
};

/// A greeted agent. What it says is heard by [`answers`] alone.
fn greeted() -> AgentConnection {
    let mut agent = AgentConnection::new(Target::here());
    hear(&mut agent, &hello()).unwrap();
    answers(&mut agent);
    agent
}

fn hear(agent: &mut AgentConnection, message: &ToAgent) -> Result<(), ProtocolError> {
    agent.handle_input(&frame(message))
}

fn answers(agent: &mut AgentConnection) -> Vec<ToController> {
    let mut wire = Vec::new();
    agent.poll_transmit(&mut wire);
    messages(&wire)
}

fn hello() -> ToAgent {
    ToAgent::Hello { build: BUILD.into() }
}

/// Call 0, whose input begins with `input`.
fn call(input_length: u64, input: &[u8]) -> ToAgent {
    let limits = Limits { input_bytes: u64::MAX, ..Limits::default() };
    let module = Digest::of(ARTIFACT);
    ToAgent::Call { id: 0, module, function: "f".into(), limits, input_length, input: input.into() }
}

fn input(bytes: &[u8]) -> ToAgent {
    ToAgent::Input { id: 0, bytes: bytes.into() }
}

fn module(length: u64, bytes: &[u8]) -> ToAgent {
    ToAgent::Module { digest: Digest::of(ARTIFACT), length, bytes: bytes.into() }
}

/// A greeted agent that asked for a module.
fn asking() -> AgentConnection {
    let mut agent = greeted();
    agent.need(Digest::of(ARTIFACT));
    agent
}

/// What a person reads when the session ends for it.
fn complaint(result: Result<(), ProtocolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn speaks_before_it_greets() {
    for message in [ToAgent::Ping, ToAgent::Bye, call(0, b"")] {
        let mut agent = AgentConnection::new(Target::here());
        assert_eq!(complaint(hear(&mut agent, &message)), "no greeting where one belongs", "{message:?}");
    }
}

#[test]
fn greets_twice() {
    assert_eq!(hear(&mut greeted(), &hello()), Err(ProtocolError::Greeting));
}

#[test]
fn is_of_another_build() {
    let mut agent = AgentConnection::new(Target::here());
    let heard = hear(&mut agent, &ToAgent::Hello { build: "0123".into() });
    assert_eq!(heard, Err(ProtocolError::OtherBuild { ours: BUILD, theirs: "0123".into() }));
}

#[test]
fn announces_a_frame_too_long() {
    let head = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes();
    assert_eq!(greeted().handle_input(&head), Err(ProtocolError::FrameTooLong(MAX_FRAME_BYTES + 1)));
}

#[test]
fn sends_frames_that_are_no_message() {
    let ping = postcard::to_allocvec(&ToAgent::Ping).unwrap();
    for body in [vec![], vec![200], [&*ping, b"!"].concat()] {
        assert_eq!(greeted().handle_input(&raw_frame(&body)), Err(ProtocolError::Malformed), "{body:?}");
    }
}

#[test]
fn uses_the_number_of_a_running_call() {
    let mut agent = greeted();
    hear(&mut agent, &call(1, b"1")).unwrap();
    assert_eq!(complaint(hear(&mut agent, &call(1, b"1"))), "call 0 was made twice");
}

#[test]
fn uses_the_number_of_an_arriving_call() {
    let mut agent = greeted();
    hear(&mut agent, &call(2, b"1")).unwrap();
    assert!(matches!(hear(&mut agent, &call(1, b"1")), Err(ProtocolError::DuplicateCall(_))));
}

#[test]
fn sends_more_input_than_it_announced() {
    let heard = hear(&mut greeted(), &call(1, b"12"));
    assert_eq!(complaint(heard), "an input is longer than the 1 bytes allowed");

    let mut agent = greeted();
    hear(&mut agent, &call(3, b"12")).unwrap();
    assert!(matches!(hear(&mut agent, &input(b"34")), Err(ProtocolError::TooLong { limit: 3, .. })));
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn sends_input_nobody_waits_for() {
    let mut agent = greeted();
    assert_eq!(hear(&mut agent, &input(b"12")), Ok(()), "as after a refusal");
    hear(&mut agent, &call(1, b"1")).unwrap();
    assert_eq!(hear(&mut agent, &input(b"2")), Ok(()));
    assert!(matches!(agent.poll_event(), Some(AgentEvent::Call { input, .. }) if input == "1"));
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn announces_more_than_there_is_memory() {
    let mut agent = greeted();
    assert_eq!(hear(&mut agent, &call(u64::MAX, b"1")), Ok(()));
    assert_eq!(agent.poll_event(), None, "it waits, and has reserved nothing");
}

#[test]
fn sends_a_module_nobody_asked_for() {
    let digest = Digest::of(ARTIFACT);
    let heard = hear(&mut greeted(), &module(ARTIFACT.len() as u64, ARTIFACT));
    assert_eq!(complaint(heard), format!("artifact {digest} is not needed by any open call"));
    let heard = hear(&mut greeted(), &ToAgent::NoModule { digest, reason: String::new() });
    assert_eq!(heard, Err(ProtocolError::UnexpectedModule(digest)));
}

#[test]
fn sends_a_module_twice() {
    let mut agent = asking();
    let whole = module(ARTIFACT.len() as u64, ARTIFACT);
    hear(&mut agent, &whole).unwrap();
    assert_eq!(hear(&mut agent, &whole), Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT))));
}

#[test]
fn sends_a_module_with_other_bytes() {
    let mut agent = asking();
    let mut bytes = ARTIFACT.to_vec();
    bytes[5] ^= 1;
    hear(&mut agent, &module(ARTIFACT.len() as u64, &bytes[..5])).unwrap();
    let heard = hear(&mut agent, &module(ARTIFACT.len() as u64, &bytes[5..]));
    assert_eq!(complaint(heard), format!("artifact {} arrived with other bytes", Digest::of(ARTIFACT)));
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn sends_a_module_with_fewer_bytes() {
    let length = ARTIFACT.len() as u64 - 1;
    let heard = hear(&mut asking(), &module(length, &ARTIFACT[1..]));
    assert_eq!(heard, Err(ProtocolError::WrongDigest(Digest::of(ARTIFACT))));
}

#[test]
fn sends_more_of_a_module_than_it_announced() {
    let heard = hear(&mut asking(), &module(3, ARTIFACT));
    assert_eq!(complaint(heard), "an artifact is longer than the 3 bytes allowed");

    let mut agent = asking();
    hear(&mut agent, &module(3, &ARTIFACT[..2])).unwrap();
    assert!(matches!(hear(&mut agent, &module(3, &ARTIFACT[2..])), Err(ProtocolError::TooLong { limit: 3, .. })));
}

#[test]
fn announces_a_module_too_long() {
    assert_eq!(hear(&mut asking(), &module(MAX_MODULE_BYTES, b"")), Ok(()));
    let heard = hear(&mut asking(), &module(MAX_MODULE_BYTES + 1, b""));
    assert_eq!(complaint(heard), "an artifact is longer than the 268435456 bytes allowed");
}

#[test]
fn cancels_what_it_never_called() {
    let mut agent = greeted();
    assert_eq!(hear(&mut agent, &ToAgent::Cancel { id: 7 }), Ok(()), "as when a call has just returned");
    assert_eq!(agent.poll_event(), None);
    assert_eq!(answers(&mut agent), []);
}
