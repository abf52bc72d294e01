//! A function that is no task of the module, and the reason.

use std::{fmt, path::PathBuf};

/// A function of a package that is no task of the package's module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbsentTask {
    /// Its path inside its crate.
    pub path: String,
    /// Its file, as seen from the package's folder.
    pub file: PathBuf,
    /// Its line in that file.
    pub line: usize,
    /// The reason why it is not a task of the module.
    pub reason: AbsenceReason,
}

/// The reason why a function is not a task of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbsenceReason {
    /// It is a part of other targets only, not of the target that was built, which is named here.
    OtherTarget(String),
    /// No `mod` leads to its file.
    NoMod,
    /// It is compiled for tests only.
    Test,
    /// It is compiled only with these features, which are off.
    Features(Vec<String>),
    /// It is compiled under another condition only.
    Cfg(String),
    /// It is compiled, but not marked with `#[remote]`.
    NotMarked,
}

impl fmt::Display for AbsentTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            file,
            line,
            reason,
        } = self;
        let place = format!("{}:{line}", file.display());
        match reason {
            AbsenceReason::OtherTarget(built) => {
                write!(f, "`{path}` is in {place}, which is not part of {built}")
            }
            AbsenceReason::NoMod => write!(f, "`{path}` is in {place}, which no `mod` names"),
            AbsenceReason::Test => write!(f, "`{path}` ({place}) is under `cfg(test)`"),
            AbsenceReason::Features(features) => {
                let names: Vec<_> = features
                    .iter()
                    .map(|feature| format!("`{feature}`"))
                    .collect();
                let noun = if names.len() == 1 {
                    "feature"
                } else {
                    "features"
                };
                write!(
                    f,
                    "`{path}` ({place}) is compiled only with {noun} {}",
                    names.join(", ")
                )
            }
            AbsenceReason::Cfg(condition) => write!(
                f,
                "`{path}` ({place}) is compiled only under `cfg({condition})`"
            ),
            AbsenceReason::NotMarked => {
                write!(f, "`{path}` ({place}) is not marked with #[remote]")
            }
        }
    }
}
