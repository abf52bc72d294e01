//! Bytes that the hop before the agent puts in itself, and the blobs that hops hold for it.

use bytes::Bytes;
use wxec_protocol::{
    AgentEvent, CHUNK_BYTES, CallRequest, ControllerConnection, ControllerEvent, Description,
    Digest, Fault, Splice,
};

use crate::{
    pair::{Pair, command, long, part, request},
    wire::{ToAgent, ToController, frame},
};

const MIB: usize = 1 << 20;

/// Lengths around every boundary of parts, and long enough for many transmissions.
const LENGTHS: [usize; 7] = [
    1,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    2 * CHUNK_BYTES,
    MIB,
    5 * MIB + 3,
];

/// A call of `artifact`, which the agent lacks and asks for.
fn asked_for(pair: &mut Pair, artifact: &Bytes) -> Digest {
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
    module
}

/// The hop puts in wrong bytes. The agent asks again and gets the controller's own copy.
fn arrives_damaged(pair: &mut Pair, module: Digest, damaged: impl Into<Bytes>) {
    let damaged = damaged.into();
    pair.controller
        .provide_from_hop(module, damaged.len() as u64);
    pair.hop.insert(module, damaged);
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::DamagedModule { digest: module }]
    );
    assert_eq!(pair.controller_events(), [], "somebody has to want it");
    pair.agent.need(module);
    assert_eq!(
        pair.controller_events(),
        [ControllerEvent::Need {
            module,
            again: true
        }]
    );
}

/// Returns everything that a controller sends, with `artifact` in the places where a hop puts it
/// in.
fn sent(controller: &mut ControllerConnection, artifact: &Bytes) -> Vec<u8> {
    let mut sent = Vec::new();
    loop {
        let mut wire = Vec::new();
        let splice = controller.poll_transmit(&mut wire);
        if wire.is_empty() {
            assert_eq!(splice, None);
            return sent;
        }
        sent.extend_from_slice(&wire);
        if let Some(splice) = splice {
            assert_eq!(splice.blob, Digest::of(artifact));
            sent.extend_from_slice(&part(artifact, splice));
        }
    }
}

#[test]
fn with_the_hops_bytes_the_wire_is_the_same() {
    for length in LENGTHS.into_iter().chain([0]) {
        let artifact = long(length);
        let module = Digest::of(&artifact);
        let [from_here, from_hop] = [false, true].map(|hop| {
            let mut controller = ControllerConnection::new();
            let id = controller.start(command(&["cat"]), false).stdio;
            controller.send(id, long(3 * CHUNK_BYTES));
            if hop {
                controller.provide_from_hop(module, length as u64)
            } else {
                controller.provide(module, artifact.clone())
            }
            controller.send_blob(module, artifact.clone());
            controller.call(request("f", long(2 * CHUNK_BYTES + 1)));
            sent(&mut controller, &artifact)
        });
        assert!(from_here == from_hop, "{length}");
    }
}

#[test]
fn a_module_from_the_hop_arrives_whole() {
    for length in LENGTHS.into_iter().chain([0]) {
        let mut pair = Pair::new();
        let artifact = long(length);
        let module = asked_for(&mut pair, &artifact);
        let before = pair.controller.traffic();
        pair.controller_said();
        pair.hop.insert(module, artifact.clone());
        pair.controller.provide_from_hop(module, length as u64);
        assert!(
            pair.agent_events()
                == [AgentEvent::Module {
                    digest: module,
                    bytes: artifact
                }],
            "{length}"
        );

        let after = pair.controller.traffic();
        assert_eq!((after.module_bytes, after.hop_bytes), (0, length as u64));
        let said: usize = pair
            .controller_said()
            .iter()
            .map(|message| frame(message).len())
            .sum();
        assert_eq!(
            after.bytes_sent - before.bytes_sent + length as u64,
            said as u64,
            "the hop's bytes cost nothing"
        );
    }
}

#[test]
fn a_module_from_the_hop_may_be_cut_anywhere() {
    for part_bytes in [1, 3, 1021, CHUNK_BYTES] {
        let mut pair = Pair::carrying_parts_of(part_bytes);
        let artifact = long(2 * CHUNK_BYTES + 1);
        let module = asked_for(&mut pair, &artifact);
        pair.hop.insert(module, artifact.clone());
        pair.controller
            .provide_from_hop(module, artifact.len() as u64);
        assert!(
            pair.agent_events()
                == [AgentEvent::Module {
                    digest: module,
                    bytes: artifact
                }],
            "{part_bytes}"
        );
    }
}

