//! Random runs that are killed at any byte of their records and gone on with, against a small
//! model.

use std::fs;

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::rollout::{
    Ending, Event, EventKind,
    model::{Case, Script, cases, check_events, model, scripts, simulate},
};

/// One run of a chain, each of which goes on with the one before.
#[derive(Debug, Clone)]
struct Attempt {
    /// The behaviour of all hosts on that day.
    scripts: Vec<Script>,
    /// The byte of its record at which the controller is killed.
    killed: Index,
}

/// The hosts of a run that are left, by their numbers.
type Left = Vec<usize>;

/// The model of a run whose controller is killed: it works on the hosts that are left, one at a
/// time, and `ended` is how many of them it had brought to an end. Returns those that are left
/// then.
fn model_of_left(case: &Case, ended: usize) -> Left {
    let (begun, endings, _) = model(case);
    let done = |host: &usize| begun[..ended].contains(host) && endings[*host] == Ending::Ok;
    let left = (0..case.hosts.len()).filter(|host| !done(host));
    left.map(|host| case.hosts[host].number).collect()
}

/// Returns the case with the hosts that are left, as they behave now.
fn with_left(case: &Case, left: &[usize], scripts: &[Script]) -> Case {
    let script = |number: &usize| scripts[*number].clone().of(*number);
    case.clone().with_hosts(left.iter().map(script).collect())
}

/// Writes the record of a run with these events, cuts it where its controller was killed, and reads
/// it. Returns how many of the events it has; `None` if it has not even a header.
fn killed(events: &[EventKind], at: Index, exit_code: u8) -> Option<(RunRecord, usize)> {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path());
    let header = RunHeader::new(RunWork::default());
    let mut recorder = RunRecorder::create(&folder, &header).unwrap();
    for (at_ms, kind) in (0..).zip(events.iter().cloned()) {
        recorder.add(&Event { at_ms, kind }).unwrap();
    }
    recorder.end(exit_code).unwrap();
    let path = folder.path(&header.id);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(at.index(bytes.len() + 1));
    fs::write(&path, &bytes).unwrap();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let read = RunRecord::read(&folder, &header.id);
    if lines == 0 {
        assert!(read.is_err());
        return None;
    }
    let run = read.unwrap();
    let is_whole = lines == events.len() + 2;
    assert_eq!(run.exit_code, is_whole.then_some(exit_code));
    Some((run, (lines - 1).min(events.len())))
}

/// Returns the numbers of the hosts that a record leaves, in the order in which they were asked
/// for. A record without a beginning leaves those that were asked for.
fn left_by(record: Option<&RunRecord>, asked: &[usize]) -> Left {
    match record.map(RunRecord::left) {
        None | Some(Err(RecordError::NotBegun(_))) => asked.to_vec(),
        Some(Err(error)) => panic!("{error}"),
        Some(Ok(names)) => {
            let is_left = |number: &&usize| names.contains(&&*format!("h{number}"));
            asked.iter().filter(is_left).copied().collect()
        }
    }
}

/// Returns the number of the host that an event tells of, if it is that something begins or ends
/// there.
fn touched(event: &EventKind) -> Option<usize> {
    match event {
        EventKind::Connecting { host, .. }
        | EventKind::Started { host, .. }
        | EventKind::Ended { host, .. } => host.strip_prefix('h')?.parse().ok(),
        _ => None,
    }
}

/// Returns the numbers of the hosts that ended in one of these ways.
fn ended(events: &[EventKind], is_one: impl Fn(Ending) -> bool) -> Left {
    let of =
        |event: &&EventKind| matches!(event, EventKind::Ended { ending, .. } if is_one(*ending));
    events.iter().filter(of).filter_map(touched).collect()
}

fn chains() -> impl Strategy<Value = (Case, Vec<Attempt>)> {
    cases().prop_flat_map(|case| {
        let scripts = prop::collection::vec(scripts(), case.hosts.len());
        let attempt = (scripts, any::<Index>());
        let attempts = prop::collection::vec(attempt, 1..4);
        let attempts = attempts.prop_map(|attempts| {
            let attempt = |(scripts, killed)| Attempt { scripts, killed };
            attempts.into_iter().map(attempt).collect()
        });
        (Just(case), attempts)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The model says which hosts each run of a chain touches, in which order, its exit code, and
    /// what it leaves to the next.
    #[test]
    fn a_chain_of_killed_runs_does_what_the_model_does((case, attempts) in chains()) {
        let case = case.in_turn();
        let mut left: Left = (0..case.hosts.len()).collect();
        for attempt in attempts {
            let case = with_left(&case, &left, &attempt.scripts);
            let (begun, _, code) = model(&case);
            let trace = simulate(&case);
            prop_assert_eq!(&trace.begun, &begun);
            prop_assert_eq!(trace.exit_code(), code);
            let run = killed(&trace.events, attempt.killed, code);
            let events = &trace.events[..run.as_ref().map_or(0, |(_, events)| *events)];
            let was_begun = |ending| !matches!(ending, Ending::Unreachable | Ending::Skipped);
            let model = model_of_left(&case, ended(events, was_begun).len());
            prop_assert_eq!(left_by(run.as_ref().map(|(run, _)| run), &left), model.clone());
            left = model;
        }
    }

    /// Whatever goes on at once, and is tried again: a host that was done is left alone, all others
    /// are gone on with, and no work begins after a stop.
    #[test]
    fn a_host_that_was_done_is_never_touched_again((case, attempts) in chains()) {
        let mut left: Left = (0..case.hosts.len()).collect();
        let mut done = Left::new();
        for attempt in attempts {
            let case = with_left(&case, &left, &attempt.scripts);
            let trace = simulate(&case);
            check_events(&case, &trace.events);
            let run = killed(&trace.events, attempt.killed, trace.exit_code());
            let events = &trace.events[..run.as_ref().map_or(0, |(_, events)| *events)];
            prop_assert!(!events.iter().filter_map(touched).any(|host| done.contains(&host)));
            done.extend(ended(events, |ending| ending == Ending::Ok));
            left = left_by(run.as_ref().map(|(run, _)| run), &left);
            let mut all = [&*left, &*done].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..attempt.scripts.len()).collect::<Left>());
        }
    }
}
