//! An agent that breaks the rules, one at a time, and the controller that notices.

use wxec_protocol::{
    BUILD, CHUNK_BYTES, CallRequest, ControllerConnection, ControllerEvent, Description, Digest,
    Fault, Grants, Limits, LogLevel, MAX_ASK_BYTES, MAX_ASKS, MAX_FRAME_BYTES, NARROW_WINDOW_BYTES,
    OUTPUT_WINDOW_BYTES, OutputStream, ProcessStreams, ProtocolError, STREAM_WINDOW_BYTES, Splice,
    StreamEnd, Target, Terms, Usage, output_cost,
};

use crate::{
    pair::{ARTIFACT, command, long, request},
    wire::{Outcome, ToAgent, ToController, frame, messages, narrow, raw_frame},
};

/// A greeted controller. Its messages are dropped.
fn greeted() -> ControllerConnection {
    let mut controller = ControllerConnection::new();
    hear(&mut controller, &hello()).unwrap();
    controller.poll_event();
    controller
}

/// A greeted controller with call 0 open, which may return 8 bytes and print 4.
fn waiting() -> ControllerConnection {
    let mut controller = greeted();
    let limits = Limits {
        output_bytes: 8,
        stdio_bytes: 4,
        ..Limits::default()
    };
    controller.call(CallRequest {
        terms: limits.into(),
        ..request("f", "1")
    });
    controller
}

fn hear(
    controller: &mut ControllerConnection,
    message: &ToController,
) -> Result<(), ProtocolError> {
    controller.handle_input(&frame(message))
}

fn hello() -> ToController {
    ToController::Hello {
        build: BUILD.into(),
        target: Target::here(),
    }
}

fn need() -> ToController {
    ToController::Need {
        module: Digest::of(ARTIFACT),
    }
}

fn output(stream: OutputStream, length: usize) -> ToController {
    ToController::Output {
        id: 0,
        stream,
        bytes: vec![b'x'; length],
    }
}

fn log(level: LogLevel, target: &str, message: &str) -> ToController {
    ToController::Log {
        id: 0,
        level,
        target: target.into(),
        message: message.into(),
    }
}

fn part(length: usize) -> ToController {
    ToController::Result {
        id: 0,
        bytes: vec![b'x'; length],
    }
}

fn done(length: usize) -> ToController {
    let outcome = Outcome::Done(vec![b'x'; length]);
    ToController::Return {
        id: 0,
        outcome,
        usage: Usage::default(),
    }
}

fn failed() -> ToController {
    let outcome = Outcome::Failed(Fault::Cancelled);
    ToController::Return {
        id: 0,
        outcome,
        usage: Usage::default(),
    }
}

/// A greeted controller that started a process with streams 0 and 1.
fn streaming() -> (ControllerConnection, ProcessStreams) {
    let mut controller = greeted();
    let streams = controller.start(command(&["cat"]), false);
    (controller, streams)
}

fn data(id: u64, length: usize) -> ToController {
    ToController::Data {
        id,
        bytes: vec![b'x'; length],
    }
}

fn credit(id: u64, bytes: u64) -> ToController {
    ToController::Credit { id, bytes }
}

fn close(id: u64) -> ToController {
    ToController::Close {
        id,
        end: StreamEnd::Exited(0),
    }
}

/// Sends the next transmission; returns its number of stream bytes.
fn leaves(controller: &mut ControllerConnection) -> u64 {
    let mut wire = Vec::new();
    assert_eq!(controller.poll_transmit(&mut wire), None);
    let lengths = messages(&wire).into_iter().map(|message| match message {
        ToAgent::Data { bytes, .. } => bytes.len() as u64,
        ToAgent::Splice { length, .. } => length,
        _ => 0,
    });
    lengths.sum()
}

/// All messages about a stream.
fn words(id: u64) -> [ToController; 4] {
    [
        data(id, 1),
        credit(id, 0),
        ToController::Finish { id },
        close(id),
    ]
}

