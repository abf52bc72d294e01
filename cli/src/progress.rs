//! Progress of long work: a spinner on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use wxec::{Progress, ProgressEvent, Work};

use crate::{args::Verbosity, output::say, quantity::show_duration};

/// The one spinner. Builds wait for each other, so a second is never needed.
static SPINNER: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Interval of the animation, short enough to look alive.
const TICK: Duration = Duration::from_millis(120);

/// Reports long work from now on, in as much detail as `verbosity` asks for.
pub(crate) fn install(verbosity: Verbosity) {
    match verbosity {
        Verbosity::Quiet => wxec::set_progress(Silent),
        Verbosity::Normal if io::stderr().is_terminal() => wxec::set_progress(Spinner),
        // Lines stay on the screen; a spinner would erase the details that the user asked for.
        _ => wxec::set_progress(Lines {
            crates: verbosity >= Verbosity::Debug,
        }),
    }
}

/// Runs `print` with the spinner out of its way.
pub(crate) fn suspend<T>(print: impl FnOnce() -> T) -> T {
    let spinner = spinner().clone();
    match spinner {
        Some(spinner) => spinner.suspend(print),
        None => print(),
    }
}

/// Takes the spinner away.
pub(crate) fn clear() {
    if let Some(spinner) = spinner().take() {
        spinner.finish_and_clear();
    }
}

/// Shows a bar for transfers, if stderr is a terminal and `verbosity` is normal.
pub(crate) fn bytes(verbosity: Verbosity) -> Option<ProgressBar> {
    if verbosity != Verbosity::Normal || !io::stderr().is_terminal() {
        return None;
    }
    const LOOK: &str = "{spinner} {wide_msg} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(LOOK).expect("the template is a constant");
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(TICK);
    clear();
    *spinner() = Some(bar.clone());
    Some(bar)
}

fn spinner() -> MutexGuard<'static, Option<ProgressBar>> {
    SPINNER.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Silent;

impl Progress for Silent {
    fn report(&self, _: ProgressEvent<'_>) {}
}

struct Spinner;

impl Progress for Spinner {
    fn report(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Started { work } | ProgressEvent::Waiting { work } => {
                let message = sentence(event).unwrap_or_else(|| work.to_string());
                let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
                    .expect("the template is a constant");
                let bar = ProgressBar::new_spinner()
                    .with_style(style)
                    .with_message(message);
                bar.enable_steady_tick(TICK);
                clear();
                *spinner() = Some(bar);
            }
            ProgressEvent::Compiled {
                work,
                crate_name,
                count,
            } => {
                if let Some(bar) = &*spinner() {
                    bar.set_message(format!("building {work}: {crate_name} ({count} compiled)"));
                }
            }
            event => {
                clear();
                sentence(event).iter().for_each(|line| say(line));
            }
        }
    }
}

struct Lines {
    /// True if each compiled crate gets a line.
    crates: bool,
}

impl Progress for Lines {
    fn report(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Compiled { crate_name, .. } if self.crates => {
                say(&format!("compiled {crate_name}"))
            }
            event => sentence(event).iter().for_each(|line| say(line)),
        }
    }
}

fn sentence(event: ProgressEvent<'_>) -> Option<String> {
    Some(match event {
        ProgressEvent::Started {
            work: work @ Work::Module(_),
        } => format!("building {work}"),
        ProgressEvent::Started { work } => {
            format!("building {work} (once per machine; takes some minutes)")
        }
        ProgressEvent::Waiting { work } => {
            format!("waiting for another cargo before building {work}")
        }
        ProgressEvent::Finished { work, elapsed, .. } => {
            format!("built {work} in {}", show_duration(elapsed))
        }
        _ => return None,
    })
}
