//! A thousand hosts on a bad day: some are dead, slow or full, babble, or die. All of them are this
//! machine.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use wxec::{
    CallError, Fleet, Host,
    command::CommandOutput,
    fleet::{Ending, Outcomes, Verdict},
    host::ConnectOptions,
};

use super::{float, ms, warm_caches};
use crate::{
    options::Options,
    proc,
    row::{Budget, Row},
};

const HOSTS: usize = 1000;

/// Memory that this machine needs for a host of `local:` with its page tables. A tenth are reached
/// by ssh.
const EACH_MIB: f64 = 5.0;

/// A host that never answers is given up after this time, work that does not end as well.
const PATIENCE: Duration = Duration::from_secs(10);

/// A busy machine starts a thousand agents in this time.
const AMPLE: Duration = Duration::from_secs(600);

/// The day of one host, out of each hundred.
#[derive(Debug, Clone, Copy)]
enum Day {
    Good,
    /// Refuses connections.
    Refused,
    /// Takes them, and never answers.
    Silent,
    /// Answers with something else.
    Garbage,
    /// Its work takes too long.
    Slow,
    /// Its disk is full.
    Full,
    /// Its agent dies while it works.
    Dies,
}

impl Day {
    fn of(number: usize) -> Self {
        match number % 100 {
            0 => Self::Refused,
            1 | 2 => Self::Silent,
            3 => Self::Garbage,
            4 | 5 => Self::Slow,
            6 => Self::Full,
            7 => Self::Dies,
            _ => Self::Good,
        }
    }

    fn host(self, number: usize) -> Host {
        let address = match self {
            Self::Refused => format!("ssh:u{number}@refused"),
            Self::Silent => r#"exec:["sleep","1000"]"#.into(),
            Self::Garbage => r#"exec:["yes","garbage"]"#.into(),
            Self::Good if number % 10 == 9 => format!("ssh:fleet{number}"),
            _ => "local:".into(),
        };
        let timeout = match self {
            Self::Silent => PATIENCE,
            _ => AMPLE,
        };
        let host = Host::new(address).expect("it is an address");
        let host = host.with_options(&ConnectOptions::new().timeout(timeout));
        host.with_name(format!("{self:?}{number}"))
    }

    fn work(self) -> &'static str {
        match self {
            Self::Slow => "exec sleep 1000",
            Self::Full => "echo text >/dev/full",
            Self::Dies => "kill -9 $PPID; exec sleep 1000",
            _ => "true",
        }
    }

    fn timeout(self) -> Duration {
        match self {
            Self::Slow => PATIENCE,
            _ => AMPLE,
        }
    }

    fn ending(self) -> Ending {
        match self {
            Self::Good => Ending::Ok,
            Self::Refused | Self::Silent | Self::Garbage => Ending::Unreachable,
            Self::Slow => Ending::Timeout,
            Self::Full => Ending::Failed,
            Self::Dies => Ending::Lost,
        }
    }
}

pub(super) fn thousand_hosts(options: &Options) -> Vec<Row> {
    let count = options.amount(HOSTS);
    if proc::available_mib() < EACH_MIB * float(count) {
        eprintln!("{count} hosts need {EACH_MIB} MiB each, which this machine does not have");
        return Vec::new();
    }
    warm_caches();
    let before = proc::pss_mib("self");
    let days: Vec<_> = (0..count).map(Day::of).collect();
    let fleet: Fleet = (0..)
        .zip(&days)
        .map(|(number, day)| day.host(number))
        .collect();
    let start = Instant::now();
    let outcomes = run(&fleet, &days);
    let took = ms(start.elapsed());
    let idle = (proc::pss_mib("self") - before) / float(count);
    let peak = (proc::peak_mib("self") - before) / float(count);
    check(&outcomes, &days);
    fleet.close().wait();
    let row = |what: &str, unit: &str, budget, figure| Row::of(what, unit, budget, figure);
    vec![
        row(
            &format!("{count} hosts on a bad day, connect + command"),
            "ms",
            Budget::None,
            took,
        ),
        row("– a host", "ms", Budget::None, took / float(count)),
        row(
            "– memory of the controller, a host",
            "MiB",
            Budget::AtMost(0.5),
            idle,
        ),
        row("– at its peak", "MiB", Budget::AtMost(0.5), peak),
    ]
}

fn run(fleet: &Fleet, days: &[Day]) -> Outcomes<CommandOutput, CallError> {
    let days: BTreeMap<String, Day> = (fleet.hosts().iter().map(|host| host.name().to_owned()))
        .zip(days.iter().copied())
        .collect();
    let work = fleet.work(move |host| {
        let day = days[host.name()];
        let command = host.command("sh").args(["-c", day.work()]);
        command.timeout(day.timeout()).output("")
    });
    work.judge(verdict).start().wait()
}

fn verdict(result: &Result<CommandOutput, CallError>) -> Verdict {
    match result {
        Ok(output) if output.status.success() => Verdict::ok(),
        Ok(output) => Verdict::failed(output.status.to_string()),
        Err(error) => Verdict::of_call(error),
    }
}

/// Asserts that each host has the ending that is right for its day.
fn check(outcomes: &Outcomes<CommandOutput, CallError>, days: &[Day]) {
    for (outcome, day) in outcomes.iter().zip(days) {
        let ending = verdict(&outcome.result).ending;
        assert_eq!(
            ending,
            day.ending(),
            "{}: {:?}",
            outcome.host,
            outcome.result
        );
    }
}
