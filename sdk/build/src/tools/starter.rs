//! The program that starts agents on hosts, built from wxec's own source once per machine and
//! platform.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wxec_protocol::{Digest, Platform};

use crate::{
    BuildError, Progress, Work,
    base::variables::given,
    cache::{
        directory::cache_directory,
        shelf::{Shelf, Shelved},
    },
    tools::{agent::agents_here, shelves::Shelves, source::Source},
};

const STARTER: &str = "wxec-starter";

/// The program that starts agents on hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// The program.
    pub path: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
}

/// Returns the starter for `platform`. Builds it, in some seconds, if this machine has none of this
/// build. `WXEC_STARTER` names a ready-made one for this machine's architecture.
pub fn starter(platform: &Platform, progress: &dyn Progress) -> Result<Starter, BuildError> {
    if let Some(path) = given("WXEC_STARTER").filter(|_| *platform == agents_here()) {
        return ready_made(path.into());
    }
    let cache = cache_directory()?;
    let triple = platform.triple();
    let work = Work::Starter(&triple);
    let shelf = shelf(&cache, &triple);
    let take = || shelf.take([STARTER]);
    let starter = Shelves::of_this_build(&cache).once(work, progress, take, || {
        let source = Source::of(work)?;
        let mut command = source.for_hosts(STARTER, "starter", &triple, &cache)?;
        command.args(["--features", "program"]);
        let (program, _) = source.build(command, STARTER, work, progress)?;
        shelf.put([(STARTER, &program)])
    });
    starter.map(Into::into)
}

/// Returns the starter for `platform`, if this machine has it already, and no ready-made one takes
/// its place.
pub fn starter_if_built(platform: &Platform) -> Option<Starter> {
    if given("WXEC_STARTER").is_some() && *platform == agents_here() {
        return None;
    }
    shelf(&cache_directory().ok()?, &platform.triple())
        .take([STARTER])
        .map(Into::into)
}

fn ready_made(path: PathBuf) -> Result<Starter, BuildError> {
    let program = fs::read(&path).map_err(BuildError::io("read the starter", &path))?;
    Ok(Starter {
        path,
        digest: Digest::of(&program),
        bytes: program.len() as u64,
    })
}

fn shelf(cache: &Path, triple: &str) -> Shelf {
    Shelves::of_this_build(cache).shelf(&format!("starter/{triple}"))
}

impl From<[Shelved; 1]> for Starter {
    fn from([starter]: [Shelved; 1]) -> Self {
        Self {
            path: starter.path,
            digest: starter.digest,
            bytes: starter.bytes,
        }
    }
}
