//! Calls on an existing connection, each in a fresh sandbox.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use wxec::Host;

use super::{host, tiny_call, us, warm_caches};
use crate::{
    floors::{Piped, ssh},
    options::Options,
    proc,
    row::{Budget, Round, Row},
};

/// The number of echoes, then of calls, in one round.
const BLOCK: usize = 100;

/// The number of calls under way at once.
const WINDOW: usize = 512;

pub(super) fn over_ssh(options: &Options) -> Vec<Row> {
    warm_caches();
    let host = host();
    let rounds = one_at_a_time(&mut Piped::start(&mut ssh("host", "cat")), &host, options);
    let (agent, before) = (proc::agent(), Instant::now());
    let cpu = [proc::cpu_time(agent), proc::cpu_time("self")];
    let calls = options.amount(10_000);
    (0..calls).for_each(|_| _ = tiny_call(&host));
    let wall = before.elapsed();
    let cpu = [
        proc::cpu_time(agent) - cpu[0],
        proc::cpu_time("self") - cpu[1],
    ];
    let each = |time: Duration| us(time) / count(calls);
    vec![
        Row::new("warm call, one at a time, ssh", "µs", Budget::Ratio(1.5)).with(rounds),
        Row::of(
            "– mean wall time of some more",
            "µs",
            Budget::None,
            each(wall),
        ),
        Row::of(
            "– CPU time of the agent, a call",
            "µs",
            Budget::None,
            each(cpu[0]),
        ),
        Row::of(
            "– CPU time of the controller, a call",
            "µs",
            Budget::None,
            each(cpu[1]),
        ),
    ]
}

pub(super) fn local(options: &Options) -> Vec<Row> {
    warm_caches();
    let host = Host::new("local:").expect("it is an address");
    let rounds = one_at_a_time(&mut Piped::start(&mut Command::new("cat")), &host, options);
    vec![
        Row::new(
            "the same on local:, floor a bare pipe",
            "µs",
            Budget::Ratio(3.0),
        )
        .with(rounds),
    ]
}

fn one_at_a_time(floor: &mut Piped, host: &Host, options: &Options) -> Vec<Round> {
    for _ in 0..BLOCK {
        floor.echo();
        tiny_call(host);
    }
    let round = |_| Round {
        floor: (0..BLOCK).map(|_| us(floor.echo())).collect(),
        wxec: (0..BLOCK)
            .map(|_| {
                let start = Instant::now();
                tiny_call(host);
                us(start.elapsed())
            })
            .collect(),
    };
    (0..options.rounds(20)).map(round).collect()
}

pub(super) fn pipelined(options: &Options) -> Vec<Row> {
    warm_caches();
    let host = host();
    let calls = options.amount(20_000);
    let run = |calls: usize| {
        let futures =
            stream::iter(0..calls).map(|_| words::count::on(&host, "to be".into()).into_future());
        let all = futures.buffer_unordered(WINDOW).for_each(|counted| {
            assert_eq!(counted.expect("it counts words"), 2);
            std::future::ready(())
        });
        let start = Instant::now();
        pollster::block_on(all);
        start.elapsed()
    };
    run(calls);
    let agent = proc::agent();
    let mut rates = Vec::new();
    let (mut agent_us, mut controller_us) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds(7) {
        let before = [proc::cpu_time(agent), proc::cpu_time("self")];
        let took = run(calls);
        let after = [proc::cpu_time(agent), proc::cpu_time("self")];
        rates.push(count(calls) / took.as_secs_f64());
        agent_us.push(us(after[0] - before[0]) / count(calls));
        controller_us.push(us(after[1] - before[1]) / count(calls));
    }
    let rounds = |figures: Vec<f64>| {
        figures
            .into_iter()
            .map(|figure| Round {
                floor: vec![],
                wxec: vec![figure],
            })
            .collect()
    };
    vec![
        Row::new(
            "pipelined calls, one connection, ssh",
            "calls/s",
            Budget::AtLeast(100_000.0),
        )
        .with(rounds(rates)),
        Row::new(
            "– CPU time of the agent, a call",
            "µs",
            Budget::AtMost(10.0),
        )
        .with(rounds(agent_us)),
        Row::new("– CPU time of the controller, a call", "µs", Budget::None)
            .with(rounds(controller_us)),
    ]
}

fn count(calls: usize) -> f64 {
    f64::from(u32::try_from(calls).expect("it is a small number"))
}
