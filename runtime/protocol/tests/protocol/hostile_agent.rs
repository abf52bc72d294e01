//! An agent that breaks the rules, one at a time, and the controller that notices.

use wxec_protocol::{
    BUILD, CHUNK_BYTES, CallRequest, ControllerConnection, ControllerEvent, Digest, Fault, Limits, MAX_FRAME_BYTES,
    OutputStream, ProtocolError, Target, Usage,
};

use crate::{
    pair::{ARTIFACT, long, request},
    wire::{Outcome, ToController, frame, raw_frame},
};

/// A greeted controller. What it says is not heard by anyone.
fn greeted() -> ControllerConnection {
    let mut controller = ControllerConnection::new();
    hear(&mut controller, &hello()).unwrap();
    controller.poll_event();
    controller
}

/// A greeted controller with call 0 open, which may return 8 bytes and print 4.
fn waiting() -> ControllerConnection {
    let mut controller = greeted();
    let limits = Limits { output_bytes: 8, stdio_bytes: 4, ..Limits::default() };
    controller.call(CallRequest { limits, ..request("f", "1") });
    controller
}

fn hear(controller: &mut ControllerConnection, message: &ToController) -> Result<(), ProtocolError> {
    controller.handle_input(&frame(message))
}

fn hello() -> ToController {
    ToController::Hello { build: BUILD.into(), target: Target::here() }
}

fn need() -> ToController {
    ToController::Need { module: Digest::of(ARTIFACT) }
}

fn output(stream: OutputStream, length: usize) -> ToController {
    ToController::Output { id: 0, stream, bytes: vec![b'x'; length] }
}

fn part(length: usize) -> ToController {
    ToController::Result { id: 0, bytes: vec![b'x'; length] }
}

fn done(length: usize) -> ToController {
    let outcome = Outcome::Done(vec![b'x'; length]);
    ToController::Return { id: 0, outcome, usage: Usage::default() }
}

fn failed() -> ToController {
    let outcome = Outcome::Failed(Fault::Cancelled);
    ToController::Return { id: 0, outcome, usage: Usage::default() }
}

/// What a person reads when the session ends for it.
fn complaint(result: Result<(), ProtocolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn speaks_before_it_greets() {
    for message in [ToController::Pong, ToController::Bye, need(), done(0)] {
        let heard = hear(&mut ControllerConnection::new(), &message);
        assert_eq!(complaint(heard), "no greeting where one belongs", "{message:?}");
    }
}

#[test]
fn greets_twice() {
    assert_eq!(hear(&mut greeted(), &hello()), Err(ProtocolError::Greeting));
}

#[test]
fn is_of_another_build() {
    let hello = ToController::Hello { build: "0123".into(), target: Target::here() };
    let mut controller = ControllerConnection::new();
    let heard = hear(&mut controller, &hello);
    assert_eq!(complaint(heard), format!("the other end is build 0123, this one is {BUILD}"));
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn announces_a_frame_too_long() {
    let head = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes();
    let complaint_is = "a frame of 1114113 bytes, more than the 1114112 allowed";
    assert_eq!(complaint(greeted().handle_input(&head)), complaint_is);

    let mut controller = greeted();
    controller.handle_input(&head[..3]).unwrap();
    assert_eq!(complaint(controller.handle_input(&head[3..])), complaint_is, "the head may be cut as well");
}

#[test]
fn a_frame_of_the_greatest_length_is_not_too_long() {
    let head = u32::try_from(MAX_FRAME_BYTES).unwrap().to_le_bytes();
    assert_eq!(greeted().handle_input(&head), Ok(()));
}

#[test]
fn sends_frames_that_are_no_message() {
    let pong = postcard::to_allocvec(&ToController::Pong).unwrap();
    let whole = postcard::to_allocvec(&output(OutputStream::Stdout, 4)).unwrap();
    let bodies = [vec![], vec![200], [&*pong, b"!"].concat(), whole[..whole.len() - 1].to_vec()];
    for body in bodies {
        let heard = waiting().handle_input(&raw_frame(&body));
        assert_eq!(complaint(heard), "a frame that is no message", "{body:?}");
    }
}

#[test]
fn asks_for_a_module_no_call_names() {
    let module = Digest::of(b"the family photographs");
    let heard = hear(&mut waiting(), &ToController::Need { module });
    assert_eq!(complaint(heard), format!("artifact {module} is not needed by any open call"));
}

#[test]
fn asks_for_a_module_when_its_call_has_returned() {
    let mut controller = waiting();
    hear(&mut controller, &done(0)).unwrap();
    assert_eq!(hear(&mut controller, &need()), Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT))));
}

#[test]
fn asks_again_for_a_module_while_it_is_being_sent() {
    let mut controller = waiting();
    hear(&mut controller, &need()).unwrap();
    controller.provide(Digest::of(ARTIFACT), long(10 * CHUNK_BYTES));
    controller.poll_transmit(&mut Vec::new());
    assert_eq!(hear(&mut controller, &need()), Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT))));
}

