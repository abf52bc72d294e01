//! A program that makes calls on one host, as it is told line by line: for tests that kill it, or
//! that need an environment of its own. It answers each line with one line: the value, or the kind
//! of the error and its text.

#![allow(clippy::print_stdout, reason = "its answers go there")]

use std::{alloc::System, env, io, time::Duration};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wxec::{Call, CallError, Host};

/// Counts what this program allocates.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let address = env::args().nth(1).expect("an address");
    let host = Host::new(address).expect("it is one");
    for line in io::stdin().lines() {
        let line = line.expect("the test writes UTF-8");
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb {
            "count" => told(words::count::on(&host, rest.into())),
            "spin" => told(faulty::spin::on(&host)),
            "spin-for" => told(faulty::spin::on(&host).timeout(milliseconds(rest))),
            "abandon-after" => abandon(faulty::spin::on(&host), milliseconds(rest)),
            "blob" => told(faulty::blob::on(&host, rest.parse().expect("a length"))),
            "calls" => calls(&host, rest.parse().expect("a number")),
            "traffic" => traffic(&host),
            "allocations" => allocations(),
            "stats" => format!("{:?}", host.stats().round_trips),
            "close" => {
                host.close().wait();
                "closed".into()
            }
            other => panic!("`{other}` is not known"),
        };
        println!("{answer}");
    }
}

fn told<T: std::fmt::Debug + Send + 'static>(call: Call<T>) -> String {
    match call.wait() {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{} {error}", kind(&error)),
    }
}

/// Makes calls with next to nothing to do, one after another.
fn calls(host: &Host, count: usize) -> String {
    for _ in 0..count {
        let counted = words::count::on(host, "to be".into()).wait();
        assert_eq!(counted.expect("it counts words"), 2);
    }
    count.to_string()
}

/// The bytes sent and received, apart from images and artifacts; the bytes of these; and the number
/// of round trips.
fn traffic(host: &Host) -> String {
    let stats = host.stats();
    let shipped = [stats.agent_bytes, stats.module_bytes];
    format!(
        "{} {} {} {} {}",
        stats.bytes_sent - shipped[0] - shipped[1],
        stats.bytes_received,
        shipped[0],
        shipped[1],
        stats.round_trips
    )
}

/// The number of times that this program has asked for memory.
fn allocations() -> String {
    let stats = ALLOCATOR.stats();
    (stats.allocations + stats.reallocations).to_string()
}

/// The name of the error's variant.
fn kind(error: &CallError) -> String {
    format!("{:?}", error.kind)
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect()
}

/// Drops the call while it is in flight.
fn abandon(call: Call<()>, after: Duration) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime can be made");
    match runtime.block_on(async { tokio::time::timeout(after, call).await }) {
        Ok(ended) => format!("it ended: {ended:?}"),
        Err(_) => "abandoned".into(),
    }
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}
