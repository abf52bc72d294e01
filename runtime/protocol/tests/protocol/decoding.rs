//! Arbitrary bytes: no panic, bounded memory, and well-formed input is read back.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    iter::from_fn,
};

use allocation_counter::measure;
use bytes::Bytes;
use ciborium::Value;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde::de::IgnoredAny;
use wxec_protocol::{
    AgentConnection, AgentEvent, BUILD, CallRequest, Command, ControllerConnection,
    ControllerEvent, Description, Digest, Entry, Fault, Grants, Limits, LogLevel, OutputStream,
    ProtocolError, STREAM_WINDOW_BYTES, Service, StreamEnd, Target, Usage,
    abi::{self, Function, Parameter, Plan, PlanTemplate, RecordError, Wants},
    cbor::{self, DecodeError, Form, Items},
};

use crate::{
    pair::{ARTIFACT, command, request},
    wire::{Answered, Outcome, Streams, ToAgent, ToController, frame, raw_frame},
};

/// Number of calls and streams that a controller has open. A peer may name twice as many.
const OPEN: u64 = 3;

/// Feeds `wire` to a controller with calls and streams 0, 1 and 2 open, and with questions about
/// blobs and the place.
fn told(wire: &[u8], part_bytes: usize) -> (Vec<ControllerEvent>, Option<ProtocolError>) {
    let mut controller = ControllerConnection::new();
    let request = || CallRequest {
        terms: Grants::none().host("db").into(),
        ..request("f", "1")
    };
    (0..OPEN).for_each(|_| _ = controller.call(request()));
    let streams = controller.start(command(&["cat"]), true);
    controller.send(streams.stdio, b"in".as_slice().into());
    controller.ask_blob(Digest::of(ARTIFACT));
    controller.describe();
    let error = wire
        .chunks(part_bytes)
        .find_map(|part| controller.handle_input(part).err());
    let events = from_fn(|| controller.poll_event()).collect();
    assert_eq!(controller.poll_transmit(&mut Vec::new()), None);
    // No caller continues after an error, but doing so must be harmless.
    let _ = controller.handle_input(wire);
    (events, error)
}

/// Feeds `wire` to an agent that asked for a module.
fn heard(wire: &[u8], part_bytes: usize) -> (Vec<AgentEvent>, Option<ProtocolError>) {
    let mut agent = AgentConnection::new(Target::here());
    agent.need(Digest::of(ARTIFACT));
    let error = wire
        .chunks(part_bytes)
        .find_map(|part| agent.handle_input(part).err());
    let events = from_fn(|| agent.poll_event()).collect();
    agent.poll_transmit(&mut Vec::new());
    let _ = agent.handle_input(wire);
    (events, error)
}

/// Both ends take `wire`, with no more memory than its length explains.
fn do_no_harm(wire: &[u8]) {
    takes_bounded_memory(wire.len(), || _ = told(wire, usize::MAX));
    takes_bounded_memory(wire.len(), || _ = heard(wire, usize::MAX));
}

/// Decoded values are longer than short messages, buffers grow by doubling, and serde reserves up
/// to 1 MiB for a declared length, once for each level of nesting.
fn takes_bounded_memory(received: usize, decode: impl FnOnce()) {
    let bound = 64 * received as u64 + ((cbor::MAX_DEPTH as u64) << 20);
    let taken = measure(decode).bytes_max;
    assert!(taken < bound, "{taken} bytes for {received} received");
}

fn digests() -> impl Strategy<Value = Digest> {
    prop_oneof![
        Just(Digest::of(ARTIFACT)),
        Just(Digest::of(b"another artifact"))
    ]
}

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..20), Just(ARTIFACT.to_vec())]
}

/// Lengths that fit, that do not fit, and that overflow.
fn amounts() -> impl Strategy<Value = u64> {
    prop_oneof![0..30_u64, Just(STREAM_WINDOW_BYTES), any::<u64>()]
}

/// Data on a stream: mostly little, sometimes almost a window.
fn stretches() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => payloads(),
        1 => (0..3 * STREAM_WINDOW_BYTES / 4).prop_map(|length| vec![b'x'; usize::try_from(length).unwrap()]),
    ]
}

