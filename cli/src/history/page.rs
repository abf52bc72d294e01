//! A run as a page: one file, which asks nobody for anything and needs no script to be read.

use std::time::Duration;

use minijinja::{Environment, value::Serde};
use serde::Serialize;
use wxec::{
    fleet::{Ending, fold_names},
    history::{HostPhase, HostRecord, RunHeader, RunRecord, Span},
};

use crate::{
    base::quantity::show_duration,
    history::summary::{Group, began, counts, groups, words},
};

/// The template, with its style and script inside.
const TEMPLATE: &str = include_str!("page.html");

/// All that the page shows.
#[derive(Serialize)]
struct Page<'a> {
    header: &'a RunHeader,
    began: String,
    lasted: String,
    counts: String,
    stopped: Option<&'a str>,
    exit_code: Option<u8>,
    ticks: Vec<(u32, String)>,
    failures: Vec<Failure>,
    rows: Vec<Row<'a>>,
}

/// A host, as the page shows it.
#[derive(Serialize)]
struct Row<'a> {
    host: &'a str,
    batch: usize,
    ending: String,
    class: &'static str,
    error: Option<&'a str>,
    retries: u32,
    took: String,
    /// For sorting.
    took_ms: u128,
    bars: Vec<Bar>,
}

/// A phase on the timeline. Both numbers are percents of its width.
#[derive(Serialize)]
struct Bar {
    class: &'static str,
    left: f64,
    width: f64,
    title: String,
}

/// A kind of failure, with all hosts that had it.
#[derive(Serialize)]
struct Failure {
    ending: String,
    class: &'static str,
    hosts: String,
    error: String,
}

/// Returns the page of a run, in HTML.
pub(crate) fn page(run: &RunRecord) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    // The name's ending makes all text that the page shows text, never HTML.
    templates.add_template("page.html", TEMPLATE)?;
    let page = Page::new(run);
    templates.get_template("page.html")?.render(Serde(&page))
}

impl<'a> Page<'a> {
    fn new(run: &'a RunRecord) -> Self {
        Self {
            header: &run.header,
            began: began(run),
            lasted: show_duration(run.lasted()),
            counts: counts(run),
            stopped: run.stopped.as_deref(),
            exit_code: run.exit_code,
            ticks: ticks(run.lasted()),
            failures: failures(run),
            rows: run.hosts.iter().map(|host| row(run, host)).collect(),
        }
    }
}

fn row<'a>(run: &RunRecord, host: &'a HostRecord) -> Row<'a> {
    let time = host.took(run.last_ms);
    Row {
        host: &host.host,
        batch: host.batch,
        ending: words(host.ending),
        class: class(host.ending),
        error: host.error.as_deref(),
        retries: host.retries,
        took: time.map(show_duration).unwrap_or_default(),
        took_ms: time.map_or(0, |time| time.as_millis()),
        bars: bars(run, host),
    }
}

fn bars(run: &RunRecord, host: &HostRecord) -> Vec<Bar> {
    #[expect(clippy::cast_precision_loss, reason = "no run takes 300,000 years")]
    let percent = |ms: u64| {
        let percent = ms as f64 * 100.0 / run.last_ms.max(1) as f64;
        (percent * 100.0).round() / 100.0
    };
    let bar = |span: &Span| {
        let took = span
            .to_ms
            .unwrap_or(run.last_ms)
            .saturating_sub(span.from_ms);
        let (name, class) = match span.phase {
            HostPhase::Connecting => ("connecting", "connecting"),
            _ => ("working", class(host.ending)),
        };
        Bar {
            class,
            left: percent(span.from_ms),
            // Short phases stay visible.
            width: percent(took).max(0.15),
            title: format!("{name}: {took} ms, from {} ms", span.from_ms),
        }
    };
    host.phases.iter().map(bar).collect()
}

/// Returns the labels under the timeline, with their places in percent.
fn ticks(lasted: Duration) -> Vec<(u32, String)> {
    [0, 25, 50, 75, 100]
        .map(|percent| (percent, show_duration(lasted * percent / 100)))
        .into()
}

/// Returns the failures, equal ones together.
fn failures(run: &RunRecord) -> Vec<Failure> {
    let failure = |group: Group<'_>| {
        Some(Failure {
            ending: words(group.ending),
            class: class(group.ending),
            hosts: fold_names(group.hosts),
            error: group.error?,
        })
    };
    groups(run).into_iter().filter_map(failure).collect()
}

/// Returns the class of an ending in the page's style.
fn class(ending: Option<Ending>) -> &'static str {
    match ending {
        Some(Ending::Ok) => "ok",
        Some(Ending::Unreachable | Ending::Lost) => "gone",
        Some(Ending::Skipped | Ending::Cancelled) | None => "idle",
        Some(_) => "failed",
    }
}
