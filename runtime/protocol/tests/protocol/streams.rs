//! Streams: complete and in order, no faster than the reader takes, without delaying others, and
//! closed when either end says so.

use std::{collections::VecDeque, iter::from_fn};

use allocation_counter::measure;
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use serde_bytes::ByteBuf;
use wxec_protocol::{
    AgentEvent, CHUNK_BYTES, CallRequest, Command, ControllerEvent, Digest, MAX_STREAMS,
    MAX_WIDE_STREAMS, NARROW_WINDOW_BYTES, ProtocolError, STREAM_WINDOW_BYTES, Service, Splice,
    StreamEnd, StreamId, TRANSMIT_BYTES, WindowSize,
};

use crate::{
    pair::{ARTIFACT, Pair, command, long, request},
    wire::{Streams, ToAgent, ToController, frame, narrow, number},
};

#[expect(clippy::cast_possible_truncation, reason = "1 MiB")]
const WINDOW: usize = STREAM_WINDOW_BYTES as usize;

#[expect(clippy::cast_possible_truncation, reason = "32 KiB")]
const NARROW: usize = NARROW_WINDOW_BYTES as usize;

/// Smallest credit that is announced.
const QUARTER: u64 = STREAM_WINDOW_BYTES / 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Controller,
    Agent,
}

use End::{Agent, Controller};

const ENDS: [End; 2] = [Controller, Agent];

impl End {
    fn other(self) -> Self {
        match self {
            Controller => Agent,
            Agent => Controller,
        }
    }
}

/// An event of either end about a stream.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Data(Bytes),
    Splice(Splice),
    Credit(u64),
    Finished,
    Closed(StreamEnd),
}

/// Stream operations of both ends.
impl Pair {
    fn send(&mut self, from: End, id: StreamId, bytes: Bytes) {
        match from {
            Controller => self.controller.send(id, bytes),
            Agent => self.agent.send(id, bytes),
        }
    }

    fn finish(&mut self, from: End, id: StreamId) {
        match from {
            Controller => self.controller.finish_stream(id),
            Agent => self.agent.finish_stream(id),
        }
    }

    fn taken(&mut self, by: End, id: StreamId, bytes: u64) {
        match by {
            Controller => self.controller.taken(id, bytes),
            Agent => self.agent.taken(id, bytes),
        }
    }

    fn close(&mut self, from: End, id: StreamId) {
        match from {
            Controller => self.controller.close_stream(id),
            Agent => self.agent.end_stream(id, StreamEnd::Closed),
        }
    }

    /// Returns all stream events of an end so far.
    fn told(&mut self, to: End) -> Vec<(StreamId, Told)> {
        from_fn(|| match to {
            Controller => Some(match self.controller.poll_event()? {
                ControllerEvent::Data { id, bytes } => (id, Told::Data(bytes)),
                ControllerEvent::Credit { id, bytes } => (id, Told::Credit(bytes)),
                ControllerEvent::Finished { id } => (id, Told::Finished),
                ControllerEvent::StreamClosed { id, end } => (id, Told::Closed(end)),
                event => panic!("{event:?} is of no stream"),
            }),
            Agent => Some(match self.agent.poll_event()? {
                AgentEvent::Data { id, bytes } => (id, Told::Data(bytes)),
                AgentEvent::Splice { id, splice } => (id, Told::Splice(splice)),
                AgentEvent::Credit { id, bytes } => (id, Told::Credit(bytes)),
                AgentEvent::Finished { id } => (id, Told::Finished),
                AgentEvent::StreamClosed { id } => (id, Told::Closed(StreamEnd::Closed)),
                event => panic!("{event:?} is of no stream"),
            }),
        })
        .collect()
    }

    /// Settles, and returns all stream events of an end.
    fn settled(&mut self, to: End) -> Vec<(StreamId, Told)> {
        self.settle();
        self.told(to)
    }

    /// Returns the streams on which an end sent data since the last call of this function, one for
    /// each part.
    fn turns(&mut self, from: End) -> Vec<u64> {
        match from {
            Controller => self
                .controller_said()
                .iter()
                .filter_map(stream_to_agent)
                .collect(),
            Agent => self
                .agent_said()
                .iter()
                .filter_map(stream_to_controller)
                .collect(),
        }
    }
}