fn commands() -> impl Strategy<Value = Command> {
    let bytes = || vec(any::<u8>(), 0..9);
    (vec(bytes(), 0..4), vec((bytes(), bytes()), 0..3)).prop_map(|(words, env)| {
        let env = env
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Command {
            env,
            ..Command::new(words)
        }
    })
}

fn ends() -> impl Strategy<Value = StreamEnd> {
    prop_oneof![
        Just(StreamEnd::Closed),
        Just(StreamEnd::CallEnded),
        any::<i32>().prop_map(StreamEnd::Exited),
        any::<i32>().prop_map(StreamEnd::Signalled),
        ".{0,9}".prop_map(StreamEnd::Failed),
    ]
}

fn descriptions() -> impl Strategy<Value = Description> {
    (any::<u32>(), any::<Option<u64>>(), vec(".{0,9}", 0..3)).prop_map(
        |(pid, memory_bytes, notes)| {
            let mut description = Description::new(pid, 0);
            description.memory_bytes = memory_bytes;
            description.notes = notes;
            description
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        Just(Limits::default()),
        Just(Limits {
            input_bytes: 10,
            ..Limits::default()
        })
    ]
}

fn messages_to_agent() -> impl Strategy<Value = ToAgent> {
    let id = || 0..2 * OPEN;
    let length = || prop_oneof![0..30_u64, Just(ARTIFACT.len() as u64), any::<u64>()];
    prop_oneof![
        1 => Just(ToAgent::Hello { build: BUILD.into() }),
        8 => (id(), digests(), ".{0,9}", limits(), vec(id(), 0..3), any::<bool>(), length(), payloads()).prop_map(
            |(id, module, function, limits, streams, brings_module, input_length, input)| ToAgent::Call {
                id, module, entry: Entry::Function(function), terms: limits.into(), streams, brings_module, input_length,
                input
            }
        ),
        8 => (id(), payloads()).prop_map(|(id, bytes)| ToAgent::Input { id, bytes }),
        8 => (digests(), length(), payloads())
            .prop_map(|(digest, length, bytes)| ToAgent::Module { digest, length, bytes }),
        4 => digests().prop_map(|digest| ToAgent::Bring { digest }),
        4 => (digests(), ".{0,9}").prop_map(|(digest, reason)| ToAgent::NoModule { digest, reason }),
        4 => id().prop_map(|id| ToAgent::Cancel { id }),
        2 => id().prop_map(|instance| ToAgent::DropInstance { instance }),
        4 => (id(), prop_oneof![payloads().prop_map(Answered::Done), payloads().prop_map(Answered::Failed)])
            .prop_map(|(ask, outcome)| ToAgent::Answer { ask, outcome }),
        4 => (id(), 1..3_u64, any::<bool>(), commands()).prop_map(|(stdio, step, terminal, command)| {
            let stderr = stdio + step;
            ToAgent::Start { streams: Streams { stdio, stderr, terminal: terminal.then_some(stderr + step) }, command }
        }),
        2 => id().prop_map(|id| ToAgent::Open { id, service: Service::Files }),
        4 => (id(), stretches()).prop_map(|(id, bytes)| ToAgent::Data { id, bytes }),
        4 => (id(), digests(), any::<u64>(), amounts())
            .prop_map(|(id, blob, offset, length)| ToAgent::Splice { id, blob, offset, length }),
        2 => (id(), amounts()).prop_map(|(id, bytes)| ToAgent::Credit { id, bytes }),
        2 => id().prop_map(|id| ToAgent::Finish { id }),
        2 => id().prop_map(|id| ToAgent::Close { id }),
        2 => digests().prop_map(|digest| ToAgent::AskBlob { digest }),
        4 => (digests(), length(), payloads())
            .prop_map(|(digest, length, bytes)| ToAgent::Blob { digest, length, bytes }),
        1 => Just(ToAgent::Describe),
        1 => Just(ToAgent::Ping),
        1 => Just(ToAgent::Bye),
    ]
}

fn messages_to_controller() -> impl Strategy<Value = ToController> {
    // Mostly ids of open calls, or sequences would end soon.
    let id = || prop_oneof![9 => 0..OPEN, 1 => 0..2 * OPEN];
    let stream = prop_oneof![Just(OutputStream::Stdout), Just(OutputStream::Stderr)];
    let level = any::<i32>().prop_map(LogLevel::nearest);
    let outcome = prop_oneof![
        payloads().prop_map(Outcome::Done),
        Just(Outcome::Failed(Fault::Cancelled))
    ];
    prop_oneof![
        1 => Just(ToController::Hello { build: BUILD.into(), target: Target::here() }),
        4 => digests().prop_map(|module| ToController::Need { module }),
        8 => (id(), stream, payloads()).prop_map(|(id, stream, bytes)| ToController::Output { id, stream, bytes }),
        4 => (id(), level, ".{0,9}", ".{0,20}")
            .prop_map(|(id, level, target, message)| ToController::Log { id, level, target, message }),
        8 => (id(), 0..3_u64, prop_oneof![9 => Just("db".to_owned()), 1 => ".{0,9}"], amounts(), payloads()).prop_map(
            |(call, ask, address, amount, input)| ToController::Ask {
                call, ask, address, function: "f".into(), deadline_ms: Some(amount), input
            }
        ),
        8 => (id(), payloads()).prop_map(|(id, bytes)| ToController::Result { id, bytes }),
        4 => (id(), outcome).prop_map(|(id, outcome)| ToController::Return { id, outcome, usage: Usage::default() }),
        8 => (id(), stretches()).prop_map(|(id, bytes)| ToController::Data { id, bytes }),
        2 => (id(), prop_oneof![4 => 0..3_u64, 1 => amounts()])
            .prop_map(|(id, bytes)| ToController::Credit { id, bytes }),
        2 => id().prop_map(|id| ToController::Finish { id }),
        2 => (id(), ends()).prop_map(|(id, end)| ToController::Close { id, end }),
        1 => (digests(), any::<bool>()).prop_map(|(digest, held)| ToController::Blob { digest, held }),
        1 => descriptions().prop_map(ToController::Description),
        1 => Just(ToController::Pong),
        1 => Just(ToController::Bye),
    ]
}

/// A greeting and further messages, as they travel to a controller.
fn wires_to_controller() -> impl Strategy<Value = Vec<u8>> {
    let hello = frame(&ToController::Hello {
        build: BUILD.into(),
        target: Target::here(),
    });
    vec(
        messages_to_controller().prop_map(|message| frame(&message)),
        0..20,
    )
    .prop_map(move |frames| [&*hello, &*frames.concat()].concat())
}

/// A greeting and further messages, as they travel to an agent.
fn wires_to_agent() -> impl Strategy<Value = Vec<u8>> {
    let hello = frame(&ToAgent::Hello {
        build: BUILD.into(),
    });
    vec(
        messages_to_agent().prop_map(|message| frame(&message)),
        0..20,
    )
    .prop_map(move |frames| [&*hello, &*frames.concat()].concat())
}

/// The bytes of `whole` with some changed, added or removed.
fn damaged(whole: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (whole, vec((any::<Index>(), any::<u8>(), 0..3), 1..4)).prop_map(|(mut bytes, injuries)| {
        for (at, byte, injury) in injuries {
            let at = at.index(bytes.len().max(1));
            match injury {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..500)) {
        do_no_harm(&bytes);
        let frames = [frame(&ToAgent::Hello { build: BUILD.into() }), raw_frame(&bytes)].concat();
        do_no_harm(&frames);
    }

    #[test]
    fn damaged_messages_do_no_harm(wire in prop_oneof![damaged(wires_to_controller()), damaged(wires_to_agent())]) {
        do_no_harm(&wire);
    }

    #[test]
    fn messages_in_any_order_do_no_harm(wire in prop_oneof![wires_to_controller(), wires_to_agent()]) {
        do_no_harm(&wire);
    }

    #[test]
    fn it_does_not_matter_where_messages_are_cut(
        to_controller in damaged(wires_to_controller()),
        to_agent in damaged(wires_to_agent()),
        part_bytes in 1..50_usize,
    ) {
        prop_assert_eq!(told(&to_controller, part_bytes), told(&to_controller, usize::MAX));
        prop_assert_eq!(heard(&to_agent, part_bytes), heard(&to_agent, usize::MAX));
    }

    #[test]
    fn a_call_returns_at_most_once_and_is_not_heard_of_again(wire in wires_to_controller()) {
        let mut returned = HashSet::new();
        for event in told(&wire, usize::MAX).0 {
            match event {
                ControllerEvent::Output { id, .. }
                | ControllerEvent::Log { id, .. }
                | ControllerEvent::Ask { call: id, .. } => prop_assert!(!returned.contains(&id)),
                ControllerEvent::Returned { id, .. } => prop_assert!(returned.insert(id)),
                _ => {}
            }
        }
        prop_assert!(returned.len() as u64 <= OPEN);
    }

    #[test]
    fn a_stream_brings_a_window_until_it_is_finished_or_over(wire in wires_to_controller()) {
        let mut brought = HashMap::<_, u64>::new();
        let (mut finished, mut over) = (HashSet::new(), HashSet::new());
        for event in told(&wire, usize::MAX).0 {
            match event {
                ControllerEvent::Data { id, bytes } => {
                    prop_assert!(!finished.contains(&id) && !over.contains(&id));
                    let brought = brought.entry(id).or_default();
                    *brought += bytes.len() as u64;
                    prop_assert!(*brought <= STREAM_WINDOW_BYTES);
                }
                ControllerEvent::Credit { id, .. } => prop_assert!(!over.contains(&id)),
                ControllerEvent::Finished { id } => prop_assert!(!over.contains(&id) && finished.insert(id)),
                ControllerEvent::StreamClosed { id, .. } => prop_assert!(over.insert(id)),
                _ => {}
            }
        }
    }

    #[test]
    fn an_answer_is_told_only_if_it_was_asked_for(wire in wires_to_controller()) {
        let events = told(&wire, usize::MAX).0;
        let blobs = events.iter().filter(|event| matches!(event, ControllerEvent::Blob { .. }));
        prop_assert!(blobs.count() <= 1);
        let descriptions = events.iter().filter(|event| matches!(event, ControllerEvent::Description(_)));
        prop_assert!(descriptions.count() <= 1);
    }

    #[test]
    fn a_module_or_blob_is_told_only_if_its_digest_is_right(wire in damaged(wires_to_agent())) {
        for event in heard(&wire, usize::MAX).0 {
            if let AgentEvent::Module { digest, bytes } | AgentEvent::Blob { digest, bytes } = event {
                prop_assert_eq!(digest, Digest::of(&bytes));
            }
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,30}".prop_map(Value::from),
        vec(any::<u8>(), 0..30).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Map),
            (tags(), inner).prop_map(|(tag, value)| Value::Tag(tag, value.into())),
        ]
    })
}

