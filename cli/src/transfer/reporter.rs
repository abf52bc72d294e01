//! Reports of transfers while they run, and when they are done.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use wxec::transfer::{Event, Transferred};

use crate::{
    base::{quantity, verbosity::Verbosity},
    terminal::{progress, stderr::say, stdout::print_line, text::printable},
};

/// Reports progress: one bar for all hosts, and lines for warnings and changes.
pub(crate) struct Reporter {
    bar: Option<indicatif::ProgressBar>,
    hosts: usize,
    hosts_done: AtomicUsize,
    /// True for a dry run: changes go to stdout, because they are its result.
    changes_are_results: bool,
    /// True if stdout has a format for programs, so that changes must not go there.
    formatted: bool,
}

impl Reporter {
    pub(crate) fn new(hosts: usize, dry_run: bool, formatted: bool, verbosity: Verbosity) -> Self {
        let bar = progress::bytes(verbosity);
        Self {
            bar,
            hosts,
            hosts_done: AtomicUsize::new(0),
            changes_are_results: dry_run,
            formatted,
        }
    }

    /// Reports an event of a transfer; `host` is put before lines.
    pub(crate) fn event(&self, host: &str, event: &Event<'_>) {
        match event {
            Event::Warning(text) => say(&format!("{host}warning: {text}")),
            Event::Change { kind, path } if self.changes_are_results && !self.formatted => {
                print_line(&format!("{host}{kind} {path}"));
            }
            Event::Change { kind, path } => say(&format!("{host}{kind} {path}")),
            _ => {}
        }
        let Some(bar) = &self.bar else { return };
        match event {
            Event::File { path, size } => {
                bar.inc_length(*size);
                if self.hosts == 1 {
                    bar.set_message(printable(path).replace('\n', "\u{fffd}"));
                }
            }
            Event::Bytes(bytes) | Event::Resumed(bytes) => bar.inc(*bytes),
            Event::Void(bytes) => bar.dec(*bytes),
            _ => {}
        }
    }

    /// Counts a host whose transfers have ended.
    pub(crate) fn host_done(&self) {
        let done = self.hosts_done.fetch_add(1, Ordering::Relaxed) + 1;
        if let (Some(bar), 2..) = (&self.bar, self.hosts) {
            bar.set_message(format!("{done} of {} hosts done", self.hosts));
        }
    }
}

/// Returns the line on what was transferred.
pub(crate) fn summary(to_be: &str, verb: &str, done: &Transferred, took: Duration) -> String {
    let files = if done.files == 1 {
        "1 file".to_owned()
    } else {
        format!("{} files", done.files)
    };
    let mut text = [&*files, to_be, verb]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    text += &format!(" ({})", quantity::show_size(done.bytes));
    for (count, what) in [(done.skipped, "unchanged"), (done.deleted, "deleted")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    if done.resumed_bytes > 0 {
        text += &format!(
            ", {} of it before the link was cut",
            quantity::show_size(done.resumed_bytes)
        );
    }
    text + &format!(" in {}", quantity::show_duration(took))
}