fn stream_to_agent(message: &ToAgent) -> Option<u64> {
    if let ToAgent::Data { id, .. } = message {
        Some(*id)
    } else {
        None
    }
}

fn stream_to_controller(message: &ToController) -> Option<u64> {
    if let ToController::Data { id, .. } = message {
        Some(*id)
    } else {
        None
    }
}

/// Returns the data of one stream among these events.
fn data(told: &[(StreamId, Told)], of: StreamId) -> Vec<u8> {
    let mut data = Vec::new();
    for (id, told) in told {
        match told {
            Told::Data(bytes) if *id == of => data.extend_from_slice(bytes),
            _ => {}
        }
    }
    data
}

/// One direction of a stream. Its writer always has more, and its reader takes everything at once.
struct Flow {
    from: End,
    id: StreamId,
    credit: u64,
    /// Pieces left to send.
    left: VecDeque<Bytes>,
    said_all: bool,
    arrived: Vec<u8>,
    finished: bool,
}

impl Flow {
    /// Sends `bytes` in pieces of `lengths`, repeated.
    fn new(from: End, id: StreamId, mut bytes: Bytes, lengths: &[usize]) -> Self {
        let pieces = lengths.iter().cycle().map_while(|length| {
            let piece = bytes.split_to((*length).min(bytes.len()));
            (!piece.is_empty()).then_some(piece)
        });
        let left = pieces.collect();
        Self {
            from,
            id,
            credit: id.window_bytes(),
            left,
            said_all: false,
            arrived: Vec::new(),
            finished: false,
        }
    }

    fn write(&mut self, pair: &mut Pair) {
        while self.credit > 0
            && let Some(mut piece) = self.left.pop_front()
        {
            let fits = piece.len().min(usize::try_from(self.credit).unwrap());
            self.credit -= fits as u64;
            pair.send(self.from, self.id, piece.split_to(fits));
            if !piece.is_empty() {
                self.left.push_front(piece);
            }
        }
        if self.left.is_empty() && !std::mem::replace(&mut self.said_all, true) {
            pair.finish(self.from, self.id);
        }
    }
}

/// Carries transmissions until all flows are finished.
fn carry(pair: &mut Pair, flows: &mut [Flow]) {
    let mut steps = 0;
    while flows.iter().any(|flow| !flow.finished) {
        flows.iter_mut().for_each(|flow| flow.write(pair));
        assert!(pair.step() && steps < 1000, "they wait for each other");
        steps += 1;
        for end in ENDS {
            for (id, told) in pair.told(end) {
                let there = |flow: &&mut Flow| flow.id == id && flow.from != end;
                let here = |flow: &&mut Flow| flow.id == id && flow.from == end;
                match told {
                    Told::Data(bytes) => {
                        assert!(bytes.len() <= CHUNK_BYTES);
                        flows
                            .iter_mut()
                            .find(there)
                            .unwrap()
                            .arrived
                            .extend_from_slice(&bytes);
                        pair.taken(end, id, bytes.len() as u64);
                    }
                    Told::Credit(bytes) => flows.iter_mut().find(here).unwrap().credit += bytes,
                    Told::Finished => flows.iter_mut().find(there).unwrap().finished = true,
                    told => panic!("{told:?}"),
                }
            }
        }
    }
}

/// Pieces of every kind of length: a part has at most [`CHUNK_BYTES`], a transmission about
/// [`TRANSMIT_BYTES`].
const LENGTHS: [usize; 9] = [
    1,
    2,
    100,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    3 * CHUNK_BYTES + 7,
    TRANSMIT_BYTES,
    1021,
];

#[test]
fn a_process_is_asked_for_by_its_command_and_its_streams() {
    let mut pair = Pair::new();
    let command = Command {
        words: [
            &b"ssh"[..],
            b"",
            b"two words",
            "ünïcode".as_bytes(),
            b"\xff",
        ]
        .map(ByteBuf::from)
        .into(),
        env: vec![
            (ByteBuf::from(*b"LANG"), ByteBuf::from(*b"\xff")),
            (ByteBuf::from(*b"EMPTY"), ByteBuf::new()),
        ],
        clear_env: true,
        directory: Some(ByteBuf::from(*b"~/\xff")),
        deadline_ms: Some(1),
        pty: Some(WindowSize {
            rows: 24,
            columns: 80,
        }),
        wait_output: true,
    };
    let first = pair.controller.start(command.clone(), false);
    let second = pair.controller.start(command.clone(), true);
    assert_eq!(
        Streams::from(first),
        Streams {
            stdio: 0,
            stderr: narrow(1),
            terminal: None
        }
    );
    assert_eq!(
        Streams::from(second),
        Streams {
            stdio: 2,
            stderr: narrow(3),
            terminal: Some(narrow(4))
        }
    );
    let started = [first, second].map(|streams| AgentEvent::Start {
        streams,
        command: command.clone(),
    });
    assert_eq!(pair.agent_events(), started);
    assert_eq!(
        pair.controller_events(),
        [],
        "nothing answers before it has something to say"
    );
}

