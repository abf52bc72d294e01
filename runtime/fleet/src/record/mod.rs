//! Records of runs: what was done on which hosts, when, and how it went.

mod error;
mod event;
mod folder;
mod live;
mod reader;
mod resume;
mod run;
mod writer;

pub use error::RecordError;
pub use event::{RunHeader, RunWork, SCHEMA};
pub use folder::RunFolder;
pub use live::{LiveItem, LiveLine, LiveStep};
pub use run::{HostPhase, HostRecord, RunRecord, Span};
pub use writer::{RunRecorder, user_and_machine};

#[cfg(test)]
mod chains;
#[cfg(test)]
mod tests;
