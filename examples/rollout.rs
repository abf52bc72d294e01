//! Rolls a version out in batches, with a gate between them: `examples/run rollout VERSION
//! [ADDRESS…]`. Nothing is installed; version 13 fails.

use std::time::Duration;

use wxec::{
    CallErrorKind, Fleet, Host,
    fleet::{Amount, EventKind, Rules},
    remote,
};

/// Pretends to install a version.
#[remote]
fn install(version: u32) -> Result<String, String> {
    match version {
        13 => Err("version 13 brings bad luck".into()),
        version => Ok(format!("version {version}")),
    }
}

/// Pretends to ask the service whether it is well.
#[remote]
fn is_healthy() -> bool {
    true
}

#[wxec::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// Lets the next batch begin if all hosts of the last one are well.
    async fn all_healthy(fleet: Fleet) -> Result<(), String> {
        let answers = is_healthy::on(&fleet).await.into_result();
        let answers = answers.map_err(|error| error.to_string())?;
        match answers.into_iter().find(|(_, healthy)| !healthy) {
            None => Ok(()),
            Some((host, _)) => Err(format!("{host} is not well")),
        }
    }

    let mut words = std::env::args().skip(1);
    let version = words.next().unwrap_or_else(|| "12".into()).parse()?;
    let mut addresses: Vec<String> = words.collect();
    if addresses.is_empty() {
        addresses.push("local:".into());
    }

    let rules = Rules::new()
        .batches("1,50%".parse()?)
        .max_fail(Amount::Percent(25))
        .retries(2)
        .deadline(Duration::from_secs(300))
        .gate(|hosts: &[Host]| all_healthy(hosts.iter().cloned().collect()))
        .on_event(|event| {
            if let EventKind::BatchBegun { batch, hosts } = &event.kind {
                println!("batch {batch}, hosts: {hosts}");
            }
        });
    let fleet = Fleet::new(&addresses)?.rules(rules);
    // Says "5 hosts: batches 1, 3, 1; stops when more than 1 fail (25 % of 5)".
    println!("{}", fleet.schedule());

    let mut outcomes = install::on(&fleet, version).start().into_iter();
    for outcome in &mut outcomes {
        match outcome.result {
            Ok(installed) => println!("[{}] {installed}", outcome.host),
            Err(error) => match error.kind {
                CallErrorKind::Task(why) => println!("[{}] {why}", outcome.host),
                kind => println!("[{}] {kind}", outcome.host),
            },
        }
    }
    if let Some(stopped) = outcomes.stopped() {
        println!("{stopped}");
    }
    fleet.close().wait();
    Ok(())
}