#[test]
fn data_may_follow_a_start_at_once() {
    let mut pair = Pair::new();
    let streams = pair.controller.start(command(&["cat"]), false);
    pair.controller.send(streams.stdio, "early".into());
    pair.controller.finish_stream(streams.stdio);
    let id = streams.stdio;
    let expected = [
        AgentEvent::Start {
            streams,
            command: command(&["cat"]),
        },
        AgentEvent::Data {
            id,
            bytes: "early".into(),
        },
        AgentEvent::Finished { id },
    ];
    assert_eq!(pair.agent_events(), expected);
}

#[test]
fn megabytes_go_both_ways_in_order() {
    let mut pair = Pair::new();
    let id = pair.started().stdio;
    let [up, down] = [long(5 * WINDOW + 3), long(7 * WINDOW + 1)];
    let mut flows = [
        Flow::new(Controller, id, up.clone(), &LENGTHS),
        Flow::new(Agent, id, down.clone(), &LENGTHS),
    ];
    carry(&mut pair, &mut flows);
    assert!(flows[0].arrived == up && flows[1].arrived == down);
}

#[test]
fn streams_do_not_mix() {
    let mut pair = Pair::new();
    let streams = [(); 5].map(|()| pair.started());
    let mut flows = Vec::new();
    for (at, streams) in streams.iter().enumerate() {
        let bytes = |stream: usize| long(2 * WINDOW).slice(100 * at + stream..);
        flows.push(Flow::new(
            Controller,
            streams.stdio,
            bytes(0),
            &LENGTHS[at..],
        ));
        flows.push(Flow::new(Agent, streams.stdio, bytes(1), &LENGTHS[at..]));
        flows.push(Flow::new(Agent, streams.stderr, bytes(2), &LENGTHS[at..]));
    }
    carry(&mut pair, &mut flows);
    for (at, flow) in flows.iter().enumerate() {
        assert!(
            flow.arrived == long(2 * WINDOW).slice(100 * (at / 3) + at % 3..),
            "{at}"
        );
    }
}

#[test]
fn data_may_be_cut_anywhere() {
    let bytes = long(WINDOW + 2 * CHUNK_BYTES);
    for part_bytes in [1, 2, 3, 5, 64, 1021, CHUNK_BYTES, CHUNK_BYTES + 1] {
        let mut pair = Pair::carrying_parts_of(part_bytes);
        let id = pair.started().stdio;
        let mut flows = ENDS.map(|from| Flow::new(from, id, bytes.clone(), &LENGTHS));
        carry(&mut pair, &mut flows);
        assert!(
            flows.iter().all(|flow| flow.arrived == bytes),
            "parts of {part_bytes} bytes"
        );
    }
}

#[test]
fn nothing_is_said_of_no_data() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end, id, Bytes::new());
        assert!(!pair.step());
    }
}

#[test]
fn a_window_may_be_sent_before_any_is_taken() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        let bytes = long(WINDOW);
        pair.send(end, id, bytes.clone());
        let told = pair.settled(end.other());
        assert!(data(&told, id) == bytes);
        assert_eq!(pair.settled(end), [], "nobody took anything");
    }
}

#[test]
fn each_stream_has_a_window_of_its_own() {
    let mut pair = Pair::new();
    let streams = pair.started();
    let (bytes, few) = (long(WINDOW), long(NARROW));
    pair.agent.send(streams.stdio, bytes.clone());
    pair.agent.send(streams.stderr, few.clone());
    pair.controller.send(streams.stdio, bytes.clone());
    pair.settle();
    let told = pair.told(Controller);
    assert!(data(&told, streams.stdio) == bytes && data(&told, streams.stderr) == few);
    assert!(data(&pair.told(Agent), streams.stdio) == bytes);
}