#[test]
fn a_hop_is_told_each_part_in_turn() {
    let mut controller = ControllerConnection::new();
    let blob = Digest::of(b"held by the hop");
    controller.provide_from_hop(blob, 2 * CHUNK_BYTES as u64 + 5);
    let parts: Vec<_> = std::iter::from_fn(|| controller.poll_transmit(&mut Vec::new())).collect();
    let part = CHUNK_BYTES as u64;
    let expected = [(0, part), (part, part), (2 * part, 5)];
    assert_eq!(
        parts,
        expected.map(|(offset, length)| Splice {
            blob,
            offset,
            length
        })
    );
}

#[test]
fn a_short_call_overtakes_what_a_hop_puts_in() {
    let mut pair = Pair::new();
    let artifact = long(2 * MIB);
    let module = asked_for(&mut pair, &artifact);
    pair.hop.insert(module, artifact.clone());
    pair.controller
        .provide_from_hop(module, artifact.len() as u64);
    pair.step();
    pair.answers_a_short_call();
    assert!(
        matches!(*pair.agent_events(), [AgentEvent::Module { .. }]),
        "the module is yet to come"
    );
}

#[test]
fn modules_from_the_hop_take_turns() {
    let mut pair = Pair::new();
    let artifacts = [long(3 * CHUNK_BYTES), long(3 * CHUNK_BYTES + 1)];
    for artifact in &artifacts {
        let module = asked_for(&mut pair, artifact);
        pair.hop.insert(module, artifact.clone());
    }
    pair.controller_said();
    for artifact in &artifacts {
        pair.controller
            .provide_from_hop(Digest::of(artifact), artifact.len() as u64);
    }
    let arrived = artifacts.clone().map(|bytes| AgentEvent::Module {
        digest: Digest::of(&bytes),
        bytes,
    });
    assert!(pair.agent_events() == arrived);
    let turns: Vec<_> = pair
        .controller_said()
        .iter()
        .map(|message| match message {
            ToAgent::Module { digest, .. } => *digest == Digest::of(&artifacts[1]),
            message => panic!("{message:?}"),
        })
        .collect();
    assert_eq!(turns, [false, true, false, true, false, true, true]);
}

#[test]
fn a_module_the_hop_damaged_is_asked_for_again() {
    for length in LENGTHS {
        let mut pair = Pair::new();
        let artifact = long(length);
        let module = asked_for(&mut pair, &artifact);
        let mut damaged = artifact.to_vec();
        damaged[length / 2] ^= 1;
        arrives_damaged(&mut pair, module, damaged);
        assert_eq!(pair.agent_events(), [], "what is damaged is not told");

        pair.controller.provide(module, artifact.clone());
        assert!(
            pair.agent_events()
                == [AgentEvent::Module {
                    digest: module,
                    bytes: artifact
                }],
            "{length}"
        );
        let traffic = pair.controller.traffic();
        assert_eq!(
            [traffic.hop_bytes, traffic.module_bytes],
            [length as u64; 2],
            "it travelled after all"
        );
    }
}

#[test]
fn a_module_may_be_damaged_once_for_each_time_it_is_asked_for() {
    let mut pair = Pair::new();
    let artifact = long(CHUNK_BYTES + 1);
    let module = Digest::of(&artifact);
    for turn in 0..3 {
        let id = pair.running(CallRequest {
            module,
            ..request("f", "1")
        });
        pair.agent.need(module);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Need {
                module,
                again: turn > 0
            }]
        );
        arrives_damaged(&mut pair, module, vec![0; artifact.len()]);
        pair.controller.provide(module, artifact.clone());
        let [AgentEvent::Module { .. }] = *pair.agent_events() else {
            panic!("one module")
        };
        pair.agent.finish(id, Ok("2".into()), crate::pair::USAGE);
        assert!(matches!(
            *pair.controller_events(),
            [ControllerEvent::Returned { .. }]
        ));
    }
}