/// The error text that a person reads when it ends the session.
fn complaint(result: Result<(), ProtocolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn speaks_before_it_greets() {
    let blob = ToController::Blob {
        digest: Digest::of(ARTIFACT),
        held: true,
    };
    for message in [
        ToController::Pong,
        ToController::Bye,
        need(),
        done(0),
        data(0, 1),
        blob,
    ] {
        let heard = hear(&mut ControllerConnection::new(), &message);
        assert_eq!(
            complaint(heard),
            "no greeting where one belongs",
            "{message:?}"
        );
    }
}

#[test]
fn greets_twice() {
    assert_eq!(hear(&mut greeted(), &hello()), Err(ProtocolError::Greeting));
}

#[test]
fn is_of_another_build() {
    let hello = ToController::Hello {
        build: "0123".into(),
        target: Target::here(),
    };
    let mut controller = ControllerConnection::new();
    let heard = hear(&mut controller, &hello);
    assert_eq!(
        complaint(heard),
        format!("the other end is build 0123, this one is {BUILD}")
    );
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn announces_a_frame_too_long() {
    let head = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes();
    let complaint_is = "a frame of 1114113 bytes, more than the 1114112 allowed";
    assert_eq!(complaint(greeted().handle_input(&head)), complaint_is);

    let mut controller = greeted();
    controller.handle_input(&head[..3]).unwrap();
    assert_eq!(
        complaint(controller.handle_input(&head[3..])),
        complaint_is,
        "the head may be cut as well"
    );
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
    let bodies = [
        vec![],
        vec![200],
        [&*pong, b"!"].concat(),
        whole[..whole.len() - 1].to_vec(),
    ];
    for body in bodies {
        let heard = waiting().handle_input(&raw_frame(&body));
        assert_eq!(complaint(heard), "a frame that is no message", "{body:?}");
    }
}

#[test]
fn asks_for_a_module_no_call_names() {
    let module = Digest::of(b"the family photographs");
    let heard = hear(&mut waiting(), &ToController::Need { module });
    assert_eq!(
        complaint(heard),
        format!("artifact {module} is not needed by any open call")
    );
}

#[test]
fn asks_for_a_module_when_its_call_has_returned() {
    let mut controller = waiting();
    hear(&mut controller, &done(0)).unwrap();
    assert_eq!(
        hear(&mut controller, &need()),
        Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT)))
    );
}

#[test]
fn asks_again_for_a_module_while_it_is_being_sent() {
    let mut controller = waiting();
    hear(&mut controller, &need()).unwrap();
    controller.provide(Digest::of(ARTIFACT), long(10 * CHUNK_BYTES));
    assert_eq!(controller.poll_transmit(&mut Vec::new()), None);
    assert_eq!(
        hear(&mut controller, &need()),
        Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT)))
    );
}

#[test]
fn asks_for_another_module_while_one_is_being_sent() {
    let mut controller = waiting();
    let other = Digest::of(b"another artifact");
    controller.call(CallRequest {
        module: other,
        ..request("g", "1")
    });
    controller.provide(Digest::of(ARTIFACT), long(10 * CHUNK_BYTES));
    assert_eq!(
        hear(&mut controller, &ToController::Need { module: other }),
        Ok(()),
        "which is its right"
    );
}

#[test]
fn asks_for_a_module_too_often() {
    let mut controller = waiting();
    for _ in 0..3 {
        hear(&mut controller, &need()).unwrap();
        controller.provide(Digest::of(ARTIFACT), ARTIFACT.into());
        assert_eq!(controller.poll_transmit(&mut Vec::new()), None);
    }
    let heard = hear(&mut controller, &need());
    assert_eq!(
        complaint(heard),
        format!("artifact {} was asked for too often", Digest::of(ARTIFACT))
    );
}