#[test]
fn credit_is_told_when_a_quarter_of_the_window_was_taken() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end, id, long(WINDOW));
        pair.settled(end.other());

        pair.taken(end.other(), id, QUARTER - 1);
        assert_eq!(pair.settled(end), []);
        pair.taken(end.other(), id, 1);
        assert_eq!(pair.settled(end), [(id, Told::Credit(QUARTER))]);
        pair.taken(end.other(), id, QUARTER - 1);
        assert_eq!(pair.settled(end), []);
        pair.taken(end.other(), id, 2 * QUARTER + 1);
        assert_eq!(
            pair.settled(end),
            [(id, Told::Credit(3 * QUARTER))],
            "all of it"
        );

        let more = long(WINDOW);
        pair.send(end, id, more.clone());
        assert!(
            data(&pair.settled(end.other()), id) == more,
            "which can be used up again"
        );
    }
}

#[test]
fn a_stream_that_brings_no_more_needs_no_credit() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end, id, long(WINDOW));
        pair.finish(end, id);
        pair.settled(end.other());
        pair.taken(end.other(), id, STREAM_WINDOW_BYTES);
        assert!(!pair.step());
    }
}

#[test]
fn what_is_finished_in_one_direction_goes_on_in_the_other() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end, id, "last".into());
        pair.finish(end, id);
        let expected = [(id, Told::Data("last".into())), (id, Told::Finished)];
        assert_eq!(pair.settled(end.other()), expected);

        let bytes = long(3 * WINDOW);
        let mut back = [Flow::new(end.other(), id, bytes.clone(), &LENGTHS)];
        carry(&mut pair, &mut back);
        assert!(back[0].arrived == bytes);
    }
}

#[test]
fn the_end_of_the_data_is_told_once() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.finish(end, id);
        pair.finish(end, id);
        assert_eq!(pair.settled(end.other()), [(id, Told::Finished)]);
    }
}

#[test]
fn a_finished_stream_takes_no_more() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.finish(end, id);
        pair.send(end, id, "more".into());
        let mut wire = Vec::new();
        let heard = match end {
            Controller => {
                assert_eq!(pair.controller.poll_transmit(&mut wire), None);
                pair.agent.handle_input(&wire)
            }
            Agent => {
                pair.agent.poll_transmit(&mut wire);
                pair.controller.handle_input(&wire)
            }
        };
        assert_eq!(heard, Err(ProtocolError::StreamFinished(id)), "{end:?}");
    }
}

#[test]
fn a_stream_the_controller_closes_is_over_at_once() {
    let mut pair = Pair::new();
    let id = pair.started().stdio;
    pair.controller.send(id, long(WINDOW));
    pair.agent.send(id, long(WINDOW));
    pair.step();
    pair.told(Controller);
    pair.told(Agent);
    pair.controller_said();
    pair.agent_said();

    pair.controller.close_stream(id);
    pair.controller.close_stream(id);
    pair.settle();
    assert_eq!(pair.told(Controller), [], "whatever is still on its way");
    assert_eq!(pair.told(Agent), [(id, Told::Closed(StreamEnd::Closed))]);
    assert_eq!(
        pair.controller_said(),
        [ToAgent::Close { id: number(id) }],
        "and none of what was left"
    );
    assert_eq!(pair.agent_said(), []);
}

#[test]
fn of_a_closed_stream_nothing_more_is_said() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end.other(), id, long(WINDOW));
        pair.settled(end);
        pair.close(end, id);
        assert_eq!(
            pair.settled(end.other()),
            [(id, Told::Closed(StreamEnd::Closed))]
        );
        for end in ENDS {
            pair.send(end, id, "more".into());
            pair.taken(end, id, STREAM_WINDOW_BYTES);
            pair.finish(end, id);
            pair.close(end, id);
        }
        pair.controller.splice(
            id,
            Splice {
                blob: Digest::of(ARTIFACT),
                offset: 0,
                length: 1,
            },
        );
        assert!(!pair.step(), "{end:?}");
    }
}

