//! A controller that breaks the rules, one at a time, and the agent that notices.

use wxec_protocol::{
    AgentConnection, AgentEvent, Ask, BUILD, CHUNK_BYTES, Digest, Entry, Limits, MAX_CALL_STREAMS,
    MAX_FRAME_BYTES, MAX_MODULE_BYTES, MAX_STREAMS, MAX_WIDE_STREAMS, ProcessStreams,
    ProtocolError, STREAM_WINDOW_BYTES, Service, StreamEnd, Target, Terms,
};

use crate::{
    pair::{ARTIFACT, command, long},
    wire::{Answered, Streams, ToAgent, ToController, frame, messages, narrow, raw_frame},
};

/// A greeted agent. Only [`answers`] reads its messages.
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
    ToAgent::Hello {
        build: BUILD.into(),
    }
}

/// Call 0, whose input begins with `input`.
fn call(input_length: u64, input: &[u8]) -> ToAgent {
    let terms = Terms::from(Limits {
        input_bytes: u64::MAX,
        ..Limits::default()
    });
    let module = Digest::of(ARTIFACT);
    let entry = Entry::Function("f".into());
    let input = input.into();
    ToAgent::Call {
        id: 0,
        module,
        entry,
        terms,
        streams: Vec::new(),
        brings_module: false,
        input_length,
        input,
    }
}

/// A call with streams of these numbers.
fn call_with(streams: impl IntoIterator<Item = u64>) -> ToAgent {
    let ToAgent::Call {
        id,
        module,
        entry,
        terms,
        brings_module,
        input_length,
        input,
        ..
    } = call(0, b"")
    else {
        unreachable!()
    };
    let streams = streams.into_iter().collect();
    ToAgent::Call {
        id,
        module,
        entry,
        terms,
        streams,
        brings_module,
        input_length,
        input,
    }
}

fn input(bytes: &[u8]) -> ToAgent {
    ToAgent::Input {
        id: 0,
        bytes: bytes.into(),
    }
}

fn module(length: u64, bytes: &[u8]) -> ToAgent {
    ToAgent::Module {
        digest: Digest::of(ARTIFACT),
        length,
        bytes: bytes.into(),
    }
}

/// A greeted agent that asked for a module.
fn asking() -> AgentConnection {
    let mut agent = greeted();
    agent.need(Digest::of(ARTIFACT));
    agent
}

fn start(stdio: u64, stderr: u64, terminal: Option<u64>) -> ToAgent {
    ToAgent::Start {
        streams: Streams {
            stdio,
            stderr,
            terminal,
        },
        command: command(&["cat"]),
    }
}

/// A greeted agent with a process on streams 0 and 1.
fn streaming() -> (AgentConnection, ProcessStreams) {
    let mut agent = greeted();
    hear(&mut agent, &start(0, 1, None)).unwrap();
    let Some(AgentEvent::Start { streams, .. }) = agent.poll_event() else {
        panic!("one process")
    };
    (agent, streams)
}

fn data(id: u64, length: usize) -> ToAgent {
    ToAgent::Data {
        id,
        bytes: vec![b'x'; length],
    }
}

fn splice(id: u64, length: u64) -> ToAgent {
    ToAgent::Splice {
        id,
        blob: Digest::of(ARTIFACT),
        offset: 0,
        length,
    }
}

fn credit(id: u64, bytes: u64) -> ToAgent {
    ToAgent::Credit { id, bytes }
}

/// Sends the next transmission; returns its number of stream bytes.
fn leaves(agent: &mut AgentConnection) -> u64 {
    let lengths = answers(agent).into_iter().map(|message| match message {
        ToController::Data { bytes, .. } => bytes.len() as u64,
        _ => 0,
    });
    lengths.sum()
}

/// All messages about a stream.
fn words(id: u64) -> [ToAgent; 5] {
    [
        data(id, 1),
        splice(id, 1),
        credit(id, 0),
        ToAgent::Finish { id },
        ToAgent::Close { id },
    ]
}

fn blob(length: u64, bytes: &[u8]) -> ToAgent {
    ToAgent::Blob {
        digest: Digest::of(ARTIFACT),
        length,
        bytes: bytes.into(),
    }
}

