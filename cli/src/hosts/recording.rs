//! The record of a run on several hosts, and its view on the terminal.

use std::sync::{Arc, Mutex};

use wxec::{
    fleet::Event,
    history::{RecordError, RunFolder, RunHeader, RunRecord, RunRecorder, RunWork},
};

use crate::{
    base::sync::lock,
    history::{live, summary},
    terminal::{spinner, stderr::say},
};

/// A run on several hosts that is being recorded.
pub(crate) struct Recording {
    /// Shared with the view.
    run: Arc<Mutex<RunRecord>>,
    /// `None` once the record cannot be written.
    recorder: Option<RunRecorder>,
    is_shown: bool,
}

impl Recording {
    /// Begins to record what is done on several hosts, and to show it on the terminal if
    /// `is_shown`. A record that cannot be written stops no work; a warning says so.
    pub(crate) fn begin(work: RunWork, is_shown: bool) -> Self {
        let header = RunHeader::new(work);
        let create = || RunRecorder::create(&RunFolder::of_user()?, &header);
        let recorder = create().map_err(|error: RecordError| warn(&error)).ok();
        let run = Arc::new(Mutex::new(RunRecord::new(header)));
        if is_shown {
            live::show(run.clone());
        }
        Self {
            run,
            recorder,
            is_shown,
        }
    }

    /// Records an event.
    pub(crate) fn add(&mut self, event: &Event) {
        lock(&self.run).add(event);
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.add(event)
        {
            warn(&error);
            self.recorder = None;
        }
    }

    /// Ends the record. On a terminal, says how the hosts ended.
    pub(crate) fn end(self, exit_code: u8) {
        if let Some(Err(error)) = self.recorder.map(|recorder| recorder.end(exit_code)) {
            warn(&error);
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
