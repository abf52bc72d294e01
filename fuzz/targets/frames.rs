//! Any bytes as input of either end, split anywhere: no panic, no more memory than their length
//! explains, and the same events as if the bytes had arrived at once.
#![no_main]

use std::{fmt::Debug, iter::from_fn};

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::{greeted_agent, greeted_controller, takes_bounded_memory};
use wxec_protocol::{AgentEvent, ControllerEvent, ProtocolError};

fuzz_target!(|bytes: &[u8]| {
    let [end, part, wire @ ..] = bytes else {
        return;
    };
    let part = usize::from(*part) + 1;
    match end % 2 {
        0 => is_heard_alike(wire, part, told),
        _ => is_heard_alike(wire, part, heard),
    }
});

fn is_heard_alike<T: Debug + PartialEq>(wire: &[u8], part: usize, hear: fn(&[u8], usize) -> T) {
    let mut whole = None;
    takes_bounded_memory(wire.len(), || whole = Some(hear(wire, usize::MAX)));
    assert_eq!(whole, Some(hear(wire, part)));
}

fn told(wire: &[u8], part: usize) -> (Vec<ControllerEvent>, Option<ProtocolError>) {
    let mut controller = greeted_controller();
    let error = wire
        .chunks(part)
        .find_map(|part| controller.handle_input(part).err());
    let events = from_fn(|| controller.poll_event()).collect();
    // No caller continues after an error, but doing so must be harmless.
    let _ = (
        controller.handle_input(wire),
        controller.poll_transmit(&mut Vec::new()),
    );
    (events, error)
}

fn heard(wire: &[u8], part: usize) -> (Vec<AgentEvent>, Option<ProtocolError>) {
    let mut agent = greeted_agent();
    let error = wire
        .chunks(part)
        .find_map(|part| agent.handle_input(part).err());
    let events = from_fn(|| agent.poll_event()).collect();
    let _ = agent.handle_input(wire);
    agent.poll_transmit(&mut Vec::new());
    (events, error)
}