/// Tags without a meaning here, and those with one.
fn tags() -> impl Strategy<Value = u64> {
    prop_oneof![
        32..40_u64,
        Just(cbor::SOME_TAG),
        Just(cbor::WORD_TAG),
        Just(cbor::KEY_TAG),
        Just(cbor::READABLE_TAG),
    ]
}

/// Encodes `value`, to compare values: a NaN is not equal to itself.
fn encoded(value: &Value) -> Vec<u8> {
    cbor::encode(value).unwrap()
}

/// Decodes each item in `bytes`.
fn decoded(bytes: &[u8], items: &Items) -> Result<Vec<Value>, DecodeError> {
    match items {
        Items::Positional(ranges) => ranges
            .iter()
            .map(|range| cbor::decode(&bytes[range.clone()]))
            .collect(),
        Items::Named(entries) => entries
            .iter()
            .map(|(_, range)| cbor::decode(&bytes[range.clone()]))
            .collect(),
    }
}

proptest! {
    #[test]
    fn positional_items_are_what_was_encoded(values in vec(values(), 0..5)) {
        let bytes = cbor::encode(&values).unwrap();
        let items = cbor::items(&bytes).unwrap();
        prop_assert!(matches!(items, Items::Positional(_)));
        prop_assert_eq!(encoded(&Value::Array(decoded(&bytes, &items).unwrap())), bytes);
    }

    #[test]
    fn named_items_are_what_was_encoded(entries in vec((".{0,9}", values()), 0..5)) {
        let map = entries.iter().map(|(name, value)| (Value::from(name.clone()), value.clone())).collect();
        let bytes = encoded(&Value::Map(map));
        let items = cbor::items(&bytes).unwrap();
        let Items::Named(ranges) = &items else { panic!("a map") };
        prop_assert!(ranges.iter().map(|(name, _)| name).eq(entries.iter().map(|(name, _)| name)));
        let values = entries.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(encoded(&Value::Array(decoded(&bytes, &items).unwrap())), encoded(&Value::Array(values)));
    }

    #[test]
    fn any_cbor_is_split_as_it_would_be_decoded(bytes in prop_oneof![
        vec(any::<u8>(), 0..200),
        damaged(vec(values(), 0..5).prop_map(|values| encoded(&Value::Array(values)))),
    ]) {
        match (cbor::decode(&bytes), cbor::items(&bytes)) {
            (Ok(Value::Array(values)), Ok(items)) => {
                let items = Value::Array(decoded(&bytes, &items).unwrap());
                prop_assert_eq!(encoded(&items), encoded(&Value::Array(values)));
            }
            // An array of indefinite length, or of more items than a call may have.
            (Ok(Value::Array(values)), Err(_)) => prop_assert!(bytes[0] == 0x9f || values.len() > 256),
            _ => {}
        }
    }

    #[test]
    fn any_cbor_takes_bounded_memory(bytes in prop_oneof![
        vec(any::<u8>(), 0..200),
        damaged(values().prop_map(|value| encoded(&value))),
    ]) {
        takes_bounded_memory(bytes.len(), || {
            let _ = (cbor::items(&bytes), cbor::decode::<Value>(&bytes));
            let _ = (cbor::decode::<Function>(&bytes), cbor::decode::<abi::Panic>(&bytes));
            let _ = (cbor::decode::<abi::TaskFailure>(&bytes), cbor::decode::<Vec<(u64, String)>>(&bytes));
            let _ = (cbor::form(&bytes), cbor::decode_as::<Value>(Form::Readable, &bytes));
            let _ = cbor::decode_as::<BTreeMap<Option<u8>, Option<Option<Bytes>>>>(Form::Readable, &bytes);
        });
    }
}

