//! Counts the lines of a log by level, on every host given: `examples/run logstats ADDRESS… FILE`.

use std::collections::BTreeMap;

use wxec::{Fleet, remote};

const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

/// Counts lines by the first level they name; lines without one count as `other`.
#[remote]
fn levels(log: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        let words = || {
            line.split(|c: char| !c.is_ascii_alphabetic())
                .filter(|word| !word.is_empty())
        };
        let level =
            words().find_map(|word| LEVELS.iter().find(|level| word.eq_ignore_ascii_case(level)));
        *counts
            .entry(level.map_or("other", |level| level).to_owned())
            .or_default() += 1;
    }
    counts
}

#[wxec::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = arguments.pop().filter(|_| !arguments.is_empty());
    let Some(file) = file else {
        return Err("usage: logstats ADDRESS… FILE".into());
    };
    let log =
        std::fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;

    let outcomes = levels::on(&Fleet::new(&arguments)?, &log).wait();
    for (host, counts) in outcomes.successes() {
        println!("{host}");
        for (level, lines) in counts {
            println!("  {level:<6} {lines:>8}");
        }
    }
    outcomes.into_result()?;
    Ok(())
}
