//! The figures of `tests/baseline.txt`: comparing with them, and writing them anew.

use std::{env, fs, sync::Mutex};

use super::skip::notice;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.txt");

/// The variable that makes tests write the baseline instead of comparing with it.
const BLESS_VARIABLE: &str = "WXEC_BLESS";

/// The command that writes the baseline anew.
const BLESS: &str = "tests/bless";

/// Load can only add to a figure, so the lowest of some attempts counts.
const ATTEMPTS: usize = 5;

/// Held while the file is read and written.
static FILE: Mutex<()> = Mutex::new(());

/// Fails if a figure is more than `tolerance` above its baseline, where a tolerance of 0.1 is a
/// tenth. Asks for a lower baseline if the figure is as much below. Measures until one attempt is
/// good enough.
#[track_caller]
pub(crate) fn guard(name: &str, tolerance: f64, mut measure: impl FnMut() -> f64) {
    let blessing = env::var_os(BLESS_VARIABLE).is_some();
    let baseline = (!blessing).then(|| read(name));
    let most = baseline.map(|baseline| baseline * (1.0 + tolerance));
    let mut lowest = f64::INFINITY;
    for _ in 0..ATTEMPTS {
        lowest = lowest.min(rounded(measure()));
        if most.is_some_and(|most| lowest <= most) {
            break;
        }
    }
    match baseline {
        None => write(name, lowest),
        Some(baseline) => compare(name, lowest, baseline, tolerance),
    }
}

#[track_caller]
fn compare(name: &str, figure: f64, baseline: f64, tolerance: f64) {
    let change = (figure / baseline - 1.0) * 100.0;
    assert!(
        figure <= baseline * (1.0 + tolerance),
        "{name} is {figure}, {:.2} more than its baseline ({change:+.1} %; {:.1} % are tolerated). Pay for \
         it elsewhere; or, in a commit whose subject says that it changes the baseline, run\n  {BLESS}",
        figure - baseline,
        tolerance * 100.0
    );
    if figure < baseline * (1.0 - tolerance) {
        notice(&format!(
            "{name} is {figure}, less than its baseline of {baseline} ({change:+.1} %); lower that: {BLESS}"
        ));
    }
}

#[track_caller]
fn read(name: &str) -> f64 {
    let _held = FILE.lock();
    let text = fs::read_to_string(PATH).expect("it is part of the source");
    let figure = text.lines().find_map(|line| figure_of(line, name));
    figure.unwrap_or_else(|| panic!("baseline.txt has no figure for {name}; write it:\n  {BLESS}"))
}

/// Replaces the line of a figure, or adds one.
fn write(name: &str, figure: f64) {
    let _held = FILE.lock();
    let text = fs::read_to_string(PATH).expect("it is part of the source");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let line = format!("{name} {figure}");
    match lines
        .iter_mut()
        .find(|line| figure_of(line, name).is_some())
    {
        Some(old) => *old = line,
        None => lines.push(line),
    }
    fs::write(PATH, lines.join("\n") + "\n").expect("the source can be written");
}

fn figure_of(line: &str, name: &str) -> Option<f64> {
    line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()
}

/// Two digits after the point, for figures that are a mean over many calls.
fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
