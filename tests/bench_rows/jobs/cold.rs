//! Connecting, and the first call.

use std::{process::Stdio, time::Instant};

use super::{host, ms, tiny_call, warm_caches};
use crate::{
    floors::ssh,
    options::Options,
    row::{Budget, Round, Row},
};

pub(super) fn default_key_exchange(options: &Options) -> Vec<Row> {
    measure("cold connect + first call, ssh", options)
}

pub(super) fn fast_key_exchange(options: &Options) -> Vec<Row> {
    measure("the same with curve25519 alone", options)
}

/// Modules and artifacts are built and cached before; nothing is known of the host.
fn measure(name: &str, options: &Options) -> Vec<Row> {
    warm_caches();
    let mut connected = Vec::new();
    let mut rounds = vec![];
    for _ in 0..options.rounds(11) {
        let start = Instant::now();
        let mut command = ssh("host", "true");
        let status = command.stdin(Stdio::null()).status().expect("ssh starts");
        let floor = ms(start.elapsed());
        assert!(status.success(), "{status}");

        let start = Instant::now();
        let host = host();
        tiny_call(&host);
        let wxec = ms(start.elapsed());
        connected.push(Round {
            floor: vec![floor],
            wxec: vec![ms(host.stats().connect)],
        });
        host.close().wait();
        rounds.push(Round {
            floor: vec![floor],
            wxec: vec![wxec],
        });
    }
    vec![
        Row::new(name, "ms", Budget::Ratio(1.1)).with(rounds),
        Row::new("– of which until the agent has greeted", "ms", Budget::None).with(connected),
    ]
}
