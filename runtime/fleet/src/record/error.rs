//! Errors of run records.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A run's record cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// No variable says where the state folder is.
    #[error("no state folder: none of WXEC_STATE, XDG_STATE_HOME and HOME is set")]
    NoStateFolder,
    /// There is no record yet.
    #[error("no run has been recorded yet")]
    NoRuns,
    /// No run has this name.
    #[error("there is no run {0:?}")]
    NoSuchRun(String),
    /// Several runs' names begin like this.
    #[error("{words:?} is the beginning of several runs, from {first} to {last}")]
    Ambiguous {
        /// The beginning.
        words: String,
        /// Oldest of these runs.
        first: String,
        /// Newest of these runs.
        last: String,
    },
    /// A run that is to be gone on with did something else.
    #[error("run {id} was {was}")]
    #[non_exhaustive]
    OtherWork {
        /// Name of the run.
        id: String,
        /// Its work, as far as it differs.
        was: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    #[non_exhaustive]
    Io {
        /// Action that failed: `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The program was killed before its run had begun.
    #[error("run {0} was killed before it began, so there is nothing to go on with")]
    NotBegun(String),
    /// A line of the file is not an event.
    #[error("{path}:{line}: not a run record: {reason}", path = path.display())]
    #[non_exhaustive]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Number of the line, 1 for the first.
        line: usize,
        /// Mistake in it.
        reason: String,
    },
}

impl RecordError {
    /// Returns what makes an error of the system's.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.into(),
            source,
        }
    }
}
