//! Progress of long work: a spinner on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use wxec::build::{Progress, ProgressEvent};

use crate::{
    base::verbosity::Verbosity,
    terminal::{spinner, stderr::say},
};

/// Interval of the animation, short enough to look alive.
const TICK: Duration = Duration::from_millis(120);

/// Reports long work from now on, in as much detail as `verbosity` asks for.
pub(crate) fn install(verbosity: Verbosity) {
    match verbosity {
        Verbosity::Quiet => wxec::build::set_progress(Silent),
        Verbosity::Normal if io::stderr().is_terminal() => wxec::build::set_progress(Spinner),
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
    bar.enable_steady_tick(TICK);
    spinner::show(bar.clone());
    Some(bar)
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
                let message = event.line().unwrap_or_else(|| work.to_string());
                let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
                    .expect("the template is a constant");
                let bar = ProgressBar::new_spinner()
                    .with_style(style)
                    .with_message(message);
                bar.enable_steady_tick(TICK);
                spinner::show(bar);
            }
            ProgressEvent::Compiled {
                work,
                crate_name,
                count,
            } => spinner::set_message(format!("building {work}: {crate_name} ({count} compiled)")),
            event => {
                spinner::clear();
                event.line().iter().for_each(|line| say(line));
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
            event => event.line().iter().for_each(|line| say(line)),
        }
    }
}