fn functions() -> impl Strategy<Value = (String, Function)> {
    let parameters = vec(("[a-z]{1,9}", ".{0,9}"), 0..4);
    let texts = (
        "[a-z:]{0,9}",
        "[a-z]{1,9}",
        ".{0,20}",
        ".{0,9}",
        proptest::option::of(".{0,9}"),
    );
    let words = || vec("[a-z*]{1,9}", 0..3);
    let plan = (words(), words(), words()).prop_map(|(modes, roles, templates)| Plan {
        cuts_link: roles.len() == 1,
        modes,
        roles,
        templates: templates
            .into_iter()
            .map(|name| PlanTemplate {
                text: name.repeat(3),
                name,
            })
            .collect(),
    });
    let plan = proptest::option::of(plan);
    (texts, parameters, any::<bool>(), plan).prop_map(
        |((module, name, doc, returns, error), parameters, readable, plan)| {
            let path = if module.is_empty() {
                name.clone()
            } else {
                format!("{module}::{name}")
            };
            let parameters = parameters
                .into_iter()
                .map(|(name, type_name)| Parameter { name, type_name })
                .collect();
            (
                module,
                Function {
                    path,
                    name,
                    doc,
                    parameters,
                    returns,
                    error,
                    wants: Wants::default(),
                    readable,
                    plan,
                },
            )
        },
    )
}

