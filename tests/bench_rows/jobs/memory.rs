//! The memory of an idle agent, and the bytes it takes to get it there.

use std::{process::Command, thread, time::Duration};

use super::{host, kb, tiny_call, warm_caches};
use crate::{
    floors::Piped,
    options::Options,
    proc,
    row::{Budget, Round, Row},
};

/// Long enough for those threads to end that only serve the beginning.
const IDLE_SECONDS: usize = 10;

pub(super) fn idle(options: &Options) -> Vec<Row> {
    warm_caches();
    let mut rounds = Vec::new();
    for _ in 0..options.rounds(3) {
        let mut cat = Piped::start(&mut Command::new("cat"));
        cat.echo();
        let host = host();
        tiny_call(&host);
        thread::sleep(Duration::from_secs(options.amount(IDLE_SECONDS) as u64));
        rounds.push(Round {
            floor: vec![proc::pss_mib(cat.pid())],
            wxec: vec![proc::pss_mib(proc::agent())],
        });
        host.close().wait();
    }
    vec![Row::new("idle agent, PSS; floor cat", "MiB", Budget::AtMost(3.0)).with(rounds)]
}

pub(super) fn bytes(_: &Options) -> Vec<Row> {
    warm_caches();
    let host = host();
    host.connect().wait().expect("sshd is there");
    let image = proc::program_bytes(proc::agent());
    let connected = host.stats();
    tiny_call(&host);
    let called = host.stats();
    let row = |name, budget, bytes| Row::of(name, "kB", budget, kb(bytes));
    vec![
        row("agent image", Budget::AtMost(2900.0), image),
        row(
            "bytes sent to connect, starter and image",
            Budget::AtMost(1100.0),
            connected.bytes_sent,
        ),
        row(
            "– of which the compressed image",
            Budget::None,
            connected.agent_bytes,
        ),
        row(
            "bytes sent by the first call, artifact",
            Budget::None,
            called.module_bytes,
        ),
        row(
            "bytes sent by the first call, others",
            Budget::None,
            called.bytes_sent - called.module_bytes - connected.bytes_sent,
        ),
        Row::of(
            "round trips until the first result",
            "",
            Budget::None,
            kb(called.round_trips * 1000),
        ),
    ]
}
