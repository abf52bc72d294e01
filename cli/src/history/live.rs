//! A run on the terminal while it goes on: its hosts by phase, and the slow ones by name.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use console::truncate_str;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use wxec::{
    fleet::fold_names,
    history::{HostPhase, RunRecord, RunWork},
};

use crate::{
    base::{quantity::show_duration, sync::lock},
    history::{
        steps::Steps,
        summary::{slowest_of, times, words},
    },
    terminal::{raw, spinner, text::printable},
};

/// Interval of the updates: five a second look alive, and cost little with a thousand hosts.
const TICK: Duration = Duration::from_millis(200);

/// Width of the bar, in columns, where there is room.
const BAR: usize = 40;

/// Hosts that have been under way for this long are named as slow.
const SLOW: Duration = Duration::from_secs(5);

/// Width of the words before a line's names.
const HEAD: usize = 12;

/// Most steps that are shown: more would leave no room for what is printed above.
const MAX_STEPS: usize = 8;

/// Shows `run` on the terminal until the view is cleared, and the steps of a plan if there are any.
/// Lines that are printed meanwhile stand above it.
pub(crate) fn show(run: Arc<Mutex<RunRecord>>, steps: Option<Arc<Steps>>) {
    let began = Instant::now();
    draw(move || {
        let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut lines = lines(&lock(&run), now_ms, raw::columns());
        lines.extend(
            steps
                .iter()
                .flat_map(|steps| step_lines(steps, raw::columns())),
        );
        lines
    });
}

/// Shows the steps of a plan until the view is cleared.
pub(crate) fn show_steps(steps: Arc<Steps>) {
    draw(move || step_lines(&steps, raw::columns()));
}

/// Returns the lines that show the steps under way, the oldest first.
pub(crate) fn step_lines(steps: &Steps, width: usize) -> Vec<String> {
    let all = steps.under_way();
    let more = all.len().saturating_sub(MAX_STEPS);
    let hosts = all
        .iter()
        .take(MAX_STEPS)
        .map(|(host, ..)| host.chars().count());
    let head = hosts.max().unwrap_or(0).max(HEAD - 2);
    let lines = all.iter().take(MAX_STEPS).map(|(host, step, began)| {
        let time = show_duration(began.elapsed());
        format!("{host:<head$}  {time:>8}  {step}")
    });
    let more = (more > 0).then(|| format!("and {more} more"));
    let lines = lines.chain(more);
    lines
        .map(|line| truncate_str(&printable(&line), width, "…").into_owned())
        .collect()
}

fn draw(lines: impl Fn() -> Vec<String> + Send + Sync + 'static) {
    let draw = move |_: &ProgressState, text: &mut dyn fmt::Write| {
        let _ = text.write_str(&lines().join("\n"));
    };
    let style = ProgressStyle::with_template("{run}").expect("the template is a constant");
    // A closure that is cloned with the style.
    let draw = Arc::new(draw);
    let key = move |state: &ProgressState, text: &mut dyn fmt::Write| draw(state, text);
    let bar = ProgressBar::new_spinner().with_style(style.with_key("run", key));
    spinner::show_view(bar, TICK);
}

/// Returns the lines that show `run` `now_ms` after its beginning, none wider than `width` columns.
pub(crate) fn lines(run: &RunRecord, now_ms: u64, width: usize) -> Vec<String> {
    let done = run
        .hosts
        .iter()
        .filter(|host| host.ending.is_some())
        .count();
    let mut lines = vec![title(run, now_ms), bar(run, done, width)];
    for (phase, name) in [
        (HostPhase::Connecting, "connecting"),
        (HostPhase::Working, "working"),
    ] {
        let hosts = run.hosts.iter().filter(|host| host.phase() == Some(phase));
        let names = fold_names(hosts.map(|host| &*host.host));
        if !names.is_empty() {
            lines.push(format!("{name:<HEAD$}{names}"));
        }
    }
    lines.extend(slow(run, now_ms));
    let cut = |line: &String| truncate_str(&printable(line), width, "…").into_owned();
    lines.iter().map(cut).collect()
}

fn title(run: &RunRecord, now_ms: u64) -> String {
    let time = show_duration(Duration::from_millis(now_ms));
    let RunWork {
        command,
        what,
        target,
        ..
    } = &run.header.work;
    format!("{time}  {command} {what} on {target}")
}

/// Returns the bar with its counts; where there is little room, the counts alone.
fn bar(run: &RunRecord, done: usize, width: usize) -> String {
    let all = run.hosts.len();
    let counts = run.counts();
    let ended = counts.iter().filter(|(ending, _)| ending.is_some());
    let ended: Vec<_> = ended
        .map(|(ending, hosts)| format!("{hosts} {}", words(*ending)))
        .collect();
    let counts = format!("{done}/{all}  {}", ended.join(", "));
    let room = width.saturating_sub(counts.chars().count() + 3).min(BAR);
    if room < 10 {
        return counts;
    }
    let full = done * room / all.max(1);
    let (full, rest) = ("=".repeat(full), "-".repeat(room - full));
    format!("[{full}{rest}] {counts}")
}

/// Returns the line that names the slowest hosts under way.
fn slow(run: &RunRecord, now_ms: u64) -> Option<String> {
    let under_way = run.hosts.iter().filter(|host| host.phase().is_some());
    let mut times = times(under_way, now_ms);
    times.retain(|(time, _)| *time >= SLOW);
    (!times.is_empty()).then(|| format!("{:<HEAD$}{}", "slow", slowest_of(times)))
}
