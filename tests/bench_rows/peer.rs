//! wxec as one of the tools that a harness beside this repository measures. The harness starts this
//! program with the name of a metric and its arguments, and reads a row of JSON from each line.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use wxec::{Bytes, Fleet, Host};

use crate::{
    jobs::{ms, tiny_call},
    proc,
};

/// The number of calls under way at once in a pipeline.
const WINDOW: usize = 512;

/// Measures one metric, and prints its rows.
pub(crate) fn answer(metric: &str, arguments: &[String]) {
    let number = |index: usize, default: usize| {
        let given = arguments.get(index);
        given.map_or(default, |number| number.parse().expect("a number"))
    };
    match metric {
        "cold" => cold(),
        "warm" => warm(number(0, 500)),
        "pipelined" => pipelined(number(0, 20_000)),
        "bulk_up" => bulk(metric, number(0, 64), number(1, 3), |host, payload| {
            let length = faulty::length::on(host, payload.clone()).wait();
            assert_eq!(length.expect("it counts bytes"), payload.len());
        }),
        "bulk_down" => bulk(metric, number(0, 64), number(1, 3), |host, payload| {
            let blob = faulty::blob::on(host, payload.len()).wait();
            assert_eq!(blob.expect("it makes bytes").len(), payload.len());
        }),
        "fan" => fan(number(0, 10)),
        "footprint" => footprint(),
        other => panic!("`{other}` is not a metric of wxec"),
    }
}

/// Prints a row. The harness calls the first host `h1`.
fn row(metric: &str, unit: &str, samples: &[f64], more: &serde_json::Value) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut row = json!({
        "peer": "wxec", "metric": metric, "unit": unit, "samples": samples, "n": sorted.len(),
        "min": sorted[0], "median": sorted[sorted.len() / 2], "max": sorted[sorted.len() - 1],
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    println!("{row}");
}

fn first_host() -> Host {
    Host::new("h1").expect("it is a name")
}

fn cold() {
    let start = Instant::now();
    tiny_call(&first_host());
    let took = ms(start.elapsed());
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::try_from(now)
        .expect("it is after the start")
        .as_secs_f64();
    row(
        "cold_inside",
        "ms",
        &[took],
        &json!({ "t_done": now, "import_ms": 0 }),
    );
}

fn warm(calls: usize) {
    let host = first_host();
    (0..20).for_each(|_| _ = tiny_call(&host));
    let call = |_| seconds(|| _ = tiny_call(&host)) * 1e6;
    row(
        "warm_call",
        "us",
        &Vec::from_iter((0..calls).map(call)),
        &json!({}),
    );
}

fn pipelined(calls: usize) {
    let host = first_host();
    tiny_call(&host);
    let took = seconds(|| {
        let futures =
            stream::iter(0..calls).map(|_| words::count::on(&host, "to be".into()).into_future());
        let all = futures.buffer_unordered(WINDOW).for_each(|counted| {
            assert_eq!(counted.expect("it counts words"), 2);
            std::future::ready(())
        });
        pollster::block_on(all);
    });
    let calls = f64::from(u32::try_from(calls).expect("a small number"));
    row("pipelined", "calls/s", &[calls / took], &json!({}));
}

fn bulk(metric: &str, mib: usize, rounds: usize, transfer: impl Fn(&Host, &Bytes)) {
    let host = first_host();
    transfer(&host, &Bytes::from(vec![7; 1]));
    let payload = Bytes::from(vec![7; mib << 20]);
    let times = Vec::from_iter((0..rounds).map(|_| seconds(|| transfer(&host, &payload))));
    row(metric, "s", &times, &json!({ "mib": mib }));
}

fn fan(hosts: usize) {
    let names = Vec::from_iter((1..=hosts).map(|number| format!("h{number}")));
    let fleet = Fleet::new(&names).expect("they are names");
    let call = || {
        let outcomes = words::count::on(&fleet, "to be".into()).wait();
        outcomes.into_result().expect("every host answers");
    };
    let cold = seconds(call);
    let warm = [seconds(call), seconds(call), seconds(call)];
    let memory = json!({ "ok": hosts, "self_pss_mib": proc::pss_mib("self") });
    row(&format!("fan_cold_{hosts}"), "s", &[cold], &memory);
    row(&format!("fan_warm_{hosts}"), "s", &warm, &json!({}));
    fleet.close().wait();
}

fn footprint() {
    let host = first_host();
    tiny_call(&host);
    let described = host.report().wait().expect("it is connected").description;
    row(
        "agent_pss",
        "MiB",
        &[proc::pss_mib(described.pid)],
        &json!({}),
    );
    row(
        "controller_pss",
        "MiB",
        &[proc::pss_mib("self")],
        &json!({}),
    );
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}
