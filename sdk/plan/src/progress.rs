//! News of steps while they are taken: log records, which cost no round trip.

use wxec::output::LogRecord;

use crate::report::State;

/// The subject of the records.
const TARGET: &str = "wxec_plan::step";

/// A step that begins or has ended, as a run tells if its [order](crate::Order::tell_steps) asks for it:
/// by a log record of the level `trace`. A step that fails has no end.
///
/// ```
/// use wxec::output::{LogLevel, LogRecord};
/// use wxec_plan::Progress;
///
/// let record = LogRecord::new(LogLevel::Trace, "wxec_plan::step", "changed site/file /etc/motd");
/// let progress = Progress::of(&record).unwrap();
/// assert_eq!((progress.step, progress.state), ("site/file /etc/motd", Some("changed")));
/// assert!(Progress::of(&LogRecord::new(LogLevel::Info, "site", "changed all")).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The path of the step, as in the report.
    pub step: &'a str,
    /// The state with which it has ended, such as `changed` or `would-change`; `None` if it begins.
    pub state: Option<&'a str>,
}

/// The word before a step that begins.
const BEGINS: &str = "begins";

impl<'a> Progress<'a> {
    /// Reads a log record, if it is about a step.
    pub fn of(record: &LogRecord<'a>) -> Option<Self> {
        let (word, step) = record.message.split_once(' ')?;
        (record.target == TARGET).then_some(Self {
            step,
            state: (word != BEGINS).then_some(word),
        })
    }
}

/// Tells that a step begins, or its state.
pub(crate) fn tell(step: &str, state: Option<&State>) {
    let word = match state {
        None => BEGINS,
        // As in JSON, without the space.
        Some(State::WouldChange) => "would-change",
        Some(state) => state.word(),
    };
    log::trace!(target: TARGET, "{word} {step}");
}