/// The error text that a person reads when it ends the session.
fn complaint(result: Result<(), ProtocolError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn speaks_before_it_greets() {
    for message in [
        ToAgent::Ping,
        ToAgent::Bye,
        ToAgent::Describe,
        call(0, b""),
        start(0, 1, None),
        blob(1, b"1"),
    ] {
        let mut agent = AgentConnection::new(Target::here());
        assert_eq!(
            complaint(hear(&mut agent, &message)),
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
    let mut agent = AgentConnection::new(Target::here());
    let heard = hear(
        &mut agent,
        &ToAgent::Hello {
            build: "0123".into(),
        },
    );
    assert_eq!(
        heard,
        Err(ProtocolError::OtherBuild {
            ours: BUILD,
            theirs: "0123".into()
        })
    );
}

#[test]
fn announces_a_frame_too_long() {
    let head = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes();
    assert_eq!(
        greeted().handle_input(&head),
        Err(ProtocolError::FrameTooLong(MAX_FRAME_BYTES + 1))
    );
}

#[test]
fn sends_frames_that_are_no_message() {
    let ping = postcard::to_allocvec(&ToAgent::Ping).unwrap();
    for body in [vec![], vec![200], [&*ping, b"!"].concat()] {
        assert_eq!(
            greeted().handle_input(&raw_frame(&body)),
            Err(ProtocolError::Malformed),
            "{body:?}"
        );
    }
}

#[test]
fn uses_the_number_of_a_running_call() {
    let mut agent = greeted();
    hear(&mut agent, &call(1, b"1")).unwrap();
    assert_eq!(
        complaint(hear(&mut agent, &call(1, b"1"))),
        "call 0 was made twice"
    );
}

#[test]
fn uses_the_number_of_an_arriving_call() {
    let mut agent = greeted();
    hear(&mut agent, &call(2, b"1")).unwrap();
    assert!(matches!(
        hear(&mut agent, &call(1, b"1")),
        Err(ProtocolError::DuplicateCall(_))
    ));
}

#[test]
fn sends_more_input_than_it_announced() {
    let heard = hear(&mut greeted(), &call(1, b"12"));
    assert_eq!(
        complaint(heard),
        "an input is longer than the 1 bytes allowed"
    );

    let mut agent = greeted();
    hear(&mut agent, &call(3, b"12")).unwrap();
    assert!(matches!(
        hear(&mut agent, &input(b"34")),
        Err(ProtocolError::TooLong { limit: 3, .. })
    ));
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn sends_input_nobody_waits_for() {
    let mut agent = greeted();
    assert_eq!(
        hear(&mut agent, &input(b"12")),
        Ok(()),
        "as after a refusal"
    );
    hear(&mut agent, &call(1, b"1")).unwrap();
    assert_eq!(hear(&mut agent, &input(b"2")), Ok(()));
    assert!(
        matches!(agent.poll_event(), Some(AgentEvent::Call { request, .. }) if request.input == "1")
    );
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn announces_more_than_there_is_memory() {
    let mut agent = greeted();
    assert_eq!(hear(&mut agent, &call(u64::MAX, b"1")), Ok(()));
    assert_eq!(
        agent.poll_event(),
        None,
        "it waits, and has reserved nothing"
    );
}

#[test]
fn sends_a_module_nobody_asked_for() {
    let digest = Digest::of(ARTIFACT);
    let heard = hear(&mut greeted(), &module(ARTIFACT.len() as u64, ARTIFACT));
    assert_eq!(
        complaint(heard),
        format!("artifact {digest} is not needed by any open call")
    );
    let heard = hear(
        &mut greeted(),
        &ToAgent::NoModule {
            digest,
            reason: String::new(),
        },
    );
    assert_eq!(heard, Err(ProtocolError::UnexpectedModule(digest)));
}

/// A call that is refused, and says that it brings the artifact of this digest.
fn bringing(number: u64, digest: Digest) -> ToAgent {
    let ToAgent::Call { entry, streams, .. } = call(0, b"") else {
        unreachable!()
    };
    ToAgent::Call {
        id: number,
        module: digest,
        entry,
        terms: Terms::from(Limits {
            input_bytes: 0,
            ..Limits::default()
        }),
        streams,
        brings_module: true,
        input_length: 1,
        input: b"1".into(),
    }
}

#[test]
fn brings_a_module_with_a_call_that_is_refused() {
    let mut agent = greeted();
    let digest = Digest::of(ARTIFACT);
    let whole = module(ARTIFACT.len() as u64, ARTIFACT);
    hear(&mut agent, &bringing(0, digest)).unwrap();
    hear(&mut agent, &whole).unwrap();
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::Module {
            digest,
            bytes: ARTIFACT.into()
        })
    );
    assert_eq!(
        hear(&mut agent, &whole),
        Err(ProtocolError::UnexpectedModule(digest))
    );
}

#[test]
fn announces_modules_without_end() {
    let mut agent = greeted();
    let heard = (0..1 << 20).try_for_each(|number: u64| {
        let digest = Digest::of(&number.to_le_bytes());
        hear(&mut agent, &bringing(number, digest))
    });
    assert!(matches!(heard, Err(ProtocolError::UnexpectedModule(_))));
    let mut agent = greeted();
    let heard = (0..1 << 20).try_for_each(|number: u64| {
        let digest = Digest::of(&number.to_le_bytes());
        hear(&mut agent, &ToAgent::Bring { digest })
    });
    assert!(matches!(heard, Err(ProtocolError::UnexpectedModule(_))));
}

#[test]
fn sends_a_module_twice() {
    let mut agent = asking();
    let whole = module(ARTIFACT.len() as u64, ARTIFACT);
    hear(&mut agent, &whole).unwrap();
    assert_eq!(
        hear(&mut agent, &whole),
        Err(ProtocolError::UnexpectedModule(Digest::of(ARTIFACT)))
    );
}

#[test]
fn sends_a_module_with_other_bytes() {
    let mut agent = asking();
    answers(&mut agent);
    let length = ARTIFACT.len() as u64;
    let mut bytes = ARTIFACT.to_vec();
    bytes[5] ^= 1;
    hear(&mut agent, &module(length, &bytes[..5])).unwrap();
    hear(&mut agent, &module(length, &bytes[5..])).unwrap();
    let digest = Digest::of(ARTIFACT);
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::DamagedModule { digest }),
        "once may be a hop's doing"
    );
    assert_eq!(answers(&mut agent), [], "somebody has to want it");
    agent.need(digest);
    assert_eq!(answers(&mut agent), [ToController::Need { module: digest }]);
    hear(&mut agent, &module(length, &bytes[..5])).unwrap();
    let heard = hear(&mut agent, &module(length, &bytes[5..]));
    assert_eq!(
        complaint(heard),
        format!("artifact {digest} arrived with other bytes")
    );
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn sends_a_module_with_fewer_bytes() {
    let mut agent = asking();
    let fewer = module(ARTIFACT.len() as u64 - 1, &ARTIFACT[1..]);
    let digest = Digest::of(ARTIFACT);
    hear(&mut agent, &fewer).unwrap();
    assert_eq!(
        hear(&mut agent, &fewer),
        Err(ProtocolError::UnexpectedModule(digest)),
        "nobody asked again"
    );
    agent.need(digest);
    assert_eq!(
        hear(&mut agent, &fewer),
        Err(ProtocolError::WrongDigest(digest))
    );
}

#[test]
fn sends_a_module_that_is_damaged_once() {
    let mut agent = asking();
    let length = ARTIFACT.len() as u64;
    let digest = Digest::of(ARTIFACT);
    hear(&mut agent, &module(length, &[0; ARTIFACT.len()])).unwrap();
    agent.need(digest);
    agent.need(digest);
    hear(&mut agent, &module(length, ARTIFACT)).unwrap();
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::DamagedModule { digest })
    );
    let whole = AgentEvent::Module {
        digest,
        bytes: ARTIFACT.into(),
    };
    assert_eq!(
        agent.poll_event(),
        Some(whole),
        "and not what arrived before it"
    );
    let asked = answers(&mut agent)
        .into_iter()
        .filter(|message| matches!(message, ToController::Need { .. }));
    assert_eq!(asked.count(), 2, "each time once");
}