#[test]
fn words_that_cross_a_close_are_ignored() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end, id, long(WINDOW));
        pair.settled(end.other());
        // All of this is sent before the other end receives the close.
        pair.taken(end.other(), id, STREAM_WINDOW_BYTES);
        pair.send(end.other(), id, long(WINDOW));
        pair.finish(end.other(), id);
        pair.close(end.other(), id);
        pair.close(end, id);
        assert!(
            pair.settled(end)
                .iter()
                .all(|(_, told)| matches!(told, Told::Credit(_))),
            "{end:?}"
        );
    }
}

#[test]
fn both_ends_may_close_at_once() {
    let mut pair = Pair::new();
    let id = pair.started().stdio;
    pair.agent.end_stream(id, StreamEnd::Exited(0));
    pair.controller.close_stream(id);
    assert_eq!(pair.settled(Controller), []);
    assert_eq!(pair.told(Agent), []);
}

#[test]
fn the_end_of_a_stream_arrives_behind_all_its_data() {
    let mut pair = Pair::new();
    let streams = pair.started();
    let [stdout, stderr] = [long(WINDOW), long(NARROW)];
    pair.agent.send(streams.stdio, stdout.clone());
    pair.agent.send(streams.stderr, stderr.clone());
    pair.agent.finish_stream(streams.stdio);
    for id in [streams.stderr, streams.stdio] {
        pair.agent.end_stream(id, StreamEnd::Exited(7));
        pair.agent.send(id, "too late".into());
    }
    let told = pair.settled(Controller);
    for (id, bytes) in [(streams.stdio, stdout), (streams.stderr, stderr)] {
        assert!(data(&told, id) == bytes);
        let last = told.iter().rfind(|(of, _)| *of == id).unwrap();
        assert_eq!(last.1, Told::Closed(StreamEnd::Exited(7)));
    }
}

#[test]
fn every_end_arrives_as_it_was_said() {
    let ends = [
        StreamEnd::Closed,
        StreamEnd::Exited(0),
        StreamEnd::Exited(i32::MIN),
        StreamEnd::Signalled(9),
        StreamEnd::Failed("cannot run `dosa`: no such file".into()),
    ];
    let texts = [
        "closed",
        "exit code 0",
        "exit code -2147483648",
        "ended by signal 9",
    ];
    assert!(
        ends.iter()
            .zip(texts)
            .all(|(end, text)| end.to_string() == text)
    );

    let mut pair = Pair::new();
    for end in ends {
        let id = pair.started().stdio;
        pair.agent.end_stream(id, end.clone());
        pair.agent.end_stream(id, StreamEnd::Closed);
        assert_eq!(pair.settled(Controller), [(id, Told::Closed(end))]);
    }
}

#[test]
fn streams_beyond_the_maximum_are_refused_until_one_is_over() {
    let mut pair = Pair::new();
    let processes: Vec<_> = (0..MAX_STREAMS / 2).map(|_| pair.started()).collect();
    assert_eq!(pair.controller_events(), []);

    let refused = pair.controller.start(command(&["cat"]), true);
    pair.controller.send(refused.stdio, "late".into());
    let end = StreamEnd::Failed(format!("more than {MAX_STREAMS} streams are open"));
    let ids = [refused.stderr, refused.terminal.unwrap(), refused.stdio];
    assert_eq!(
        pair.settled(Controller),
        ids.map(|id| (id, Told::Closed(end.clone())))
    );
    assert_eq!(pair.told(Agent), []);

    pair.agent.end_stream(processes[0].stdio, StreamEnd::Closed);
    pair.controller.close_stream(processes[1].stderr);
    pair.settled(Controller);
    pair.told(Agent);
    pair.started();
}

#[test]
fn a_flood_does_not_hold_up_a_short_call() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.send(end, id, long(WINDOW));
        pair.step();
        pair.answers_a_short_call();
        assert!(pair.step(), "the flood is yet to end");
    }
}

#[test]
fn a_flood_holds_up_another_stream_by_a_part_at_most() {
    for end in ENDS {
        let mut pair = Pair::new();
        let [flood, other] = [(); 2].map(|()| pair.started().stdio);
        pair.send(end, flood, long(WINDOW));
        pair.step();
        pair.turns(end);
        pair.send(end, other, "short".into());
        pair.step();
        let before = pair.turns(end).iter().position(|id| *id == number(other));
        assert!(before.is_some_and(|parts| parts <= 1), "{before:?}");
    }
}