#[test]
fn asks_for_another_module_while_one_is_being_sent() {
    let mut controller = waiting();
    let other = Digest::of(b"another artifact");
    controller.call(CallRequest { module: other, ..request("g", "1") });
    controller.provide(Digest::of(ARTIFACT), long(10 * CHUNK_BYTES));
    assert_eq!(hear(&mut controller, &ToController::Need { module: other }), Ok(()), "which is its right");
}

#[test]
fn asks_for_a_module_too_often() {
    let mut controller = waiting();
    for _ in 0..3 {
        hear(&mut controller, &need()).unwrap();
        controller.provide(Digest::of(ARTIFACT), ARTIFACT.into());
        controller.poll_transmit(&mut Vec::new());
    }
    let heard = hear(&mut controller, &need());
    assert_eq!(complaint(heard), format!("artifact {} was asked for too often", Digest::of(ARTIFACT)));
}

#[test]
fn speaks_of_a_call_that_was_never_made() {
    let mut controller = greeted();
    for message in [output(OutputStream::Stdout, 1), part(1), done(1), failed()] {
        assert_eq!(complaint(hear(&mut controller, &message)), "a message about call 0, which is not open");
    }
}

#[test]
fn speaks_of_a_call_that_has_returned() {
    for message in [output(OutputStream::Stdout, 1), part(1), done(1), failed()] {
        let mut controller = waiting();
        hear(&mut controller, &done(1)).unwrap();
        assert!(matches!(hear(&mut controller, &message), Err(ProtocolError::UnknownCall(_))), "{message:?}");
    }
}

#[test]
fn returns_a_cancelled_call_twice() {
    let mut controller = greeted();
    let id = controller.call(request("f", "1"));
    controller.cancel(id);
    hear(&mut controller, &failed()).unwrap();
    assert_eq!(hear(&mut controller, &failed()), Err(ProtocolError::UnknownCall(id)));
}

#[test]
fn returns_more_than_the_call_may() {
    assert_eq!(hear(&mut waiting(), &done(8)), Ok(()));
    let heard = hear(&mut waiting(), &done(9));
    assert_eq!(complaint(heard), "a result is longer than the 8 bytes allowed");
}

#[test]
fn returns_more_than_the_call_may_in_parts() {
    let mut controller = waiting();
    hear(&mut controller, &part(5)).unwrap();
    hear(&mut controller, &part(3)).unwrap();
    assert_eq!(hear(&mut controller, &done(0)), Ok(()));

    let mut controller = waiting();
    hear(&mut controller, &part(5)).unwrap();
    assert!(matches!(hear(&mut controller, &part(4)), Err(ProtocolError::TooLong { limit: 8, .. })));

    let mut controller = waiting();
    hear(&mut controller, &part(8)).unwrap();
    assert!(matches!(hear(&mut controller, &done(1)), Err(ProtocolError::TooLong { limit: 8, .. })));
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn prints_more_than_the_call_may() {
    use OutputStream::{Log, Stderr, Stdout};

    for (stream, same) in [(Stdout, Stdout), (Stderr, Stderr), (Log(1), Log(5))] {
        let mut controller = waiting();
        hear(&mut controller, &output(stream, 3)).unwrap();
        hear(&mut controller, &output(stream, 1)).unwrap();
        let heard = hear(&mut controller, &output(same, 1));
        assert_eq!(complaint(heard), "a guest's output is longer than the 4 bytes allowed", "{stream:?}");
    }
}

#[test]
fn prints_on_every_stream_what_the_call_may() {
    let mut controller = waiting();
    for stream in [OutputStream::Stdout, OutputStream::Stderr, OutputStream::Log(3)] {
        assert_eq!(hear(&mut controller, &output(stream, 4)), Ok(()));
    }
}

#[test]
fn goes_on_after_a_cancellation() {
    let mut controller = greeted();
    let limits = Limits { output_bytes: 8, stdio_bytes: 4, ..Limits::default() };
    let id = controller.call(CallRequest { limits, ..request("f", "1") });
    hear(&mut controller, &part(5)).unwrap();
    controller.cancel(id);
    for message in [output(OutputStream::Stdout, 4), part(8), part(8)] {
        assert_eq!(hear(&mut controller, &message), Ok(()), "it has yet to hear of it");
    }
    assert!(matches!(hear(&mut controller, &part(9)), Err(ProtocolError::TooLong { .. })));
    let heard = hear(&mut controller, &output(OutputStream::Stdout, 1));
    assert!(matches!(heard, Err(ProtocolError::TooLong { .. })));
    assert_eq!(controller.poll_event(), None, "nothing of it is told");
}

#[test]
fn says_goodbye_unasked() {
    let mut controller = waiting();
    hear(&mut controller, &ToController::Bye).unwrap();
    assert_eq!(controller.poll_event(), Some(ControllerEvent::Closed), "whoever drives it ends what is open");
}

#[test]
fn stops_in_the_middle_of_a_frame() {
    let mut controller = waiting();
    let message = frame(&done(1));
    controller.handle_input(&message[..message.len() - 1]).unwrap();
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn is_not_heard_beyond_its_first_offence() {
    let mut controller = waiting();
    let wire = [frame(&hello()), frame(&done(1))].concat();
    assert_eq!(controller.handle_input(&wire), Err(ProtocolError::Greeting));
    assert_eq!(controller.poll_event(), None);
}
