//! Progress of long work: a spinner on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    sync::Mutex,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use wxec::build::{Progress, ProgressEvent};

use crate::{
    base::{sync::lock, verbosity::Verbosity},
    terminal::{spinner, stderr::say},
};

/// Interval of the animation, short enough to look alive.
const TICK: Duration = Duration::from_millis(120);

/// Reports long work from now on, in as much detail as `verbosity` asks for.
pub(crate) fn install(verbosity: Verbosity) {
    match verbosity {
        Verbosity::Quiet => wxec::build::set_progress(Silent),
        Verbosity::Normal if io::stderr().is_terminal() => {
            wxec::build::set_progress(Spinner::default())
        }
        // Lines stay on the screen; a spinner would erase the details that the user asked for.
        _ => wxec::build::set_progress(Lines {
            crates: verbosity >= Verbosity::Debug,
        }),
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
    spinner::show_view(bar.clone(), TICK);
    Some(bar)
}

struct Silent;

impl Progress for Silent {
    fn report(&self, _: ProgressEvent<'_>) {}
}

/// The spinner, which tells of the build that began last, or of one that goes on after that.
#[derive(Default)]
struct Spinner {
    /// The builds under way, each with the line about its beginning.
    builds: Mutex<Vec<(String, String)>>,
}

impl Spinner {
    fn begin(&self, work: String, line: String) {
        show(line.clone());
        let mut builds = lock(&self.builds);
        builds.retain(|(other, _)| *other != work);
        builds.push((work, line));
    }

    fn finish(&self, work: &str, line: Option<&str>) {
        spinner::clear();
        line.into_iter().for_each(say);
        let mut builds = lock(&self.builds);
        builds.retain(|(other, _)| other != work);
        if let Some((_, line)) = builds.last() {
            show(line.clone());
        }
    }
}

fn show(message: String) {
    let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
        .expect("the template is a constant");
    let bar = ProgressBar::new_spinner()
        .with_style(style)
        .with_message(message);
    spinner::show(bar, TICK);
}

impl Progress for Spinner {
    fn report(&self, event: ProgressEvent<'_>) {
        match event {
            ProgressEvent::Started { work } => {
                self.begin(work.to_string(), event.line().unwrap_or_default());
            }
            ProgressEvent::Waiting { .. } => show(event.line().unwrap_or_default()),
            ProgressEvent::Compiled {
                work,
                crate_name,
                count,
            } => spinner::set_message(format!("building {work}: {crate_name} ({count} compiled)")),
            ProgressEvent::Finished { work, .. } => {
                self.finish(&work.to_string(), event.line().as_deref());
            }
            _ => {}
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
            event => event.line().iter().for_each(|line| say(line)),
        }
    }
}
