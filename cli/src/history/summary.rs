//! A run in words: its hosts by outcome, equal ones in one line, and the slowest.

use std::{collections::BTreeMap, time::Duration};

use wxec::{
    fleet::{Ending, fold_names},
    history::{HostRecord, RunRecord},
};

use crate::base::quantity::show_duration;

/// Number of slow hosts that are named.
const SLOWEST: usize = 3;

/// Stands for the name of each host, in a reason that several have.
const HOST: &str = "{host}";

/// Hosts that went the same way for the same reason.
pub(crate) struct Group<'a> {
    pub(crate) ending: Option<Ending>,
    pub(crate) error: Option<String>,
    pub(crate) hosts: Vec<&'a str>,
}

/// Returns the hosts by outcome and reason.
pub(crate) fn groups(run: &RunRecord) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for one in &run.hosts {
        let error = one.error.as_deref();
        let error = error.map(|error| general(error, &one.host));
        groups
            .entry((one.ending, error))
            .or_default()
            .push(&one.host);
    }
    groups
        .into_iter()
        .map(|((ending, error), hosts)| Group {
            ending,
            error: match &*hosts {
                [host] => error.map(|error| error.replace(HOST, host)),
                _ => error,
            },
            hosts,
        })
        .collect()
}

/// Returns one line for each outcome and reason: how many hosts, how it went, and their names.
pub(crate) fn outcomes(run: &RunRecord) -> Vec<String> {
    let width = run.hosts.len().to_string().len();
    let line = |group: &Group<'_>| {
        let (count, state) = (group.hosts.len(), words(group.ending));
        let names = fold_names(group.hosts.iter().copied());
        match &group.error {
            Some(error) => format!("{count:>width$} {state}: {names}: {error}"),
            None => format!("{count:>width$} {state}: {names}"),
        }
    };
    groups(run).iter().map(line).collect()
}

/// Returns the slowest hosts with their times, if some took longer than others: `web4 3.20 s`.
pub(crate) fn slowest(run: &RunRecord) -> Option<String> {
    let times = times(&run.hosts, run.last_ms);
    (times.len() > SLOWEST).then(|| slowest_of(times))
}

/// Returns the times that hosts have taken until `now_ms`, without hosts that have not begun.
pub(crate) fn times<'a>(
    hosts: impl IntoIterator<Item = &'a HostRecord>,
    now_ms: u64,
) -> Vec<(Duration, &'a str)> {
    let hosts = hosts.into_iter();
    hosts
        .filter_map(|host| Some((host.took(now_ms)?, &*host.host)))
        .collect()
}

/// Returns the longest of some times, with their hosts.
pub(crate) fn slowest_of(mut times: Vec<(Duration, &str)>) -> String {
    times.sort_by(|(one, _), (other, _)| other.cmp(one));
    let slowest = times.iter().take(SLOWEST);
    let texts: Vec<_> = slowest
        .map(|(time, host)| format!("{host} {}", show_duration(*time)))
        .collect();
    texts.join(", ")
}

/// Returns the time of a run's beginning.
pub(crate) fn began(run: &RunRecord) -> String {
    let began = run.header.began.strftime("%Y-%m-%d %H:%M:%S UTC");
    began.to_string()
}

/// Returns a count for each outcome, in one line: `34 ok, 2 unreachable`.
pub(crate) fn counts(run: &RunRecord) -> String {
    let counts = run.counts();
    let texts: Vec<_> = counts
        .iter()
        .map(|(ending, hosts)| format!("{hosts} {}", words(*ending)))
        .collect();
    texts.join(", ")
}

/// Returns the words for an ending, or for none.
pub(crate) fn words(ending: Option<Ending>) -> String {
    ending.map_or_else(|| "not ended".into(), |ending| ending.to_string())
}

/// Returns `error` without the name of its host before it, and with [`HOST`] for that name.
fn general(error: &str, host: &str) -> String {
    let named = format!("{host}: ");
    error
        .strip_prefix(&*named)
        .unwrap_or(error)
        .replace(host, HOST)
}
