//! A run on stdout while it goes on, for programs: its events, one a line.

use std::time::Instant;

use serde_json::value::RawValue;
use wxec::{
    call::Value,
    fleet::{Event, EventKind},
    history::{LiveItem, LiveLine, LiveStep, RunHeader},
};

use crate::{history::steps::StepNews, terminal::stdout::print_line, value::json::to_json};

/// The lines of a run that goes on.
pub(crate) struct Lines {
    began: Instant,
    /// Results of hosts whose ends are the next events.
    values: Vec<(String, Value)>,
}

impl Lines {
    /// Prints the header.
    pub(crate) fn begin(header: &RunHeader) -> Self {
        print(&LiveLine::Header(header));
        Self {
            began: Instant::now(),
            values: Vec::new(),
        }
    }

    /// Keeps the result of a host for the event of its end.
    pub(crate) fn keep(&mut self, host: &str, value: Value) {
        self.values.push((host.into(), value));
    }

    /// Prints an item that a function sent.
    pub(crate) fn item(&self, host: String, item: &Value) {
        let at_ms = self.at_ms();
        if let Some(item) = raw(item) {
            print(&LiveLine::Item(LiveItem { at_ms, host, item }));
        }
    }

    /// Prints a step of a plan.
    pub(crate) fn step(&self, news: StepNews) {
        let StepNews { host, step, state } = news;
        let at_ms = self.at_ms();
        print(&LiveLine::Step(LiveStep {
            at_ms,
            host,
            step,
            state,
        }));
    }

    fn at_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Prints an event.
    pub(crate) fn event(&mut self, event: &Event) {
        let value = match &event.kind {
            EventKind::Ended { host, .. } => self.take(host),
            _ => None,
        };
        let value = value.as_ref().and_then(raw);
        print(&LiveLine::Event { event, value });
    }

    /// Prints the end of this program.
    pub(crate) fn end(self, exit_code: u8) {
        print(&LiveLine::Exit { exit_code });
    }

    fn take(&mut self, host: &str) -> Option<Value> {
        let place = self.values.iter().position(|(name, _)| name == host)?;
        Some(self.values.remove(place).1)
    }
}

fn raw(value: &Value) -> Option<Box<RawValue>> {
    RawValue::from_string(to_json(value)).ok()
}

fn print(line: &LiveLine<'_, Box<RawValue>>) {
    if let Ok(text) = serde_json::to_string(line) {
        print_line(&text);
    }
}
