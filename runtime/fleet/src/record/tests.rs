//! Tests of records, written and read.

use std::{fs, time::Duration};

use super::*;
use crate::rollout::{Ending, Event, EventKind, StopReason};

fn work() -> RunWork {
    RunWork {
        command: "call".into(),
        what: "words::count".into(),
        target: "@web".into(),
        ..RunWork::default()
    }
}

fn begun() -> EventKind {
    EventKind::Begun {
        hosts: ["web1", "web2", "web3"].map(Into::into).into(),
        batches: vec![2, 1],
        allowed: Some(0),
    }
}

fn connecting(host: &str, attempt: u32) -> EventKind {
    EventKind::Connecting {
        host: host.into(),
        attempt,
    }
}

fn started(host: &str) -> EventKind {
    EventKind::Started {
        host: host.into(),
        attempt: 1,
    }
}

fn ended(host: &str, ending: Ending) -> EventKind {
    EventKind::Ended {
        host: host.into(),
        ending,
        error: ending.is_failure().then(|| "no reason".into()),
    }
}

/// Records `kinds` of events, each a second after the one before. Returns the name of the run too.
fn recorded(
    folder: &RunFolder,
    kinds: impl IntoIterator<Item = EventKind>,
) -> (RunRecorder, String) {
    let header = RunHeader::new(work());
    let mut recorder = RunRecorder::create(folder, &header).unwrap();
    for (second, kind) in (0..).zip(kinds) {
        let at_ms = 1000 * second;
        recorder.add(&Event { at_ms, kind }).unwrap();
    }
    (recorder, header.id)
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path().join("runs"));
    let (recorder, id) = recorded(
        &folder,
        [
            begun(),
            EventKind::BatchBegun { batch: 1, hosts: 2 },
            connecting("web1", 1),
            started("web1"),
            ended("web1", Ending::Ok),
            connecting("web2", 1),
            EventKind::Retrying {
                host: "web2".into(),
                attempt: 1,
                ending: Ending::Unreachable,
                error: None,
                in_ms: 1000,
            },
            connecting("web2", 2),
            ended("web2", Ending::Unreachable),
            EventKind::Stopped {
                reason: StopReason::Failures {
                    failed: 1,
                    allowed: 0,
                },
            },
            ended("web3", Ending::Skipped),
        ],
    );
    recorder.end(3).unwrap();

    let run = RunRecord::read(&folder, &id).unwrap();
    assert_eq!((run.header.id.as_str(), run.header.schema), (&*id, SCHEMA));
    assert_eq!((run.header.work, run.exit_code), (work(), Some(3)));
    assert_eq!(run.stopped.as_deref(), Some("1 host failed, and none may"));
    let [first, second, third] = &*run.hosts else {
        panic!("{:?}", run.hosts)
    };
    assert_eq!((first.batch, first.ending), (1, Some(Ending::Ok)));
    let spans = |host: &HostRecord| -> Vec<_> {
        let span = |span: &Span| (span.from_ms / 1000, span.to_ms.unwrap() / 1000);
        host.phases.iter().map(span).collect()
    };
    assert_eq!(spans(first), [(2, 3), (3, 4)]);
    assert_eq!((second.retries, spans(second)), (1, vec![(5, 6), (7, 8)]));
    // Without the time between two attempts.
    assert_eq!(second.took(0), Some(Duration::from_secs(2)));
    assert_eq!(third.took(0), None);
    assert_eq!(
        (third.ending, spans(third)),
        (Some(Ending::Skipped), vec![])
    );
}

