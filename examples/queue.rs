//! Different operations in order on each host, and the hosts in parallel: `examples/run queue
//! [ADDRESS…]`.
//!
//! The queue of a host is the code of an async block. What depends on a result is an `if` behind an
//! `.await`; work that is found on the way goes into a `VecDeque`. No host waits for another.

use std::collections::VecDeque;

use wxec::{Fleet, Host, remote};

/// Splits a number into two that are half as large, or returns none if it is small.
#[remote]
fn halves(number: u64) -> Vec<u64> {
    match number {
        0..=2 => Vec::new(),
        number => vec![number / 2, number - number / 2],
    }
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    /// Connects, puts a file, calls, and fetches what a command made of the file, in this order.
    async fn in_order(host: Host) -> wxec::Result<String> {
        host.connect().await?;
        let folder = host.shell("mktemp -d").output("").await?;
        let folder = String::from_utf8_lossy(&folder.stdout).trim().to_owned();
        let (list, sorted) = (format!("{folder}/list"), format!("{folder}/sorted"));
        host.put_bytes("pear\napple\n", &list).run().await?;

        // A queue that grows while it is worked on.
        let mut queue = VecDeque::from([10]);
        let mut calls = 0;
        while let Some(number) = queue.pop_front() {
            queue.extend(halves::on(&host, number).await?);
            calls += 1;
        }

        host.command("sort")
            .args(["-o", &sorted, &list])
            .output("")
            .await?;
        let fruit = host.get_bytes(&sorted).await?;
        host.command("rm").args(["-r", &folder]).output("").await?;
        let first = String::from_utf8_lossy(&fruit)
            .lines()
            .next()
            .map(str::to_owned);
        Ok(format!("{calls} calls, then {}", first.unwrap_or_default()))
    }

    let mut addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push("local:".into());
    }
    for outcome in Fleet::new(&addresses)?.each(|host| in_order(host.clone())) {
        println!("[{}] {}", outcome.host, outcome.result?);
    }
    Ok(())
}