#[test]
fn has_nothing_better_than_a_damaged_module() {
    let mut agent = asking();
    hear(&mut agent, &module(3, b"bad")).unwrap();
    let digest = Digest::of(ARTIFACT);
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::DamagedModule { digest })
    );
    agent.need(digest);
    hear(
        &mut agent,
        &ToAgent::NoModule {
            digest,
            reason: "it is gone".into(),
        },
    )
    .unwrap();
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::NoModule {
            digest,
            reason: "it is gone".into()
        })
    );
    assert_eq!(
        hear(&mut agent, &module(3, b"bad")),
        Err(ProtocolError::UnexpectedModule(digest))
    );
}

#[test]
fn sends_more_of_a_module_than_it_announced() {
    let heard = hear(&mut asking(), &module(3, ARTIFACT));
    assert_eq!(
        complaint(heard),
        "an artifact is longer than the 3 bytes allowed"
    );

    let mut agent = asking();
    hear(&mut agent, &module(3, &ARTIFACT[..2])).unwrap();
    assert!(matches!(
        hear(&mut agent, &module(3, &ARTIFACT[2..])),
        Err(ProtocolError::TooLong { limit: 3, .. })
    ));
}

#[test]
fn announces_a_module_too_long() {
    assert_eq!(hear(&mut asking(), &module(MAX_MODULE_BYTES, b"")), Ok(()));
    let heard = hear(&mut asking(), &module(MAX_MODULE_BYTES + 1, b""));
    assert_eq!(
        complaint(heard),
        "an artifact is longer than the 268435456 bytes allowed"
    );
}