#[test]
fn a_record_cut_short_is_whole_up_to_there() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path());
    let kinds = [begun(), connecting("web1", 1), ended("web1", Ending::Ok)];
    let (_, id) = recorded(&folder, kinds);
    let path = folder.path(&id);
    let whole = fs::read(&path).unwrap();
    // Whatever the number of bytes, there is an answer: the beginning, or that it is missing.
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        match RunRecord::read(&folder, &id) {
            Ok(run) => assert_eq!(run.exit_code, None),
            Err(error) => assert!(
                error.to_string().contains(":1: not a run record"),
                "{length}: {error}"
            ),
        }
    }
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path());
    let (_, id) = recorded(&folder, []);
    let path = folder.path(&id);
    let begun = fs::read_to_string(&path).unwrap();
    fs::write(&path, begun + "a line of another program\n").unwrap();
    let error = RunRecord::read(&folder, &id).unwrap_err().to_string();
    assert!(error.contains(".ndjson:2: not a run record: "), "{error}");
}

#[test]
fn a_later_schema_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path());
    let header = RunHeader {
        schema: SCHEMA + 1,
        ..RunHeader::new(work())
    };
    RunRecorder::create(&folder, &header).unwrap();
    let error = RunRecord::read(&folder, &header.id).unwrap_err();
    let said = ".ndjson:1: not a run record: a later version of wxec wrote it";
    assert!(error.to_string().ends_with(said), "{error}");
}

#[test]
fn a_line_that_is_too_long_hides_no_other() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path());
    let (mut recorder, id) = recorded(&folder, [begun()]);
    let path = folder.path(&id);
    let long = format!("{{\"later\":\"{}\"}}\n", "x".repeat(5 << 20));
    fs::write(&path, fs::read_to_string(&path).unwrap() + &long).unwrap();
    let kind = ended("web1", Ending::Ok);
    recorder.add(&Event { at_ms: 2, kind }).unwrap();
    let run = RunRecord::read(&folder, &id).unwrap();
    assert_eq!(run.host("web1").unwrap().ending, Some(Ending::Ok));

    // Neither does one that was being written.
    fs::write(&path, fs::read_to_string(&path).unwrap() + long.trim_end()).unwrap();
    let run = RunRecord::read(&folder, &id).unwrap();
    assert_eq!(run.host("web1").unwrap().ending, Some(Ending::Ok));
}

/// The phases of a host, with their beginnings in seconds.
fn phases(kinds: impl IntoIterator<Item = EventKind>) -> Vec<(HostPhase, u64)> {
    let mut run = RunRecord::new(RunHeader::new(work()));
    for (at_ms, kind) in kinds.into_iter().enumerate() {
        let at_ms = 1000 * at_ms as u64;
        run.add(&Event { at_ms, kind });
    }
    let span = |span: &Span| (span.phase, span.from_ms / 1000);
    run.host("web1").unwrap().phases.iter().map(span).collect()
}

#[test]
fn work_that_connects_goes_on_when_it_has() {
    use HostPhase::{Connecting, Working};
    let connected = || EventKind::Connected {
        host: "web1".into(),
    };
    let in_the_work = [begun(), started("web1"), connecting("web1", 1), connected()];
    assert_eq!(
        phases(in_the_work),
        [(Working, 1), (Connecting, 2), (Working, 3)]
    );
    let before_it = [begun(), connecting("web1", 1), connected(), started("web1")];
    assert_eq!(phases(before_it), [(Connecting, 1), (Working, 3)]);
}

#[test]
fn work_that_connects_first_has_not_worked_before() {
    let mut run = RunRecord::new(RunHeader::new(work()));
    for kind in [begun(), started("web1"), connecting("web1", 1)] {
        run.add(&Event { at_ms: 7, kind });
    }
    let host = run.host("web1").unwrap();
    assert_eq!(host.phases.len(), 1);
    assert_eq!(host.phase(), Some(HostPhase::Connecting));
}

#[test]
fn names_of_runs_sort_by_time_and_differ() {
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::at(place.path());
    let (_, first) = recorded(&folder, []);
    let (_, second) = recorded(&folder, []);
    assert_ne!(first, second);
    assert!(first[..18] <= second[..18]);
    assert_eq!(folder.ids().unwrap().len(), 2);
}
