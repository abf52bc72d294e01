//! The record of a run on several hosts, and its view on the terminal.

use std::{
    io::{self, IsTerminal},
    sync::{Arc, Mutex},
};

use wxec::{
    fleet::Event,
    history::{RecordError, RunFolder, RunHeader, RunRecord, RunRecorder, RunWork},
};

use crate::{
    base::{sync::lock, verbosity::Verbosity},
    history::{lines::Lines, live, steps::Steps, summary},
    terminal::{spinner, stderr::say},
};

/// A run on several hosts that is being recorded.
pub(crate) struct Recording {
    /// Shared with the view.
    run: Arc<Mutex<RunRecord>>,
    /// `None` once the record cannot be written.
    recorder: Option<RunRecorder>,
    is_shown: bool,
    /// `None` unless events are printed.
    lines: Option<Lines>,
}

/// The ways in which a run is shown while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// On the terminal: its hosts by phase.
    pub(crate) on_terminal: bool,
    /// On stdout: its events, one a line.
    pub(crate) as_events: bool,
}

impl View {
    /// Returns the usual one: on the terminal, if stderr is one and `verbosity` is normal.
    pub(crate) fn of(verbosity: Verbosity) -> Self {
        Self {
            on_terminal: verbosity == Verbosity::Normal && io::stderr().is_terminal(),
            as_events: false,
        }
    }
}

impl Recording {
    /// Begins to record what is done on several hosts, and to show it. A record that cannot be
    /// written stops no work; a warning says so.
    pub(crate) fn begin(work: RunWork, view: View, steps: Option<Arc<Steps>>) -> Self {
        let header = RunHeader::new(work);
        let create = || RunRecorder::create(&RunFolder::of_user()?, &header);
        let recorder = create().map_err(|error: RecordError| warn(&error)).ok();
        let lines = view.as_events.then(|| Lines::begin(&header));
        let run = Arc::new(Mutex::new(RunRecord::new(header)));
        if view.on_terminal {
            live::show(run.clone(), steps);
        }
        Self {
            run,
            recorder,
            is_shown: view.on_terminal,
            lines,
        }
    }

    /// Begins to print events, and keeps no record.
    pub(crate) fn of_events(work: RunWork) -> Self {
        let header = RunHeader::new(work);
        let lines = Some(Lines::begin(&header));
        Self {
            run: Arc::new(Mutex::new(RunRecord::new(header))),
            recorder: None,
            is_shown: false,
            lines,
        }
    }

    /// Records an event.
    pub(crate) fn add(&mut self, event: &Event) {
        lock(&self.run).add(event);
        if let Some(lines) = &mut self.lines {
            lines.event(event);
        }
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.add(event)
        {
            warn(&error);
            self.recorder = None;
        }
    }

    /// Returns the lines of the run, if its events are printed.
    pub(crate) fn lines(&mut self) -> Option<&mut Lines> {
        self.lines.as_mut()
    }

    /// Ends the record. On a terminal, says how the hosts ended.
    pub(crate) fn end(self, exit_code: u8) {
        if let Some(Err(error)) = self.recorder.map(|recorder| recorder.end(exit_code)) {
            warn(&error);
        }
        if let Some(lines) = self.lines {
            lines.end(exit_code);
        }
        if self.is_shown {
            spinner::clear_view();
            summarize(&lock(&self.run));
        }
    }
}

/// Prints how the hosts ended, and which took longest.
fn summarize(run: &RunRecord) {
    summary::outcomes(run).iter().for_each(|line| say(line));
    if let Some(hosts) = summary::slowest(run) {
        say(&format!("slowest: {hosts}"));
    }
}

fn warn(error: &dyn std::error::Error) {
    say(&format!(
        "warning: this run is not recorded any further: {error}"
    ));
}