#[test]
fn cancels_what_it_never_called() {
    let mut agent = greeted();
    assert_eq!(
        hear(&mut agent, &ToAgent::Cancel { id: 7 }),
        Ok(()),
        "as when a call has just returned"
    );
    assert_eq!(agent.poll_event(), None);
    assert_eq!(answers(&mut agent), []);
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
    let (mut agent, streams) = streaming();
    agent.end_stream(streams.stdio, StreamEnd::Exited(0));
    hear(&mut agent, &ToAgent::Close { id: 1 }).unwrap();
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::StreamClosed { id: streams.stderr })
    );
    for message in [0, 1].into_iter().flat_map(words) {
        assert_eq!(
            hear(&mut agent, &message),
            Ok(()),
            "it has yet to hear of it, or repeats itself"
        );
        assert_eq!(agent.poll_event(), None, "{message:?}");
    }
    let flood = data(0, CHUNK_BYTES);
    assert!(
        (0..100).all(|_| hear(&mut agent, &flood).is_ok()),
        "nobody counts what nobody keeps"
    );
    assert_eq!(agent.poll_event(), None);
}

#[test]
fn uses_the_number_of_a_stream_again() {
    for (message, complaint_of) in [
        (start(0, 2, None), 0),
        (start(2, 1, None), 1),
        (start(2, 2, None), 2),
        (start(2, 3, Some(3)), 3),
        (start(2, 3, Some(0)), 0),
    ] {
        let (mut agent, streams) = streaming();
        agent.end_stream(streams.stdio, StreamEnd::Closed);
        let heard = hear(&mut agent, &message);
        assert_eq!(
            complaint(heard),
            format!("a message about stream {complaint_of}, which was never opened")
        );
        assert_eq!(agent.poll_event(), None);
    }
}

#[test]
fn counts_streams_down() {
    let mut agent = greeted();
    hear(&mut agent, &start(5, 9, None)).unwrap();
    assert!(
        matches!(agent.poll_event(), Some(AgentEvent::Start { .. })),
        "up may be by any step"
    );
    for message in [start(7, 8, None), start(10, 6, None), start(12, 11, None)] {
        assert!(
            matches!(
                hear(&mut agent, &message),
                Err(ProtocolError::UnknownStream(_))
            ),
            "{message:?}"
        );
    }
}

#[test]
fn opens_a_stream_twice() {
    let open = |id| ToAgent::Open {
        id,
        service: Service::Files,
    };
    let mut agent = greeted();
    hear(&mut agent, &open(3)).unwrap();
    assert!(matches!(
        agent.poll_event(),
        Some(AgentEvent::Open {
            service: Service::Files,
            ..
        })
    ));
    for message in [open(3), open(2), start(3, 4, None)] {
        assert!(
            matches!(
                hear(&mut agent, &message),
                Err(ProtocolError::UnknownStream(_))
            ),
            "{message:?}"
        );
    }
}

#[test]
fn counts_streams_to_the_last_number() {
    let last = u64::MAX >> 1;
    for message in [
        start(last, last, None),
        start(0, last, None),
        start(0, 1, Some(last)),
    ] {
        let heard = hear(&mut greeted(), &message);
        assert_eq!(
            complaint(heard),
            format!("a message about stream {last}, which was never opened")
        );
    }
    assert_eq!(
        hear(&mut greeted(), &start(last - 2, last - 1, None)),
        Ok(()),
        "the one before is like any other"
    );
}

