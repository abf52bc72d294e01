//! Hands what a task logs to the host, which knows who listens.

use std::borrow::Cow;

use log::{LevelFilter, Log, Metadata, Record};

use super::imports;

struct ToHost;

/// Makes the host the logger. Whoever calls the task decides what of it is shown, so that everything is handed on; the
/// host stops taking records at the call's limit.
pub(super) fn install() {
    // A second time in one instance it is the logger already.
    if log::set_logger(&ToHost).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
}

impl Log for ToHost {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let message = record.args().as_str().map_or_else(|| Cow::Owned(record.args().to_string()), Cow::Borrowed);
        imports::log_record(record.level() as i32, record.target(), &message);
    }

    fn flush(&self) {}
}