#[test]
fn speaks_of_a_call_that_was_never_made() {
    let mut controller = greeted();
    for message in [
        output(OutputStream::Stdout, 1),
        log(LogLevel::Info, "", ""),
        part(1),
        done(1),
        failed(),
    ] {
        assert_eq!(
            complaint(hear(&mut controller, &message)),
            "a message about call 0, which is not open"
        );
    }
}

#[test]
fn speaks_of_a_call_that_has_returned() {
    for message in [
        output(OutputStream::Stdout, 1),
        log(LogLevel::Info, "", ""),
        part(1),
        done(1),
        failed(),
    ] {
        let mut controller = waiting();
        hear(&mut controller, &done(1)).unwrap();
        assert!(
            matches!(
                hear(&mut controller, &message),
                Err(ProtocolError::UnknownCall(_))
            ),
            "{message:?}"
        );
    }
}

#[test]
fn returns_a_cancelled_call_twice() {
    let mut controller = greeted();
    let id = controller.call(request("f", "1"));
    controller.cancel(id);
    hear(&mut controller, &failed()).unwrap();
    assert_eq!(
        hear(&mut controller, &failed()),
        Err(ProtocolError::UnknownCall(id))
    );
}

#[test]
fn returns_more_than_the_call_may() {
    assert_eq!(hear(&mut waiting(), &done(8)), Ok(()));
    let heard = hear(&mut waiting(), &done(9));
    assert_eq!(
        complaint(heard),
        "a result is longer than the 8 bytes allowed"
    );
}

#[test]
fn returns_more_than_the_call_may_in_parts() {
    let mut controller = waiting();
    hear(&mut controller, &part(5)).unwrap();
    hear(&mut controller, &part(3)).unwrap();
    assert_eq!(hear(&mut controller, &done(0)), Ok(()));

    let mut controller = waiting();
    hear(&mut controller, &part(5)).unwrap();
    assert!(matches!(
        hear(&mut controller, &part(4)),
        Err(ProtocolError::TooLong { limit: 8, .. })
    ));

    let mut controller = waiting();
    hear(&mut controller, &part(8)).unwrap();
    assert!(matches!(
        hear(&mut controller, &done(1)),
        Err(ProtocolError::TooLong { limit: 8, .. })
    ));
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn prints_more_than_the_call_may() {
    for stream in [OutputStream::Stdout, OutputStream::Stderr] {
        let mut controller = waiting();
        hear(&mut controller, &output(stream, 3)).unwrap();
        hear(&mut controller, &output(stream, 1)).unwrap();
        let heard = hear(&mut controller, &output(stream, 1));
        assert_eq!(
            complaint(heard),
            "a guest's output is longer than the 4 bytes allowed",
            "{stream:?}"
        );
    }
}

#[test]
fn logs_more_than_the_call_may() {
    let mut controller = greeted();
    controller.call(CallRequest {
        terms: Terms::from(Limits {
            stdio_bytes: 100,
            ..Limits::default()
        }),
        ..request("f", "1")
    });
    for level in [LogLevel::Error, LogLevel::Trace] {
        hear(
            &mut controller,
            &log(level, "target", "28 more for all that it has."),
        )
        .unwrap();
    }
    let heard = hear(&mut controller, &log(LogLevel::Info, "", ""));
    assert_eq!(
        complaint(heard),
        "a guest's output is longer than the 100 bytes allowed",
        "an empty record costs, too"
    );
}

#[test]
fn prints_on_every_stream_what_the_call_may() {
    let mut controller = waiting();
    for stream in [OutputStream::Stdout, OutputStream::Stderr] {
        assert_eq!(hear(&mut controller, &output(stream, 4)), Ok(()));
    }
}

#[test]
fn goes_on_after_a_cancellation() {
    let mut controller = greeted();
    let limits = Limits {
        output_bytes: 8,
        stdio_bytes: 4,
        ..Limits::default()
    };
    let id = controller.call(CallRequest {
        terms: limits.into(),
        ..request("f", "1")
    });
    hear(&mut controller, &part(5)).unwrap();
    controller.cancel(id);
    for message in [output(OutputStream::Stdout, 4), part(8), part(8)] {
        assert_eq!(
            hear(&mut controller, &message),
            Ok(()),
            "it has yet to hear of it"
        );
    }
    assert!(matches!(
        hear(&mut controller, &part(9)),
        Err(ProtocolError::TooLong { .. })
    ));
    let heard = hear(&mut controller, &output(OutputStream::Stdout, 1));
    assert!(matches!(heard, Err(ProtocolError::TooLong { .. })));
    assert_eq!(controller.poll_event(), None, "nothing of it is told");
}

#[test]
fn asks_again_for_what_a_hop_is_putting_in() {
    let mut controller = waiting();
    hear(&mut controller, &need()).unwrap();
    controller.provide_from_hop(Digest::of(ARTIFACT), 2 * CHUNK_BYTES as u64);
    assert!(controller.poll_transmit(&mut Vec::new()).is_some());
    assert_eq!(
        hear(&mut controller, &need()),
        Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT)))
    );
}