#[test]
fn gives_a_call_more_streams_than_it_may_have() {
    let most = MAX_CALL_STREAMS as u64;
    assert_eq!(hear(&mut greeted(), &call_with(0..most)), Ok(()));
    let heard = hear(&mut greeted(), &call_with(0..=most));
    assert_eq!(
        complaint(heard),
        "a call with 17 streams, more than the 16 allowed"
    );
}

#[test]
fn gives_a_call_a_stream_twice() {
    let heard = hear(&mut greeted(), &call_with([4, 4]));
    assert_eq!(
        complaint(heard),
        "a message about stream 4, which was never opened"
    );
    let (mut agent, _) = streaming();
    assert_eq!(
        complaint(hear(&mut agent, &call_with([1]))),
        "a message about stream 1, which was never opened"
    );
}

#[test]
fn opens_more_streams_than_it_may() {
    let mut agent = greeted();
    let processes = MAX_STREAMS as u64 / 2;
    for stdio in (0..processes).map(|process| narrow(2 * process)) {
        hear(&mut agent, &start(stdio, stdio + 1, None)).unwrap();
        assert!(matches!(agent.poll_event(), Some(AgentEvent::Start { .. })));
    }
    let mut refused = Vec::new();
    for stdio in (processes..2 * processes).map(|process| narrow(2 * process)) {
        assert_eq!(hear(&mut agent, &start(stdio, stdio + 1, None)), Ok(()));
        assert_eq!(
            hear(&mut agent, &data(stdio, 1)),
            Ok(()),
            "it has yet to hear of it"
        );
        assert_eq!(agent.poll_event(), None);
        refused.extend([stdio + 1, stdio]);
    }
    let ended = answers(&mut agent)
        .into_iter()
        .map(|message| match message {
            ToController::Close {
                id,
                end: StreamEnd::Failed(_),
            } => id,
            message => panic!("{message:?}"),
        });
    assert_eq!(ended.collect::<Vec<_>>(), refused);
}

