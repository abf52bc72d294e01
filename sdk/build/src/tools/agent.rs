//! The agent, built from wxec's own source once per machine and platform.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use wxec_protocol::{Digest, Platform};
use wxec_starter::{filter::Code, frames};

use crate::{
    BuildError, Progress, Work,
    base::variables::given,
    cache::{
        directory::cache_directory,
        shelf::{Shelf, Shelved},
    },
    tools::{shelves::Shelves, source::Source},
};

const AGENT: &str = "wxec-agent";
const COMPRESSED: &str = "wxec-agent.zst";

/// An agent, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentImage {
    /// The program.
    pub path: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// The program as the starter takes it: filtered, and compressed by zstd.
    pub compressed: PathBuf,
    /// The length of the compressed program.
    pub compressed_bytes: u64,
}

/// Returns the agent for `platform`. Builds it if this machine has none of this build. `WXEC_AGENT`
/// names a ready-made one for this machine's architecture; it is copied into the cache.
///
/// The toolchain is that of the surrounding cargo if it has the standard library for `platform`,
/// else the one that wxec's source asks for.
pub fn agent(platform: &Platform, progress: &dyn Progress) -> Result<AgentImage, BuildError> {
    let cache = cache_directory()?;
    if let Some(path) = given("WXEC_AGENT").filter(|_| *platform == agents_here()) {
        return ready_made_agent(&cache, Path::new(&path), progress);
    }
    let triple = platform.triple();
    let work = Work::Agent(&triple);
    let shelf = agent_shelf(&cache, &triple);
    let shelves = Shelves::of_this_build(&cache);
    let take = || shelf.take([AGENT, COMPRESSED]);
    let image = shelves.once(work, progress, take, || {
        let source = Source::of(work)?;
        let (program, _) = source.build(
            source.for_hosts(AGENT, "agent", &triple, &cache)?,
            AGENT,
            work,
            progress,
        )?;
        shelve_agent(&shelf, &program, &platform.arch)
    });
    image.map(Into::into)
}

/// Returns the agent for `platform`, if this machine has built it already, and no ready-made one
/// takes its place.
pub fn agent_if_built(platform: &Platform) -> Option<AgentImage> {
    if given("WXEC_AGENT").is_some() && *platform == agents_here() {
        return None;
    }
    built_agent(&cache_directory().ok()?, &platform.triple())
}

/// Returns true if this machine has built no agent of this build for hosts like itself, nor was
/// given one. Does not read an agent that is there.
pub fn lacks_agent() -> bool {
    let is_built = |cache: PathBuf| agent_shelf(&cache, &agents_here().triple()).is_there();
    given("WXEC_AGENT").is_none() && !cache_directory().is_ok_and(is_built)
}

/// Returns the agent for `triple`, if it is built.
pub(crate) fn built_agent(cache: &Path, triple: &str) -> Option<AgentImage> {
    agent_shelf(cache, triple)
        .take([AGENT, COMPRESSED])
        .map(Into::into)
}

/// Returns the platform of an agent on this machine: Linux, whichever system starts it.
pub(crate) fn agents_here() -> Platform {
    Platform::new(env::consts::ARCH, "linux")
}

fn agent_shelf(cache: &Path, triple: &str) -> Shelf {
    Shelves::of_this_build(cache).shelf(triple)
}

fn ready_made_agent(
    cache: &Path,
    path: &Path,
    progress: &dyn Progress,
) -> Result<AgentImage, BuildError> {
    let program = fs::read(path).map_err(BuildError::io("read the agent", path))?;
    let digest = Digest::of(&program);
    let shelves = Shelves::of_ready_made(cache, &digest);
    let shelf = shelves.whole();
    let take = || {
        shelf
            .take([AGENT, COMPRESSED])
            .filter(|[agent, _]| agent.digest == digest)
    };
    let triple = agents_here().triple();
    shelves
        .once(Work::Agent(&triple), progress, take, || {
            shelve_agent(&shelf, &program, env::consts::ARCH)
        })
        .map(Into::into)
}

