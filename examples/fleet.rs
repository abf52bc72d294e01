//! Fleets as sets, a filter, and results as they come: `examples/run fleet [ADDRESS…]`.

use std::{fs, io};

use wxec::{Fleet, remote};

/// Returns true if the host has this much memory left.
#[remote(read = "/proc/meminfo")]
fn has_room(mib: u64) -> io::Result<bool> {
    let memory = fs::read_to_string("/proc/meminfo")?;
    let available = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Ok(available.unwrap_or_default() >= mib * 1024)
}

/// Finds the largest prime below `end`.
#[remote]
fn largest_prime(end: u64) -> Option<u64> {
    let is_prime = |n: &u64| {
        (2..)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..end).rev().find(is_prime)
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    let mut addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push("local:".into());
    }
    let all = Fleet::new(&addresses)?;

    // One host that does not answer makes the filter an error.
    let roomy = all.filter(|host| has_room::on(host, 64)).wait()?;
    for host in (&all - &roomy).hosts() {
        println!("{host} has no room");
    }

    let mut outcomes = largest_prime::on(&roomy, 1_000_000).start().into_iter();
    for outcome in &mut outcomes {
        match outcome.result {
            Ok(prime) => println!("[{}] {prime:?}", outcome.host),
            // A host that cannot be reached has an outcome like any other.
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}
