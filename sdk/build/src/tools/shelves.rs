//! Programs and modules of wxec's own, kept for some of its builds.

use std::path::{Path, PathBuf};

use wxec_protocol::{BUILD, Digest};

use crate::{
    BuildError, Progress, ProgressEvent, Work,
    cache::{
        directory::{create_private, take_turn},
        shelf::{Shelf, prune},
    },
};

/// Number of builds of wxec whose programs are kept: some days of a developer's work, some projects
/// of a user's, a few megabytes each.
const KEPT_BUILDS: usize = 3;

/// A directory with a folder of programs for each build.
pub(crate) struct Shelves {
    directory: PathBuf,
    /// The folder in use.
    current: String,
}

impl Shelves {
    /// Returns the directory of programs that are built from wxec's source.
    pub(crate) fn of_this_build(cache: &Path) -> Self {
        Self {
            directory: cache.join("tools"),
            current: BUILD.into(),
        }
    }

    /// Returns the directory of ready-made programs, each in the folder of its digest.
    pub(crate) fn of_ready_made(cache: &Path, digest: &Digest) -> Self {
        Self {
            directory: cache.join("given"),
            current: digest.short(),
        }
    }

    /// Returns the folder in use as a single shelf.
    pub(crate) fn whole(&self) -> Shelf {
        Shelf::new(self.directory.join(&self.current))
    }

    /// Returns a shelf in the folder in use: one for each kind of machine, one for each module.
    pub(crate) fn shelf(&self, name: &str) -> Shelf {
        Shelf::new(self.directory.join(&self.current).join(name))
    }

    /// Returns what `take` finds, else what `build` makes while no other process builds the like.
    pub(crate) fn once<T>(
        &self,
        work: Work<'_>,
        progress: &dyn Progress,
        take: impl Fn() -> Option<T>,
        build: impl FnOnce() -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        if let Some(found) = take() {
            return Ok(found);
        }
        create_private(&self.directory)?;
        let _turn = take_turn(&self.directory.join(lock(work)), || {
            progress.report(ProgressEvent::Waiting { work })
        })?;
        // The process that had the lock before may have built it.
        if let Some(found) = take() {
            return Ok(found);
        }
        let built = build()?;
        prune(&self.directory, &self.current, KEPT_BUILDS);
        Ok(built)
    }
}

/// Returns the file to lock while `work` is done. The compiler has one of its own, because it is
/// built beside the agent.
fn lock(work: Work<'_>) -> &'static str {
    match work {
        Work::Compiler | Work::ForeignCompiler => ".lock-compiler",
        Work::Module(_) | Work::Agent(_) | Work::Starter(_) => ".lock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoWaiting;

    impl Progress for NoWaiting {
        fn report(&self, event: ProgressEvent<'_>) {
            panic!("{event:?}");
        }
    }

    #[test]
    fn a_compiler_is_built_while_an_agent_is() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let shelves = Shelves::of_this_build(cache.path());
        let build = |work, build: &dyn Fn() -> Result<u8, BuildError>| {
            shelves.once(work, &NoWaiting, || None, build)
        };
        let agent = Work::Agent("x86_64-unknown-linux-musl");

        let built = build(agent, &|| build(Work::Compiler, &|| Ok(7)));

        assert_eq!(built.expect("the cache can be written"), 7);
    }
}
