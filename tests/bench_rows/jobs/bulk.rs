//! One large argument, one large result.

use std::time::Instant;

use wxec::{Bytes, Host};

use super::{host, ms};
use crate::{
    floors,
    options::Options,
    proc,
    row::{Budget, Round, Row},
};

const MIB: usize = 1 << 20;
const PAYLOAD_BYTES: usize = 64 * MIB;

/// Twice the payload plus 32 MiB, for each end.
const PEAK_MIB: f64 = 2.0 * 64.0 + 32.0;

pub(super) fn times(options: &Options) -> Vec<Row> {
    let host = connected();
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
    let mut buffer = vec![0; PAYLOAD_BYTES];
    let (mut arguments, mut results) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(11) {
        let floor = ms(floors::send(&payload));
        let start = Instant::now();
        send(&host, &payload);
        arguments.push(Round::of(floor, ms(start.elapsed())));

        let floor = ms(floors::receive(&mut buffer));
        let start = Instant::now();
        receive(&host);
        results.push(Round::of(floor, ms(start.elapsed())));
    }
    vec![
        Row::new("64 MiB argument", "ms", Budget::Ratio(1.2)).with(arguments),
        Row::new("64 MiB result", "ms", Budget::Ratio(1.2)).with(results),
    ]
}

pub(super) fn argument_memory(options: &Options) -> Vec<Row> {
    let host = connected();
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES]);
    (0..options.rounds(3)).for_each(|_| send(&host, &payload));
    peaks("64 MiB argument")
}

pub(super) fn result_memory(options: &Options) -> Vec<Row> {
    let host = connected();
    (0..options.rounds(3)).for_each(|_| receive(&host));
    peaks("64 MiB result")
}

/// The peak memory of both ends; this process is the controller.
fn peaks(what: &str) -> Vec<Row> {
    let row = |end, peak| {
        Row::of(
            &format!("{what}, peak memory of the {end}"),
            "MiB",
            Budget::AtMost(PEAK_MIB),
            peak,
        )
    };
    vec![
        row("controller", proc::peak_mib("self")),
        row("agent", proc::peak_mib(proc::agent())),
    ]
}

/// A host that has the module.
fn connected() -> Host {
    let host = host();
    receive_length(&host, 1);
    host
}

fn send(host: &Host, payload: &Bytes) {
    let length = faulty::length::on(host, payload.clone())
        .wait()
        .expect("it counts bytes");
    assert_eq!(length, PAYLOAD_BYTES);
}

fn receive(host: &Host) {
    receive_length(host, PAYLOAD_BYTES);
}

fn receive_length(host: &Host, length: usize) {
    let blob = faulty::blob::on(host, length)
        .wait()
        .expect("it makes bytes");
    assert_eq!(blob.len(), length);
}
