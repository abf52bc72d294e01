//! A program that makes calls on one host, as it is told line by line: for tests that kill it, or
//! that need an environment of its own. It answers each line with one line: the value, or the kind
//! of the error and its text.

#![allow(clippy::print_stdout, reason = "its answers go there")]

use std::{env, io, time::Duration};

use wxec::{Call, CallError, Host};

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