#[test]
fn streams_take_turns() {
    for end in ENDS {
        let mut pair = Pair::new();
        let ids = [(); 3].map(|()| pair.started().stdio);
        ids.iter()
            .for_each(|id| pair.send(end, *id, long(3 * CHUNK_BYTES)));
        pair.settle();
        let [a, b, c] = ids.map(number);
        assert_eq!(pair.turns(end), [a, b, c, a, b, c, a, b, c]);
    }
}

#[test]
fn long_payloads_of_every_kind_take_turns() {
    let mut pair = Pair::new();
    let id = pair.started().stdio;
    let long = long(4 * CHUNK_BYTES);
    let module = Digest::of(&long);
    pair.running(CallRequest {
        module,
        ..request("f", "1")
    });
    pair.agent.need(module);
    assert!(matches!(
        *pair.controller_events(),
        [ControllerEvent::Need { .. }]
    ));
    pair.controller_said();

    pair.controller.provide(module, long.clone());
    pair.controller.send(id, long.clone());
    pair.controller.send_blob(module, long.clone());
    pair.controller.call(request("f", long));
    pair.settle();
    let turns: Vec<_> = pair.controller_said()[1..]
        .iter()
        .map(|message| match message {
            ToAgent::Module { .. } => 'm',
            ToAgent::Data { .. } => 'd',
            ToAgent::Blob { .. } => 'b',
            ToAgent::Input { .. } => 'i',
            message => panic!("{message:?}"),
        })
        .collect();
    assert_eq!(
        turns.iter().collect::<String>(),
        "mdbimdbimdbimdb",
        "a call brings its first part itself"
    );
}

#[test]
fn splices_keep_their_place_among_the_data() {
    let mut pair = Pair::new();
    let id = pair.started().stdio;
    let splice = |offset| Splice {
        blob: Digest::of(ARTIFACT),
        offset,
        length: 3,
    };
    let long = long(CHUNK_BYTES + 1);
    pair.controller.splice(id, splice(0));
    pair.controller.send(id, long.clone());
    pair.controller.splice(id, splice(3));
    pair.controller.splice(id, splice(6));
    pair.controller.send(id, "end".into());
    pair.controller.finish_stream(id);
    let expected = [
        Told::Splice(splice(0)),
        Told::Data(long.slice(..CHUNK_BYTES)),
        Told::Data(long.slice(CHUNK_BYTES..)),
        Told::Splice(splice(3)),
        Told::Splice(splice(6)),
        Told::Data("end".into()),
        Told::Finished,
    ];
    assert_eq!(pair.settled(Agent), expected.map(|told| (id, told)));
}

#[test]
fn a_splice_takes_turns_and_credit_as_its_bytes_would() {
    let mut pair = Pair::new();
    let [id, other] = [(); 2].map(|()| pair.started().stdio);
    let part = CHUNK_BYTES as u64;
    for at in 0..STREAM_WINDOW_BYTES / part {
        pair.controller.splice(
            id,
            Splice {
                blob: Digest::of(ARTIFACT),
                offset: at * part,
                length: part,
            },
        );
        pair.controller.send(other, "beside".into());
    }
    let told = pair.settled(Agent);
    assert!(
        told.chunks(2)
            .all(|turn| [turn[0].0, turn[1].0] == [id, other]),
        "{told:?}"
    );
    assert!(
        pair.controller.traffic().bytes_sent < part,
        "the bytes are there already"
    );

    pair.agent.taken(id, STREAM_WINDOW_BYTES);
    assert_eq!(
        pair.settled(Controller),
        [(id, Told::Credit(STREAM_WINDOW_BYTES))]
    );
    pair.controller.send(id, long(WINDOW));
    assert!(data(&pair.settled(Agent), id) == long(WINDOW));
}

#[test]
fn what_crosses_the_wire_is_counted() {
    let mut pair = Pair::new();
    let before = pair.controller.traffic();
    let id = pair.started().stdio;
    let bytes = long(WINDOW);
    let mut flows = ENDS.map(|from| Flow::new(from, id, bytes.clone(), &LENGTHS));
    carry(&mut pair, &mut flows);
    pair.controller.send_blob(Digest::of(&bytes), bytes);
    pair.settle();
    let after = pair.controller.traffic();
    let said: usize = pair
        .controller_said()
        .iter()
        .map(|message| frame(message).len())
        .sum();
    let heard: usize = pair
        .agent_said()
        .iter()
        .map(|message| frame(message).len())
        .sum();
    assert_eq!(after.bytes_sent - before.bytes_sent, said as u64);
    assert_eq!(after.bytes_received - before.bytes_received, heard as u64);
    assert_eq!(
        (after.module_bytes, after.hop_bytes),
        (0, 0),
        "streams and blobs are neither"
    );
}