fn shelve_agent(
    shelf: &Shelf,
    program: &[u8],
    architecture: &str,
) -> Result<[Shelved; 2], BuildError> {
    let mut filtered = program.to_vec();
    frames::to_differences(&mut filtered);
    if let Some(code) = Code::of(architecture) {
        code.to_positions(&mut filtered);
    }
    let mut compressed = Vec::with_capacity(zstd_safe::compress_bound(filtered.len()));
    zstd_safe::compress(&mut compressed, &filtered, LEVEL)
        .expect("there is as much room as it may take");
    shelf.put([(AGENT, program), (COMPRESSED, &compressed)])
}

/// An agent is compressed once and sent to every host. Level 19 takes a second, and those above it
/// save nothing more.
const LEVEL: i32 = 19;

impl From<[Shelved; 2]> for AgentImage {
    fn from([agent, compressed]: [Shelved; 2]) -> Self {
        Self {
            path: agent.path,
            digest: agent.digest,
            bytes: agent.bytes,
            compressed: compressed.path,
            compressed_bytes: compressed.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Quiet;

    const WORK: Work<'static> = Work::Agent("x86_64-unknown-linux-musl");

    #[test]
    fn built_once_and_again_when_damaged() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let shelves = Shelves::of_this_build(cache.path());
        let shelf = agent_shelf(cache.path(), "x86_64-unknown-linux-musl");
        let builds = Cell::new(0);
        let agent = || {
            let take = || shelf.take([AGENT, COMPRESSED]);
            let image = shelves.once(WORK, &Quiet, take, || {
                builds.set(builds.get() + 1);
                shelve_agent(&shelf, b"an agent", "x86_64")
            });
            AgentImage::from(image.expect("the cache can be written"))
        };

        let image = agent();
        assert_eq!(agent(), image);
        assert_eq!(builds.get(), 1);

        fs::write(&image.compressed, b"damaged").expect("it can be written");
        assert_eq!(agent(), image);
        assert_eq!(builds.get(), 2);
    }

    #[test]
    fn whoever_waited_finds_what_the_other_built() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let shelves = Shelves::of_this_build(cache.path());
        let shelf = agent_shelf(cache.path(), "x86_64-unknown-linux-musl");
        let take = || shelf.take([AGENT]);
        let other = || shelves.once(WORK, &Quiet, take, || panic!("it is built already"));

        std::thread::scope(|scope| {
            let mut waiting = None;
            let built = shelves.once(WORK, &Quiet, take, || {
                waiting = Some(scope.spawn(other));
                shelf.put([(AGENT, b"an agent")])
            });
            let found = waiting
                .expect("it was started")
                .join()
                .expect("it builds nothing");
            assert_eq!(
                found.expect("the cache can be read"),
                built.expect("the cache can be written")
            );
        });
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let shelves = Shelves::of_this_build(cache.path());
        let shelf = agent_shelf(cache.path(), "x86_64-unknown-linux-musl");
        let take = || shelf.take([AGENT]);

        let outcome = shelves.once(WORK, &Quiet, take, || {
            Err(BuildError::NoArtifact {
                what: WORK.to_string(),
            })
        });

        assert!(matches!(outcome, Err(BuildError::NoArtifact { .. })));
        assert_eq!(take(), None);
    }

    #[test]
    fn a_ready_made_agent_is_copied_and_compressed() {
        let cache = tempfile::tempdir().expect("a temporary directory");
        let path = cache.path().join("my-agent");
        fs::write(&path, b"mine").expect("it can be written");

        let image =
            ready_made_agent(cache.path(), &path, &Quiet).expect("the cache can be written");

        assert_eq!((image.digest, image.bytes), (Digest::of(b"mine"), 4));
        assert_eq!(fs::read(&image.path).expect("it is there"), b"mine");
        let compressed = fs::read(&image.compressed).expect("it is there");
        let mut bytes = Vec::with_capacity(100);
        zstd_safe::decompress(&mut bytes, &compressed).expect("it is zstd");
        assert_eq!(bytes, b"mine", "nothing in it looks like a call");
    }
}