#[test]
fn a_module_the_hop_damaged_for_a_cancelled_call_does_not_end_the_session() {
    let mut pair = Pair::new();
    let artifact = long(1);
    let module = Digest::of(&artifact);
    let id = pair.running(CallRequest {
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
    pair.hop.insert(module, "x".into());
    pair.controller.provide_from_hop(module, 1);
    pair.controller.cancel(id);
    assert_eq!(
        pair.agent_events(),
        [
            AgentEvent::Cancel { id },
            AgentEvent::DamagedModule { digest: module }
        ]
    );
    pair.agent
        .finish(id, Err(Fault::Cancelled), crate::pair::USAGE);
    pair.settle();

    pair.running(CallRequest {
        module,
        ..request("f", "1")
    });
    pair.agent.need(module);
    let [ControllerEvent::Need { again, .. }] = *pair.controller_events() else {
        panic!("one question")
    };
    // The first answer comes from the hop.
    if again {
        pair.controller.provide(module, artifact)
    } else {
        pair.controller.provide_from_hop(module, 1)
    }
    assert!(matches!(
        *pair.agent_events(),
        [AgentEvent::DamagedModule { .. } | AgentEvent::Module { .. }]
    ));
}

#[test]
fn a_module_the_hop_damaged_may_be_refused() {
    let mut pair = Pair::new();
    let module = asked_for(&mut pair, &long(1));
    arrives_damaged(&mut pair, module, "x");
    pair.controller.refuse(module, "it is gone");
    assert_eq!(
        pair.agent_events(),
        [AgentEvent::NoModule {
            digest: module,
            reason: "it is gone".into()
        }]
    );
}

#[test]
fn a_blob_is_asked_for_and_answered_for() {
    let mut pair = Pair::new();
    let digest = Digest::of(b"a blob");
    for held in [false, true] {
        pair.controller.ask_blob(digest);
        pair.controller.ask_blob(digest);
        assert_eq!(
            pair.agent_events(),
            [AgentEvent::AskBlob { digest }],
            "once"
        );
        pair.agent.answer_blob(digest, held);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Blob { digest, held }]
        );
    }
}

#[test]
fn a_blob_to_hold_arrives_whole_and_is_answered_for() {
    let mut pair = Pair::new();
    for (length, held) in [(0, true), (1, false)]
        .into_iter()
        .chain(LENGTHS.map(|length| (length, true)))
    {
        let bytes = long(length);
        let digest = Digest::of(&bytes);
        pair.controller.send_blob(digest, bytes.clone());
        assert!(
            pair.agent_events() == [AgentEvent::Blob { digest, bytes }],
            "{length}"
        );
        pair.agent.answer_blob(digest, held);
        assert_eq!(
            pair.controller_events(),
            [ControllerEvent::Blob { digest, held }]
        );
    }
    let parts = pair
        .controller_said()
        .into_iter()
        .filter_map(|message| match message {
            ToAgent::Blob { bytes, .. } => Some(bytes.len()),
            _ => None,
        });
    assert!(parts.max() == Some(CHUNK_BYTES));
}

#[test]
fn blobs_may_arrive_at_once_and_in_nobodys_way() {
    let mut pair = Pair::new();
    let blobs = [long(MIB), long(MIB + 1), long(3)];
    for blob in &blobs {
        pair.controller.send_blob(Digest::of(blob), blob.clone());
    }
    pair.step();
    assert!(
        matches!(pair.agent.poll_event(), Some(AgentEvent::Blob { bytes, .. }) if bytes == blobs[2])
    );
    pair.answers_a_short_call();
    let arrived = [&blobs[0], &blobs[1]];
    assert!(
        pair.agent_events()
            == arrived.map(|blob| AgentEvent::Blob {
                digest: Digest::of(blob),
                bytes: blob.clone()
            })
    );
}

#[test]
fn a_place_is_described_as_often_as_that_is_asked() {
    let mut pair = Pair::new();
    let mut description = Description::new(17, 1000);
    description.cpus = 8;
    description.memory_bytes = Some(u64::MAX);
    description.notes = vec!["no huge pages".into(), "a second note".into()];
    for times in [1, 3] {
        (0..times).for_each(|_| pair.controller.describe());
        assert_eq!(pair.agent_events().len(), times);
        (0..times).for_each(|_| pair.agent.description(description.clone()));
        let told = pair.controller_events();
        assert_eq!(
            told,
            vec![(); times]
                .iter()
                .map(|()| ControllerEvent::Description(description.clone()))
                .collect::<Vec<_>>()
        );
    }
    let described = pair
        .agent_said()
        .into_iter()
        .filter(|message| matches!(message, ToController::Description(_)));
    assert_eq!(described.count(), 4);
}
