//! Connecting, and the first call.

use std::{process::Stdio, time::Instant};

use wxec::{Host, host::ConnectOptions};

use super::{host, kb, ms, tiny_call, warm_caches};
use crate::{
    FAR_HOST,
    floors::ssh,
    options::Options,
    row::{Budget, Round, Row},
};

pub(super) fn default_key_exchange(options: &Options) -> Vec<Row> {
    measure(
        Row::new("cold connect + first call, ssh", "ms", Budget::Ratio(1.1)),
        host,
        options,
    )
}

pub(super) fn fast_key_exchange(options: &Options) -> Vec<Row> {
    measure(
        Row::new("the same with curve25519 alone", "ms", Budget::None),
        host,
        options,
    )
}

/// The host has the agent's image already, from one connection before.
pub(super) fn cached_agent(options: &Options) -> Vec<Row> {
    let cached = || host().with_options(&ConnectOptions::new().cache_agent(true));
    let first = cached();
    tiny_call(&first);
    first.close().wait();
    let name = "cold, agent cached on the host, ssh";
    let mut rows = measure(Row::new(name, "ms", Budget::Ratio(1.05)), cached, options);

    let next = cached();
    tiny_call(&next);
    let stats = next.stats();
    let beside = kb(stats.bytes_sent - stats.module_bytes);
    rows.push(Row::of(
        "– bytes sent beside the artifact",
        "kB",
        Budget::AtMost(4.0),
        beside,
    ));
    rows
}

/// A link of 20 Mbit/s, and 50 ms there and back.
pub(super) fn far_away(options: &Options) -> Vec<Row> {
    let far = || Host::new(FAR_HOST).expect("it is a name");
    let name = "cold, 20 Mbit/s and 50 ms, ssh";
    measure(Row::new(name, "ms", Budget::More(600.0)), far, options)
}

/// Modules and artifacts are built and cached before; nothing is known of the host.
fn measure(row: Row, make: impl Fn() -> Host, options: &Options) -> Vec<Row> {
    warm_caches();
    let (mut connected, mut called) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(11) {
        let host = make();
        let floor = login(host.name());
        let start = Instant::now();
        tiny_call(&host);
        called.push(Round::of(floor, ms(start.elapsed())));
        connected.push(Round::of(floor, ms(host.stats().connect)));
        host.close().wait();
    }
    vec![
        row.with(called),
        Row::new("– of which until the agent has greeted", "ms", Budget::None).with(connected),
    ]
}

/// Returns the time of `ssh host true`.
fn login(host: &str) -> f64 {
    let start = Instant::now();
    let mut command = ssh(host, "true");
    let status = command.stdin(Stdio::null()).status().expect("ssh starts");
    assert!(status.success(), "{status}");
    ms(start.elapsed())
}
