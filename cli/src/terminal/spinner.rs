//! The spinner on stderr, which gets out of the way of lines.

use std::sync::{Mutex, MutexGuard};

use indicatif::ProgressBar;

use crate::base::sync::lock;

/// The one spinner, whatever is built at once.
static SPINNER: Mutex<Option<ProgressBar>> = Mutex::new(None);

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

/// Shows a spinner, or a bar, in place of the one before.
pub(crate) fn show(bar: ProgressBar) {
    clear();
    *spinner() = Some(bar);
}

/// Changes the text beside the spinner.
pub(crate) fn set_message(message: String) {
    if let Some(spinner) = &*spinner() {
        spinner.set_message(message);
    }
}

fn spinner() -> MutexGuard<'static, Option<ProgressBar>> {
    lock(&SPINNER)
}
