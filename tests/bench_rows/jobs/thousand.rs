//! A thousand agents of one controller, all of them on this machine: over `local:`, and over one
//! sshd.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use wxec::Host;

use super::{float, ms, warm_caches};
use crate::{
    options::Options,
    proc,
    row::{Budget, Row},
};

const AGENTS: usize = 1000;

/// The number of hosts that are worked on at once, as a `Fleet` does. It cannot be one here: it has
/// each address once.
const AT_ONCE: usize = 128;

/// The number of warm calls on each.
const WARM_CALLS: usize = 5;

/// Memory that this machine needs for an agent with its page tables, and with the processes of ssh
/// and sshd before it.
const LOCAL_MIB: f64 = 4.0;
const SSH_MIB: f64 = 10.0;

pub(super) fn local(options: &Options) -> Vec<Row> {
    let n = options.amount(AGENTS);
    agents("local:", LOCAL_MIB, vec!["local:".into(); n])
}

pub(super) fn ssh(options: &Options) -> Vec<Row> {
    let names = (1..=options.amount(AGENTS)).map(|number| format!("fleet{number}"));
    agents("one sshd", SSH_MIB, names.collect())
}

fn agents(way: &str, each_mib: f64, addresses: Vec<String>) -> Vec<Row> {
    warm_caches();
    let (n, count) = (addresses.len(), float(addresses.len()));
    if proc::available_mib() < each_mib * count {
        eprintln!("{n} agents need {each_mib} MiB each, which this machine does not have");
        return Vec::new();
    }
    let before = proc::pss_mib("self");
    let hosts: Vec<_> = addresses
        .iter()
        .map(|address| Host::new(address).expect("it is an address"))
        .collect();
    let cold = call_all(&hosts);
    let warm = (0..WARM_CALLS).map(|_| call_all(&hosts)).collect();
    let idle = (proc::pss_mib("self") - before) / count;
    let peak = (proc::peak_mib("self") - before) / count;
    close_all(hosts);
    let row = |what: &str, unit: &str, budget| Row::new(what, unit, budget);
    vec![
        row(
            &format!("{n} agents over {way}, connect + first call"),
            "ms",
            Budget::None,
        )
        .with_figures(vec![cold]),
        row("– warm call on all of them", "ms", Budget::None).with_figures(warm),
        row(
            "– memory of the controller, a host",
            "MiB",
            Budget::AtMost(0.5),
        )
        .with_figures(vec![idle]),
        row("– at its peak", "MiB", Budget::AtMost(0.5)).with_figures(vec![peak]),
    ]
}

/// Makes a call on every host. Returns the time it takes.
fn call_all(hosts: &[Host]) -> f64 {
    let start = Instant::now();
    let calls = stream::iter(hosts)
        .map(|host| words::count::on(host, "to be".into()).into_future())
        .buffer_unordered(AT_ONCE);
    pollster::block_on(calls.for_each(|counted| {
        assert_eq!(counted.expect("every host answers"), 2);
        std::future::ready(())
    }));
    ms(start.elapsed())
}

fn close_all(hosts: Vec<Host>) {
    let closing = stream::iter(&hosts).for_each_concurrent(AT_ONCE, Host::close);
    pollster::block_on(closing);
}