/// Starts a process, and lets the other end send pieces of `length` on its stdio until that is an
/// error. Returns the most memory allocated at once. The reader keeps everything and announces
/// nothing as taken.
fn allocated_by_a_flood(end: End, length: usize) -> u64 {
    let mut pair = Pair::new();
    let id = number(pair.started().stdio);
    let bytes = vec![b'x'; length];
    let piece = match end {
        Controller => frame(&ToController::Data { id, bytes }),
        Agent => frame(&ToAgent::Data { id, bytes }),
    };
    let flood = measure(|| {
        let mut kept = Vec::new();
        let offence = (0..).find_map(|pieces| {
            let heard = match end {
                Controller => pair.controller.handle_input(&piece),
                Agent => pair.agent.handle_input(&piece),
            };
            kept.extend(pair.told(end));
            heard.err().map(|error| (pieces, error))
        });
        let limit = STREAM_WINDOW_BYTES;
        assert_eq!(
            offence,
            Some((
                WINDOW / length,
                ProtocolError::TooLong {
                    what: "a stream's data",
                    limit
                }
            ))
        );
    });
    flood.bytes_max
}

#[test]
fn a_flood_costs_about_a_window() {
    for end in ENDS {
        for length in [CHUNK_BYTES, 1 << 10] {
            let allocated = allocated_by_a_flood(end, length);
            assert!(
                allocated < 2 * STREAM_WINDOW_BYTES,
                "{allocated} bytes for pieces of {length} at {end:?}"
            );
        }
    }
}

#[test]
fn a_flood_of_other_streams_costs_nothing() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        pair.close(end, id);
        pair.settle();
        pair.told(end.other());
        let (id, bytes) = (number(id), vec![b'x'; CHUNK_BYTES]);
        let piece = match end {
            Controller => frame(&ToController::Data { id, bytes }),
            Agent => frame(&ToAgent::Data { id, bytes }),
        };
        let flood = measure(|| {
            for _ in 0..1000 {
                match end {
                    Controller => pair.controller.handle_input(&piece).unwrap(),
                    Agent => pair.agent.handle_input(&piece).unwrap(),
                }
            }
        });
        assert!(
            flood.bytes_max < 2 * CHUNK_BYTES as u64,
            "{} bytes",
            flood.bytes_max
        );
    }
}

proptest! {
    // Each case carries megabytes.
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn whatever_is_taken_credit_never_exceeds_it(takes in vec(0..QUARTER + 2, 1..30), from_agent: bool) {
        let end = if from_agent { Agent } else { Controller };
        let mut pair = Pair::new();
        let id = pair.started().stdio;
        let (mut credit, mut arrived, mut taken, mut told) = (STREAM_WINDOW_BYTES, 0, 0, 0);
        for take in takes {
            pair.send(end, id, long(usize::try_from(credit).unwrap()));
            arrived += data(&pair.settled(end.other()), id).len() as u64;
            let take = take.min(arrived - taken);
            taken += take;
            pair.taken(end.other(), id, take);
            credit = 0;
            for (_, word) in pair.settled(end) {
                let Told::Credit(bytes) = word else { panic!("{word:?}") };
                prop_assert!((QUARTER..=STREAM_WINDOW_BYTES).contains(&bytes));
                credit += bytes;
            }
            told += credit;
            prop_assert!(told <= taken && taken - told < QUARTER, "{} told of {} taken", told, taken);
        }
    }


    #[test]
    fn any_pieces_arrive_in_order(
        up in vec(1..3 * CHUNK_BYTES, 1..20),
        down in vec(1..3 * CHUNK_BYTES, 1..20),
        part_bytes in 1000..3 * CHUNK_BYTES,
    ) {
        let mut pair = Pair::carrying_parts_of(part_bytes);
        let id = pair.started().stdio;
        let lengths = [up, down];
        let sent = lengths.clone().map(|lengths| long(lengths.iter().sum()));
        let mut flows = [0, 1].map(|at| Flow::new(ENDS[at], id, sent[at].clone(), &lengths[at]));
        carry(&mut pair, &mut flows);
        prop_assert!(flows[0].arrived == sent[0] && flows[1].arrived == sent[1]);
    }
}