fn records(functions: &[(String, Function)]) -> Vec<u8> {
    functions
        .iter()
        .flat_map(|(module, function)| abi::record(module, function))
        .collect()
}

proptest! {
    #[test]
    fn records_are_read_back(functions in vec(functions(), 0..5)) {
        let read = abi::functions(&records(&functions)).unwrap();
        prop_assert!(read.iter().eq(functions.iter().map(|(_, function)| function)), "{:?}", read);
    }

    #[test]
    fn any_records_take_bounded_memory(bytes in prop_oneof![
        vec(any::<u8>(), 0..200),
        damaged(vec(functions(), 0..5).prop_map(|functions| records(&functions))),
    ]) {
        takes_bounded_memory(bytes.len(), || _ = abi::functions(&bytes));
    }
}

#[test]
fn records_that_are_too_long_are_not_read() {
    let records = vec![0; abi::MAX_SECTION_BYTES + 1];
    assert_eq!(
        abi::functions(&records),
        Err(RecordError::TooLong(records.len()))
    );
}

#[test]
fn a_record_that_is_cut_short_is_named() {
    let function = Function {
        path: "f".into(),
        name: "f".into(),
        doc: String::new(),
        parameters: Vec::new(),
        returns: String::new(),
        error: None,
        wants: Wants {
            run: vec!["ls".into()],
            facts: true,
            ..Wants::default()
        },
        readable: false,
        plan: None,
    };
    let record = abi::record("", &function);
    assert_eq!(abi::functions(&record), Ok(vec![function]));
    for cut in [1, 3, 4, record.len() - 1] {
        let records = [&*record, &record[..cut]].concat();
        assert_eq!(
            abi::functions(&records),
            Err(RecordError::CutShort(1)),
            "{cut}"
        );
    }
}