#[test]
fn finds_every_artifact_damaged() {
    let mut controller = waiting();
    let module = Digest::of(ARTIFACT);
    for again in [false, true, true] {
        hear(&mut controller, &need()).unwrap();
        assert_eq!(
            controller.poll_event(),
            Some(ControllerEvent::Need { module, again })
        );
        controller.provide_from_hop(module, 1);
        assert!(controller.poll_transmit(&mut Vec::new()).is_some());
    }
    assert_eq!(
        hear(&mut controller, &need()),
        Err(ProtocolError::ModuleAskedTooOften(module))
    );
}

#[test]
fn speaks_of_a_stream_that_was_never_opened() {
    for id in [2, u64::MAX >> 1] {
        for message in words(id) {
            let heard = hear(&mut streaming().0, &message);
            assert_eq!(
                complaint(heard),
                format!("a message about stream {id}, which was never opened")
            );
        }
    }
    assert!(matches!(
        hear(&mut greeted(), &data(0, 1)),
        Err(ProtocolError::UnknownStream(_))
    ));
}

#[test]
fn speaks_of_a_stream_that_was_closed() {
    let (mut controller, streams) = streaming();
    controller.close_stream(streams.stdio);
    hear(&mut controller, &close(narrow(1))).unwrap();
    controller.poll_event();
    for message in [0, narrow(1)].into_iter().flat_map(words) {
        assert_eq!(
            hear(&mut controller, &message),
            Ok(()),
            "it has yet to hear of it, or repeats itself"
        );
        assert_eq!(controller.poll_event(), None, "{message:?}");
    }
    let flood = data(0, CHUNK_BYTES);
    assert!(
        (0..100).all(|_| hear(&mut controller, &flood).is_ok()),
        "nobody counts what nobody keeps"
    );
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn sends_more_on_a_stream_than_is_taken() {
    let (mut controller, streams) = streaming();
    for _ in 0..STREAM_WINDOW_BYTES / CHUNK_BYTES as u64 {
        hear(&mut controller, &data(0, CHUNK_BYTES)).unwrap();
    }
    assert_eq!(
        hear(
            &mut controller,
            &data(narrow(1), usize::try_from(NARROW_WINDOW_BYTES).unwrap())
        ),
        Ok(()),
        "the other one has a window of its own"
    );
    let heard = hear(&mut controller, &data(0, 1));
    assert_eq!(
        complaint(heard),
        "a stream's data is longer than the 1048576 bytes allowed"
    );

    // Bytes that were taken make room once the credit for them is announced.
    let (mut controller, _) = streaming();
    for _ in 0..STREAM_WINDOW_BYTES / CHUNK_BYTES as u64 {
        hear(&mut controller, &data(0, CHUNK_BYTES)).unwrap();
    }
    controller.taken(streams.stdio, STREAM_WINDOW_BYTES / 4 - 1);
    assert!(matches!(
        hear(&mut controller, &data(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
    controller.taken(streams.stdio, 1);
    for _ in 0..STREAM_WINDOW_BYTES / 4 / CHUNK_BYTES as u64 {
        hear(&mut controller, &data(0, CHUNK_BYTES)).unwrap();
    }
    assert!(matches!(
        hear(&mut controller, &data(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
}

#[test]
fn sends_more_on_a_stream_than_is_taken_in_one_frame() {
    let window = usize::try_from(STREAM_WINDOW_BYTES).unwrap();
    assert_eq!(hear(&mut streaming().0, &data(0, window)), Ok(()));
    let (mut controller, _) = streaming();
    assert!(matches!(
        hear(&mut controller, &data(0, window + 1)),
        Err(ProtocolError::TooLong { .. })
    ));
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn takes_more_of_a_stream_than_there_was() {
    for bytes in [1, STREAM_WINDOW_BYTES, u64::MAX] {
        let heard = hear(&mut streaming().0, &credit(0, bytes));
        assert_eq!(
            complaint(heard),
            "a stream's credit is longer than the 1048576 bytes allowed"
        );
    }

    let (mut controller, streams) = streaming();
    controller.send(streams.stdio, long(100));
    assert_eq!(leaves(&mut controller), 100);
    assert_eq!(hear(&mut controller, &credit(0, 60)), Ok(()));
    assert_eq!(hear(&mut controller, &credit(0, 40)), Ok(()));
    assert!(matches!(
        hear(&mut controller, &credit(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
}

#[test]
fn takes_of_a_stream_what_has_not_left() {
    let (mut controller, streams) = streaming();
    controller.splice(
        streams.stdio,
        Splice {
            blob: Digest::of(ARTIFACT),
            offset: 0,
            length: CHUNK_BYTES as u64,
        },
    );
    controller.send(
        streams.stdio,
        long(usize::try_from(STREAM_WINDOW_BYTES).unwrap() - CHUNK_BYTES),
    );
    let mut left = 0;
    while left < STREAM_WINDOW_BYTES {
        let heard = hear(&mut controller, &credit(0, 1));
        assert_eq!(
            complaint(heard),
            "a stream's credit is longer than the 1048576 bytes allowed",
            "{left} left"
        );
        let leaves = leaves(&mut controller);
        assert!(matches!(
            hear(&mut controller, &credit(0, leaves + 1)),
            Err(ProtocolError::TooLong { .. })
        ));
        assert_eq!(hear(&mut controller, &credit(0, leaves)), Ok(()));
        left += leaves;
    }
    assert!(matches!(
        hear(&mut controller, &credit(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
}

#[test]
fn sends_nothing_on_a_stream() {
    assert_eq!(
        hear(&mut streaming().0, &data(0, 0)),
        Err(ProtocolError::Malformed)
    );
    let (mut controller, streams) = streaming();
    controller.close_stream(streams.stdio);
    assert_eq!(
        hear(&mut controller, &data(0, 0)),
        Ok(()),
        "where nobody listens"
    );
    assert!(matches!(
        hear(&mut controller, &data(2, 0)),
        Err(ProtocolError::UnknownStream(_))
    ));
}

#[test]
fn goes_on_with_a_stream_it_finished() {
    let (mut controller, streams) = streaming();
    hear(&mut controller, &ToController::Finish { id: 0 }).unwrap();
    assert_eq!(
        hear(&mut controller, &ToController::Finish { id: 0 }),
        Ok(()),
        "saying it twice does no harm"
    );
    assert_eq!(
        controller.poll_event(),
        Some(ControllerEvent::Finished { id: streams.stdio })
    );
    assert_eq!(controller.poll_event(), None, "and is told once");
    for length in [0, 1] {
        let heard = hear(&mut controller, &data(0, length));
        assert_eq!(complaint(heard), "something on stream 0 after its end");
    }
}

#[test]
fn takes_of_a_stream_it_finished() {
    let (mut controller, streams) = streaming();
    controller.send(streams.stdio, long(100));
    assert_eq!(leaves(&mut controller), 100);
    hear(&mut controller, &ToController::Finish { id: 0 }).unwrap();
    assert_eq!(
        hear(&mut controller, &credit(0, 100)),
        Ok(()),
        "which is its right"
    );
}

#[test]
fn answers_for_a_blob_nobody_asked_about() {
    let digest = Digest::of(b"a blob");
    let answer = |digest| ToController::Blob { digest, held: true };
    let heard = hear(&mut greeted(), &answer(digest));
    assert_eq!(
        complaint(heard),
        format!("a message about blob {digest}, which was not asked about")
    );

    let mut controller = greeted();
    controller.ask_blob(digest);
    controller.send_blob(Digest::of(ARTIFACT), ARTIFACT.into());
    for digest in [digest, Digest::of(ARTIFACT)] {
        hear(&mut controller, &answer(digest)).unwrap();
        assert_eq!(
            controller.poll_event(),
            Some(ControllerEvent::Blob { digest, held: true })
        );
        assert_eq!(
            hear(&mut controller, &answer(digest)),
            Err(ProtocolError::UnexpectedBlob(digest)),
            "twice"
        );
    }
}

#[test]
fn describes_its_place_unasked() {
    let description = ToController::Description(Description::new(1, 2));
    assert_eq!(
        hear(&mut greeted(), &description),
        Err(ProtocolError::Malformed)
    );
    let mut controller = greeted();
    for _ in 0..3 {
        controller.describe();
    }
    for _ in 0..3 {
        hear(&mut controller, &description).unwrap();
    }
    assert_eq!(
        hear(&mut controller, &description),
        Err(ProtocolError::Malformed),
        "once too often"
    );
}

#[test]
fn gives_signs_of_life_unasked() {
    let mut controller = greeted();
    for _ in 0..3 {
        hear(&mut controller, &ToController::Pong).unwrap();
        assert_eq!(
            controller.poll_event(),
            Some(ControllerEvent::Pong),
            "which does no harm"
        );
    }
}

#[test]
fn says_goodbye_unasked() {
    let mut controller = waiting();
    hear(&mut controller, &ToController::Bye).unwrap();
    assert_eq!(
        controller.poll_event(),
        Some(ControllerEvent::Closed),
        "whoever drives it ends what is open"
    );
}

#[test]
fn stops_in_the_middle_of_a_frame() {
    let mut controller = waiting();
    let message = frame(&done(1));
    controller
        .handle_input(&message[..message.len() - 1])
        .unwrap();
    assert_eq!(controller.poll_event(), None);
}

#[test]
fn is_not_heard_beyond_its_first_offence() {
    let mut controller = waiting();
    let wire = [frame(&hello()), frame(&done(1))].concat();
    assert_eq!(controller.handle_input(&wire), Err(ProtocolError::Greeting));
    assert_eq!(controller.poll_event(), None);
}

/// A greeted controller with call 0 open, which may call tasks on `ssh:db`.
fn granting() -> (ControllerConnection, wxec_protocol::CallId) {
    let mut controller = greeted();
    let call = controller.call(CallRequest {
        terms: Grants::none().host("ssh:db").into(),
        ..request("f", "1")
    });
    (controller, call)
}

fn ask(call: u64, ask: u64, address: &str) -> ToController {
    let (address, function) = (address.into(), "words::count".into());
    ToController::Ask {
        call,
        ask,
        address,
        function,
        deadline_ms: None,
        input: Vec::new(),
    }
}

#[test]
fn asks_for_a_host_that_was_not_granted() {
    for address in [
        "ssh:other",
        "db",
        "ssh:db/sudo:",
        "ssh:DB",
        "exec:[\"sh\"]",
        "local:",
        "*",
        "",
    ] {
        let (mut controller, _) = granting();
        let heard = hear(&mut controller, &ask(0, 0, address));
        assert_eq!(
            complaint(heard),
            "call 0 asks for a host it was not granted",
            "{address}"
        );
        assert_eq!(controller.poll_event(), None);
    }
    let mut controller = waiting();
    let heard = hear(&mut controller, &ask(0, 0, "ssh:db"));
    assert_eq!(
        complaint(heard),
        "call 0 asks for a host it was not granted",
        "no host is granted to most calls"
    );
}

#[test]
fn asks_for_a_host_that_another_call_was_granted() {
    let (mut controller, _) = granting();
    controller.call(request("f", "1"));
    assert!(matches!(
        hear(&mut controller, &ask(1, 0, "ssh:db")),
        Err(ProtocolError::HostNotGranted(_))
    ));
}

#[test]
fn asks_for_a_call_that_is_not_open() {
    let (mut controller, _) = granting();
    assert!(matches!(
        hear(&mut controller, &ask(1, 0, "ssh:db")),
        Err(ProtocolError::UnknownCall(_))
    ));
    let (mut controller, _) = granting();
    hear(&mut controller, &failed()).unwrap();
    assert!(matches!(
        hear(&mut controller, &ask(0, 0, "ssh:db")),
        Err(ProtocolError::UnknownCall(_))
    ));
}

#[test]
fn asks_for_a_call_that_was_cancelled() {
    let (mut controller, call) = granting();
    controller.cancel(call);
    assert_eq!(
        hear(&mut controller, &ask(0, 0, "ssh:db")),
        Ok(()),
        "it has yet to hear of it"
    );
    assert_eq!(controller.poll_event(), None);
    let heard = hear(&mut controller, &ask(0, 1, "ssh:other"));
    assert!(
        matches!(heard, Err(ProtocolError::HostNotGranted(_))),
        "that it may not in any case"
    );
}

#[test]
fn asks_twice_with_one_number_or_skips_some() {
    let (mut controller, _) = granting();
    hear(&mut controller, &ask(0, 0, "ssh:db")).unwrap();
    assert_eq!(
        complaint(hear(&mut controller, &ask(0, 0, "ssh:db"))),
        "ask 0 out of turn"
    );
    let (mut controller, _) = granting();
    assert_eq!(
        complaint(hear(&mut controller, &ask(0, 7, "ssh:db"))),
        "ask 7 out of turn"
    );
}

#[test]
fn asks_more_than_a_call_may() {
    let (mut controller, _) = granting();
    for number in 0..MAX_ASKS as u64 {
        hear(&mut controller, &ask(0, number, "ssh:db")).unwrap();
    }
    let heard = hear(&mut controller, &ask(0, MAX_ASKS as u64, "ssh:db"));
    assert_eq!(complaint(heard), "call 0 has more than 64 asks open");
}

#[test]
fn asks_with_arguments_too_long() {
    let (mut controller, _) = granting();
    let (address, function) = ("ssh:db".into(), "f".into());
    let input = vec![0; MAX_ASK_BYTES + 1];
    let heard = hear(
        &mut controller,
        &ToController::Ask {
            call: 0,
            ask: 0,
            address,
            function,
            deadline_ms: None,
            input,
        },
    );
    assert_eq!(
        complaint(heard),
        "an ask is longer than the 1048576 bytes allowed"
    );
}

#[test]
fn prints_more_than_is_taken() {
    let mut controller = greeted();
    for _ in 0..2 {
        let limits = Limits {
            stdio_bytes: u64::MAX,
            ..Limits::default()
        };
        controller.call(CallRequest {
            terms: limits.into(),
            ..request("f", "1")
        });
    }
    let message = output(OutputStream::Stdout, CHUNK_BYTES);
    let heard = (0..100)
        .map(|_| hear(&mut controller, &message))
        .take_while(Result::is_ok)
        .count();
    assert_eq!(
        heard as u64,
        OUTPUT_WINDOW_BYTES / output_cost(CHUNK_BYTES as u64) + 1
    );
    assert_eq!(
        complaint(hear(&mut controller, &log(LogLevel::Info, "", ""))),
        "guests' output under way is longer than the 262144 bytes allowed"
    );
}