#[test]
fn of_many_streams_some_are_narrow() {
    let mut pair = Pair::new();
    let processes: Vec<_> = (0..=MAX_WIDE_STREAMS).map(|_| pair.started()).collect();
    let narrow: Vec<_> = processes
        .iter()
        .filter(|streams| streams.stdio.window_bytes() < STREAM_WINDOW_BYTES)
        .collect();
    assert_eq!(narrow, [&processes[MAX_WIDE_STREAMS]]);
    pair.close(Controller, processes[0].stdio);
    pair.settled(Agent);
    assert_eq!(
        pair.started().stdio.window_bytes(),
        STREAM_WINDOW_BYTES,
        "one is closed, so there is room"
    );
    assert_eq!(pair.started().stdio.window_bytes(), NARROW_WINDOW_BYTES);
}

#[test]
fn a_narrow_stream_whose_reader_takes_much_gets_wider() {
    for end in ENDS {
        let mut pair = Pair::new();
        let id = pair.started().stderr;
        let (mut credit, mut width) = (NARROW_WINDOW_BYTES, NARROW_WINDOW_BYTES);
        while width < STREAM_WINDOW_BYTES {
            pair.send(end, id, long(usize::try_from(credit).unwrap()));
            pair.settled(end.other());
            pair.taken(end.other(), id, credit);
            let [(_, Told::Credit(told))] = pair.settled(end)[..] else {
                panic!("no credit")
            };
            assert_eq!(told, 2 * credit, "what was taken, and as much beyond it");
            (credit, width) = (told, told);
        }
        pair.send(end, id, long(WINDOW));
        pair.settled(end.other());
        pair.taken(end.other(), id, STREAM_WINDOW_BYTES);
        assert_eq!(
            pair.settled(end),
            [(id, Told::Credit(STREAM_WINDOW_BYTES))],
            "no wider than the others"
        );
    }
}

#[test]
fn narrow_streams_grow_no_more_than_all_of_them_may() {
    let mut pair = Pair::new();
    let mut grown = 0;
    for id in (0..200).map(|_| pair.started().stderr).collect::<Vec<_>>() {
        let mut credit = NARROW_WINDOW_BYTES;
        for _ in 0..6 {
            pair.agent.send(id, long(usize::try_from(credit).unwrap()));
            pair.settled(Controller);
            pair.controller.taken(id, credit);
            let [(_, Told::Credit(told))] = pair.settled(Agent)[..] else {
                panic!("no credit")
            };
            grown += told - credit;
            credit = told;
        }
    }
    assert_eq!(grown, 64 << 20);
}

#[test]
fn signals_and_sizes_reach_a_process_that_has_not_ended() {
    let mut pair = Pair::new();
    let [first, second] = [(); 2].map(|()| pair.started().stdio);
    pair.agent.end_stream(first, StreamEnd::Exited(0));
    for id in [first, second] {
        pair.controller.signal(id, 15);
        pair.controller.resize(
            id,
            WindowSize {
                rows: 1,
                columns: 2,
            },
        );
    }
    pair.settle();
    let size = WindowSize {
        rows: 1,
        columns: 2,
    };
    let told = [
        AgentEvent::Signal {
            id: second,
            signal: 15,
        },
        AgentEvent::Resize { id: second, size },
    ];
    assert_eq!(
        pair.agent_events(),
        told,
        "the other one had ended when they arrived"
    );
    pair.controller_events();
    pair.controller.signal(first, 15);
    pair.settle();
    assert_eq!(pair.agent_events(), []);
}

#[test]
fn a_service_has_a_stream_of_its_own() {
    let mut pair = Pair::new();
    let id = pair.controller.open(Service::Files);
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::Open {
            id,
            service: Service::Files
        }]
    );
    pair.agent.send(id, "hello".into());
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Data {
            id,
            bytes: "hello".into()
        }]
    );
    pair.agent.end_stream(id, StreamEnd::Closed);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::StreamClosed {
            id,
            end: StreamEnd::Closed
        }]
    );
}