#[test]
fn a_record_that_is_something_else_is_named() {
    let record = [&[1, 0, 0, 0][..], &[0xf6]].concat();
    let error = abi::functions(&record).unwrap_err();
    assert!(
        matches!(
            error,
            RecordError::Decode {
                index: 0,
                source: DecodeError::Type(_)
            }
        ),
        "{error:?}"
    );
}

#[test]
fn more_items_than_a_call_may_have_are_refused() {
    assert!(cbor::items(&cbor::encode(&vec![(); 256]).unwrap()).is_ok());
    assert!(cbor::items(&cbor::encode(&vec![(); 257]).unwrap()).is_err());
}

#[test]
fn values_nest_as_deep_as_the_limit_says() {
    let nested = |depth| [vec![0x81; depth], vec![0xf6]].concat();
    let value = cbor::decode::<Value>(&nested(cbor::MAX_DEPTH)).unwrap();
    assert_eq!(cbor::encode(&value).unwrap(), nested(cbor::MAX_DEPTH));
    assert_eq!(
        cbor::decode::<Value>(&nested(cbor::MAX_DEPTH + 1)),
        Err(DecodeError::TooDeep)
    );
    assert_eq!(
        cbor::decode::<IgnoredAny>(&nested(cbor::MAX_DEPTH + 1)).unwrap_err(),
        DecodeError::TooDeep
    );
    assert!(cbor::decode::<IgnoredAny>(&nested(cbor::MAX_DEPTH)).is_ok());

    let deeper = Value::Array(vec![value]);
    let error = cbor::encode(&deeper).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot be encoded as CBOR: it nests deeper than 128 levels"
    );

    // Each argument of a call is a value of its own.
    assert_eq!(
        cbor::encode_arguments(&deeper).unwrap(),
        nested(cbor::MAX_DEPTH + 1)
    );
    assert!(cbor::items(&nested(cbor::MAX_DEPTH + 1)).is_ok());
    assert_eq!(
        cbor::items(&nested(cbor::MAX_DEPTH + 2)),
        Err(DecodeError::TooDeep)
    );
}

#[test]
fn whatever_values_nest_in_counts() {
    let [array, open_array, map, open_map, key, tag] = [
        &[0x81][..],
        &[0x9f],
        &[0xa1, 0],
        &[0xbf, 0],
        &[0xa1],
        &[0xc6],
    ];
    for nest in [array, open_array, map, open_map, key, tag] {
        let bytes = [&[0x81], &*nest.repeat(1000)].concat();
        assert_eq!(cbor::items(&bytes), Err(DecodeError::TooDeep), "{nest:x?}");
    }
}

#[test]
fn items_of_unknown_length_are_found_whole() {
    let bytes = [
        &[0x84][..],
        b"\x5f\x41a\x41b\xff",
        b"\x7f\x61a\x61b\xff",
        b"\x9f\x01\x02\xff",
        b"\xbf\x01\x02\xff",
    ]
    .concat();
    let items = cbor::items(&bytes).unwrap();
    let map = Value::Map(vec![(1.into(), 2.into())]);
    let expected = [
        Value::Bytes(b"ab".into()),
        "ab".into(),
        Value::Array(vec![1.into(), 2.into()]),
        map,
    ];
    assert_eq!(decoded(&bytes, &items).unwrap(), expected);
    assert_eq!(
        cbor::items(&[0x81, 0x9f, 0x01]),
        Err(DecodeError::Malformed(3)),
        "it has no end"
    );
}
