//! The tally of a transfer: the events of all its attempts, added up.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use wxec_files::{Event, Listener};

use crate::base::sync::lock;

/// The number and length of a host's warnings that are kept and passed on: the host chooses most of
/// their text. Further ones are counted.
const MAX_WARNINGS: usize = 1000;
const MAX_WARNING_BYTES: usize = 2 << 10;

pub(super) struct Tally {
    listener: Option<Listener>,
    /// Bytes that crossed the link in this attempt.
    moved: AtomicU64,
    /// Bytes that the listener has counted for this attempt.
    counted: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    warnings: Warnings,
    /// The file on its way, and its size.
    file: Option<(String, u64)>,
}

#[derive(Default)]
struct Warnings {
    texts: Vec<String>,
    /// The number of warnings beyond these.
    more: u64,
}

impl Tally {
    pub(super) fn new(listener: Option<Listener>) -> Self {
        Self {
            listener,
            moved: 0.into(),
            counted: 0.into(),
            state: Mutex::default(),
        }
    }

    /// Adds an event, and passes it on to the listener.
    pub(super) fn add(&self, event: Event<'_>) {
        match &event {
            Event::Bytes(bytes) => {
                self.moved.fetch_add(*bytes, Relaxed);
                self.counted.fetch_add(*bytes, Relaxed);
            }
            Event::Resumed(bytes) => _ = self.counted.fetch_add(*bytes, Relaxed),
            Event::Void(bytes) => _ = self.counted.fetch_sub(*bytes, Relaxed),
            Event::File { path, size } => self.state().file = Some(((*path).to_owned(), *size)),
            Event::Warning(text) => {
                let kept = self.state().warnings.add(text);
                if let Some(text) = kept {
                    self.report(Event::Warning(text));
                }
                return;
            }
            _ => {}
        }
        self.report(event);
    }

    /// Passes an event on to the listener.
    pub(super) fn report(&self, event: Event<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// Tells the listener to subtract this attempt's bytes: the next attempt counts anew.
    pub(super) fn void(&self) {
        self.report(Event::Void(self.counted.swap(0, Relaxed)));
    }

    /// Returns the number of bytes that crossed the link since the last call.
    pub(super) fn take_moved(&self) -> u64 {
        self.moved.swap(0, Relaxed)
    }

    /// Returns all warnings since the last call.
    pub(super) fn take_warnings(&self) -> Vec<String> {
        self.state().warnings.take()
    }

    /// Returns the path and the size of the file on its way.
    pub(super) fn file(&self) -> Option<(String, u64)> {
        self.state().file.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Warnings {
    /// Keeps a warning. Returns the part of it that may be passed on.
    fn add<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if self.texts.len() >= MAX_WARNINGS {
            self.more += 1;
            return None;
        }
        let text = &text[..text.floor_char_boundary(MAX_WARNING_BYTES)];
        self.texts.push(text.to_owned());
        Some(text)
    }

    fn take(&mut self) -> Vec<String> {
        let Self { mut texts, more } = std::mem::take(self);
        if more > 0 {
            texts.push(format!("{more} more warnings"));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warnings_of_a_host_are_few_and_short() {
        let mut warnings = Warnings::default();
        let long = "é".repeat(100_000);
        let kept = (0..5000)
            .filter_map(|_| warnings.add(&long))
            .map(str::len)
            .collect::<Vec<_>>();
        assert_eq!(
            (kept.len(), kept.iter().max()),
            (MAX_WARNINGS, Some(&MAX_WARNING_BYTES))
        );
        let all = warnings.take();
        assert_eq!(
            (all.len(), all.last().map(String::as_str)),
            (MAX_WARNINGS + 1, Some("4000 more warnings"))
        );
    }
}
