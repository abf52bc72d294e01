//! Tests of what is shown of a run.

use std::sync::Arc;

use wxec::{
    fleet::{Ending, Event, EventKind},
    history::{RunHeader, RunRecord, RunWork},
    output::{GuestOutput, LogLevel, LogRecord},
};

use super::{live, page::page, steps::Steps, summary};

/// Returns a run on `hosts` hosts, web1 and following, that has just begun.
fn begun(hosts: usize) -> RunRecord {
    let hosts: Vec<_> = (1..=hosts).map(|number| format!("web{number}")).collect();
    let mut run = RunRecord::new(RunHeader {
        schema: 1,
        id: "20261128-072000-4f1c".into(),
        began: "2026-11-28T07:20:00Z".parse().unwrap(),
        wxec: "0.1.0".into(),
        by: "me@here".into(),
        work: RunWork {
            command: "call".into(),
            what: "site::check".into(),
            target: "@web".into(),
            ..RunWork::default()
        },
    });
    add(
        &mut run,
        0,
        EventKind::Begun {
            batches: vec![hosts.len()],
            hosts,
            allowed: None,
        },
    );
    run
}

fn add(run: &mut RunRecord, at_ms: u64, kind: EventKind) {
    let mut event = serde_json::to_value(kind).unwrap();
    event["at_ms"] = at_ms.into();
    let event: Event = serde_json::from_value(event).unwrap();
    run.add(&event);
}

fn connecting(host: &str) -> EventKind {
    EventKind::Connecting {
        host: host.into(),
        attempt: 1,
    }
}

fn started(host: &str) -> EventKind {
    EventKind::Started {
        host: host.into(),
        attempt: 1,
    }
}

fn ended(host: &str, ending: Ending, error: Option<String>) -> EventKind {
    EventKind::Ended {
        host: host.into(),
        ending,
        error,
    }
}

/// Returns a run on twelve hosts: two were unreachable, one failed with `error`, the rest are well.
fn over(error: &str) -> RunRecord {
    let mut run = begun(12);
    for number in 1..=12 {
        let host = format!("web{number}");
        let (ending, error) = match number {
            3 | 4 => (Ending::Unreachable, Some(format!("no route to {host}"))),
            7 => (Ending::Failed, Some(error.into())),
            _ => (Ending::Ok, None),
        };
        add(&mut run, number * 100, connecting(&host));
        add(&mut run, number * 200, started(&host));
        add(&mut run, number * 300, ended(&host, ending, error));
    }
    run
}

#[test]
fn equal_outcomes_are_one_line() {
    let run = over("it is broken");
    assert_eq!(
        summary::outcomes(&run),
        [
            " 9 ok: web[1-2,5-6,8-12]",
            " 1 failed: web7: it is broken",
            " 2 unreachable: web[3-4]: no route to {host}",
        ]
    );
    assert_eq!(summary::counts(&run), "9 ok, 1 failed, 2 unreachable");
    assert_eq!(
        summary::slowest(&run).unwrap(),
        "web12 2.40 s, web11 2.20 s, web10 2.00 s"
    );
}

#[test]
fn a_page_holds_every_host_and_asks_nobody_for_anything() {
    let page = page(&over("it is broken")).unwrap();
    for number in 1..=12 {
        assert!(page.contains(&format!("<td class=\"host\">web{number}</td>")));
    }
    assert_eq!(page.matches("<tr class=\"gone\">").count(), 2);
    assert_eq!(page.matches("<i class=\"connecting\"").count(), 12);
    assert!(
        page.contains("<span class=\"host\">web[3-4]</span>: unreachable"),
        "{page}"
    );
    for asks in [
        "http:", "https:", "src=", "href=", "url(", "@import", "fetch(",
    ] {
        assert!(!page.contains(asks), "{asks}");
    }
}

#[test]
fn what_a_host_says_is_text_on_a_page() {
    let page = page(&over("<script>alert(1)</script> & \"more\"")).unwrap();
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;"), "{page}");
}

/// Returns a run under way on `hosts` hosts: the first third is done, the second works, the last
/// connects.
fn under_way(hosts: usize) -> RunRecord {
    let mut run = begun(hosts);
    for place in 0..hosts {
        let host = format!("web{}", place + 1);
        let at_ms = if place == hosts - 1 { 1000 } else { 6000 };
        add(&mut run, at_ms, connecting(&host));
        if place < hosts * 2 / 3 {
            add(&mut run, at_ms, started(&host));
        }
        if place < hosts / 3 {
            add(&mut run, at_ms, ended(&host, Ending::Ok, None));
        }
    }
    run
}

#[test]
fn a_run_under_way_shows_its_hosts_by_phase() {
    assert_eq!(
        live::lines(&under_way(9), 10_000, 80),
        [
            "10.00 s  call site::check on @web",
            "[=============---------------------------] 3/9  3 ok",
            "connecting  web[7-9]",
            "working     web[4-6]",
            "slow        web9 9.00 s",
        ]
    );
}

#[test]
fn steps_of_plans_are_shown_by_host_and_no_more_than_fit() {
    let steps = Arc::new(Steps::default());
    let listen = steps.listen(Arc::new(|_, _| ()));
    for host in 0..12 {
        let message = "begins site/package \u{1b}nginx with a long name";
        let record = LogRecord::new(LogLevel::Trace, "wxec_plan::step", message);
        listen(&format!("web{host:02}"), GuestOutput::Log(record));
    }
    let lines = live::step_lines(&steps, 40);
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert!(lines[0].starts_with("web00  "), "{lines:?}");
    assert!(lines[0].contains("site/package \u{fffd}n"), "{lines:?}");
    assert_eq!(lines[8], "and 4 more");
}

#[test]
fn a_thousand_hosts_fit_into_forty_columns() {
    let lines = live::lines(&under_way(1000), 10_000, 40);
    assert_eq!(lines[1], "[======---------------] 333/1000  333 ok");
    assert_eq!(lines.len(), 5);
    for line in lines {
        assert!(line.chars().count() <= 40, "{line}");
    }
}
