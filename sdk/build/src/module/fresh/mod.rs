//! Modules found without cargo: a build is recorded with the state of all that it was made of, and
//! as long as that state is the same, cargo would do nothing. In doubt there is no record, and
//! cargo decides.

mod environment;
mod inputs;
mod record;
mod watched;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use wxec_protocol::Digest;

pub(crate) use self::{environment::Environment, inputs::Build, watched::Watched};
use self::{inputs::Inputs, record::Record};
use crate::{BuiltModule, Features, cache::directory::cache_directory};

/// Age that all files must have when a build begins, or it is not recorded: a file may be edited
/// while or after cargo reads it, and a change has to show in its times. FAT counts them in units
/// of two seconds, and the clock of a file server may be a little behind.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// A module that is asked for, before it is known how cargo names it.
pub(crate) struct Request {
    /// The file of its record, if there is a place for records.
    record: Option<PathBuf>,
    /// The directory that cargo works in.
    directory: PathBuf,
    began: SystemTime,
    environment: Environment,
    /// The surroundings that were there. One that is removed during the build leaves no time.
    surroundings: Option<Vec<PathBuf>>,
}

/// A module that was found, and the name of its package.
pub(crate) struct Found {
    pub(crate) package: String,
    pub(crate) module: BuiltModule,
}

impl Request {
    /// Notes the time and the environment: create it before cargo reads anything. `words` tell
    /// which module of the workspace around `directory` is wanted, and `settings` how it is built.
    pub(crate) fn new(
        directory: &Path,
        words: &[&str],
        features: &Features,
        settings: &[String],
    ) -> Self {
        let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.into());
        let name = format!("{directory:?} {words:?} {features:?} {settings:?}");
        let cache = cache_directory().ok();
        Self {
            record: cache.map(|cache| cache.join("fresh").join(file_name(&name))),
            environment: Environment::current(&directory),
            surroundings: inputs::surroundings_present(&directory),
            directory,
            began: SystemTime::now(),
        }
    }

    /// Returns the module of an earlier build, if cargo would find nothing to do.
    pub(crate) fn find(&self) -> Option<Found> {
        let record = Record::load(self.record.as_deref()?)?;
        let state = record.watched.state(&self.environment)?;
        if state.digest != record.state {
            return None;
        }
        let bytes = fs::read(&record.module).ok()?;
        let digest = Digest::of(&bytes);
        // Another target of the package, or other features of it, may have taken its place.
        (digest == record.digest).then_some(Found {
            package: record.package,
            module: BuiltModule {
                path: Some(record.module),
                bytes,
                digest,
                compiled: 0,
                source: Some(record.source),
            },
        })
    }

    /// Records a build, unless its inputs are too new, or not certain.
    pub(crate) fn record(&self, build: &Build<'_>) {
        if let Some(path) = &self.record
            && let Some(record) = self.record_of(build)
        {
            // A full disk costs the next run some time, but does not fail this one.
            let _ = record.store(path);
        }
    }

    fn record_of(&self, build: &Build<'_>) -> Option<Record> {
        let mut inputs = Inputs::of(build, &self.directory)?;
        // Most of the time something is too new, so this comes before the tools are asked.
        self.settled_state(&inputs.watched)?;
        inputs.ask_tools()?;
        let state = self.settled_state(&inputs.watched)?;
        (inputs::surroundings_present(&self.directory) == self.surroundings).then_some(())?;
        Some(Record {
            state,
            watched: inputs.watched,
            package: build.package.name.to_string(),
            module: build.module.path.clone()?,
            digest: build.module.digest,
            source: build.module.source.clone()?,
        })
    }

    /// Returns the state, if nothing was changed shortly before the build, or since.
    fn settled_state(&self, watched: &Watched) -> Option<Digest> {
        let state = watched.state(&self.environment)?;
        (state.newest + SETTLED < self.began).then_some(state.digest)
    }
}

fn file_name(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