#[test]
fn sends_more_on_a_stream_than_is_taken() {
    let (mut agent, streams) = streaming();
    for at in 0..STREAM_WINDOW_BYTES / CHUNK_BYTES as u64 {
        let part = if at % 2 == 0 {
            data(0, CHUNK_BYTES)
        } else {
            splice(0, CHUNK_BYTES as u64)
        };
        hear(&mut agent, &part).unwrap();
    }
    assert_eq!(
        hear(&mut agent, &data(1, CHUNK_BYTES)),
        Ok(()),
        "the other one has a window of its own"
    );
    agent.taken(streams.stdio, STREAM_WINDOW_BYTES / 4 - 1);
    let [heard, heard_splice] =
        [data(0, 1), splice(0, 1)].map(|message| hear(&mut agent, &message));
    assert_eq!(
        complaint(heard),
        "a stream's data is longer than the 1048576 bytes allowed"
    );
    assert!(matches!(heard_splice, Err(ProtocolError::TooLong { .. })));

    agent.taken(streams.stdio, 1);
    for _ in 0..STREAM_WINDOW_BYTES / 4 / CHUNK_BYTES as u64 {
        assert_eq!(hear(&mut agent, &splice(0, CHUNK_BYTES as u64)), Ok(()));
    }
    assert!(matches!(
        hear(&mut agent, &data(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
}

#[test]
fn puts_in_more_than_a_window() {
    let (mut agent, _) = streaming();
    for _ in 0..STREAM_WINDOW_BYTES / CHUNK_BYTES as u64 {
        assert_eq!(hear(&mut agent, &splice(0, CHUNK_BYTES as u64)), Ok(()));
    }
    let heard = hear(&mut agent, &splice(0, 1));
    assert_eq!(
        complaint(heard),
        "a stream's data is longer than the 1048576 bytes allowed"
    );
}

#[test]
fn puts_in_more_than_a_part_at_once() {
    assert_eq!(
        hear(&mut streaming().0, &splice(0, CHUNK_BYTES as u64)),
        Ok(())
    );
    for length in [
        CHUNK_BYTES as u64 + 1,
        STREAM_WINDOW_BYTES,
        STREAM_WINDOW_BYTES + 1,
        u64::MAX,
    ] {
        let (mut agent, _) = streaming();
        let heard = hear(&mut agent, &splice(0, length));
        assert_eq!(
            complaint(heard),
            "a splice is longer than the 65536 bytes allowed"
        );
        assert_eq!(agent.poll_event(), None);
    }
}

#[test]
fn sends_nothing_on_a_stream() {
    for nothing in [data(0, 0), splice(0, 0)] {
        let (mut agent, streams) = streaming();
        assert_eq!(hear(&mut agent, &nothing), Err(ProtocolError::Malformed));
        assert_eq!(agent.poll_event(), None);
        agent.end_stream(streams.stdio, StreamEnd::Exited(0));
        assert_eq!(hear(&mut agent, &nothing), Ok(()), "where nobody listens");
    }
    for nothing in [data(2, 0), splice(2, 0)] {
        assert!(matches!(
            hear(&mut streaming().0, &nothing),
            Err(ProtocolError::UnknownStream(_))
        ));
    }
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

    let (mut agent, streams) = streaming();
    agent.send(streams.stdio, long(100));
    assert_eq!(leaves(&mut agent), 100);
    assert_eq!(hear(&mut agent, &credit(0, 60)), Ok(()));
    assert_eq!(hear(&mut agent, &credit(0, 40)), Ok(()));
    assert!(matches!(
        hear(&mut agent, &credit(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
}

#[test]
fn takes_of_a_stream_what_has_not_left() {
    let (mut agent, streams) = streaming();
    agent.send(
        streams.stdio,
        long(usize::try_from(STREAM_WINDOW_BYTES).unwrap()),
    );
    let mut left = 0;
    while left < STREAM_WINDOW_BYTES {
        let heard = hear(&mut agent, &credit(0, 1));
        assert_eq!(
            complaint(heard),
            "a stream's credit is longer than the 1048576 bytes allowed",
            "{left} left"
        );
        let leaves = leaves(&mut agent);
        assert!(matches!(
            hear(&mut agent, &credit(0, leaves + 1)),
            Err(ProtocolError::TooLong { .. })
        ));
        assert_eq!(hear(&mut agent, &credit(0, leaves)), Ok(()));
        left += leaves;
    }
    assert!(matches!(
        hear(&mut agent, &credit(0, 1)),
        Err(ProtocolError::TooLong { .. })
    ));
}

#[test]
fn goes_on_with_a_stream_it_finished() {
    let (mut agent, streams) = streaming();
    hear(&mut agent, &ToAgent::Finish { id: 0 }).unwrap();
    assert_eq!(
        hear(&mut agent, &ToAgent::Finish { id: 0 }),
        Ok(()),
        "saying it twice does no harm"
    );
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::Finished { id: streams.stdio })
    );
    assert_eq!(agent.poll_event(), None, "and is told once");
    for message in [data(0, 0), data(0, 1), splice(0, 0), splice(0, 1)] {
        let heard = hear(&mut agent, &message);
        assert_eq!(
            complaint(heard),
            "something on stream 0 after its end",
            "{message:?}"
        );
    }
}

#[test]
fn sends_a_blob_with_other_bytes() {
    let mut agent = greeted();
    let length = ARTIFACT.len() as u64;
    hear(&mut agent, &blob(length, &ARTIFACT[..5])).unwrap();
    let heard = hear(&mut agent, &blob(length, &[0; ARTIFACT.len() - 5]));
    assert_eq!(
        complaint(heard),
        format!("artifact {} arrived with other bytes", Digest::of(ARTIFACT))
    );
    assert_eq!(agent.poll_event(), None);
    let heard = hear(&mut greeted(), &blob(length - 1, &ARTIFACT[1..]));
    assert_eq!(heard, Err(ProtocolError::WrongDigest(Digest::of(ARTIFACT))));
}

#[test]
fn sends_more_of_a_blob_than_it_announced() {
    let mut agent = greeted();
    hear(&mut agent, &blob(3, &ARTIFACT[..2])).unwrap();
    let heard = hear(&mut agent, &blob(3, &ARTIFACT[2..]));
    assert_eq!(
        complaint(heard),
        "a blob is longer than the 3 bytes allowed"
    );
}

#[test]
fn announces_a_blob_too_long() {
    assert_eq!(
        hear(&mut greeted(), &blob(MAX_MODULE_BYTES, b"")),
        Ok(()),
        "it waits, and has reserved nothing"
    );
    for length in [MAX_MODULE_BYTES + 1, u64::MAX] {
        let heard = hear(&mut greeted(), &blob(length, b""));
        assert_eq!(
            complaint(heard),
            "a blob is longer than the 268435456 bytes allowed"
        );
    }
}

#[test]
fn sends_a_blob_twice() {
    let mut agent = greeted();
    let (digest, length) = (Digest::of(ARTIFACT), ARTIFACT.len() as u64);
    for _ in 0..2 {
        hear(&mut agent, &blob(length, &ARTIFACT[..5])).unwrap();
        assert_eq!(agent.poll_event(), None);
        hear(&mut agent, &blob(length, &ARTIFACT[5..])).unwrap();
        assert_eq!(
            agent.poll_event(),
            Some(AgentEvent::Blob {
                digest,
                bytes: ARTIFACT.into()
            })
        );
    }
}

#[test]
fn sends_a_blob_that_was_asked_for_as_a_module() {
    let mut agent = asking();
    let (digest, length) = (Digest::of(ARTIFACT), ARTIFACT.len() as u64);
    hear(&mut agent, &module(length, &ARTIFACT[..5])).unwrap();
    hear(&mut agent, &blob(length, ARTIFACT)).unwrap();
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::Blob {
            digest,
            bytes: ARTIFACT.into()
        })
    );
    hear(&mut agent, &module(length, &ARTIFACT[5..])).unwrap();
    assert_eq!(
        agent.poll_event(),
        Some(AgentEvent::Module {
            digest,
            bytes: ARTIFACT.into()
        }),
        "they are apart"
    );
}

fn answer(ask: u64) -> ToAgent {
    ToAgent::Answer {
        ask,
        outcome: Answered::Done(b"2".to_vec()),
    }
}

/// A greeted agent whose call 0 made ask 0.
fn asked() -> AgentConnection {
    let mut agent = greeted();
    hear(&mut agent, &call(0, b"")).unwrap();
    let Some(AgentEvent::Call { id, .. }) = agent.poll_event() else {
        panic!("one call")
    };
    let question = Ask {
        address: "ssh:db".into(),
        function: "f".into(),
        input: "1".into(),
        deadline_ms: None,
    };
    assert!(agent.ask(id, &question).is_some());
    agent
}

#[test]
fn answers_what_was_never_asked() {
    for (mut agent, ask) in [(greeted(), 0), (asked(), 1), (asked(), u64::MAX)] {
        let heard = hear(&mut agent, &answer(ask));
        assert_eq!(
            complaint(heard),
            format!("an answer to ask {ask}, which was never made")
        );
        assert_eq!(agent.poll_event(), None);
    }
}

#[test]
fn answers_twice() {
    let mut agent = asked();
    hear(&mut agent, &answer(0)).unwrap();
    assert!(matches!(
        agent.poll_event(),
        Some(AgentEvent::Answer { .. })
    ));
    assert_eq!(hear(&mut agent, &answer(0)), Ok(()));
    assert_eq!(agent.poll_event(), None, "the first one stands");
}

#[test]
fn opens_more_wide_streams_than_it_may() {
    let mut agent = greeted();
    for stdio in 0..MAX_WIDE_STREAMS as u64 {
        hear(&mut agent, &start(2 * stdio, narrow(2 * stdio + 1), None)).unwrap();
    }
    let heard = hear(&mut agent, &start(1000, narrow(1001), None));
    assert_eq!(complaint(heard), "more than 64 wide streams");
}

#[test]
fn takes_output_that_was_never_sent() {
    let heard = hear(&mut greeted(), &ToAgent::OutputCredit { bytes: 1 });
    assert!(
        matches!(
            heard,
            Err(ProtocolError::TooLong {
                what: "credit for output",
                ..
            })
        ),
        "{heard:?}"
    );
}

#[test]
fn sends_signals_to_what_was_never_started() {
    let heard = hear(&mut greeted(), &ToAgent::Signal { id: 0, signal: 9 });
    assert!(
        matches!(heard, Err(ProtocolError::UnknownStream(_))),
        "{heard:?}"
    );
}
