//! Hands the log records of a task to the host, which passes them on to the caller.

use std::borrow::Cow;

use log::{LevelFilter, Log, Metadata, Record};

use super::imports;

struct ToHost;

/// Makes the host the logger. The caller of the task decides which records are shown, so this hands
/// on all of them; the host stops taking records at the call's limit.
pub(super) fn install() {
    // In a later call of an instance, the host is the logger already.
    if log::set_logger(&ToHost).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
}

impl Log for ToHost {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let message = record
            .args()
            .as_str()
            .map_or_else(|| Cow::Owned(record.args().to_string()), Cow::Borrowed);
        imports::log_record(record.level() as i32, record.target(), &message);
    }

    fn flush(&self) {}
}
