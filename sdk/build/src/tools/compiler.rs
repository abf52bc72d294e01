//! The compiler, built from wxec's own source once per machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wxec_protocol::{Platform, Target};

use crate::{
    BuildError, Progress,
    base::variables::given,
    cache::{directory::cache_directory, shelf::Shelf},
    tools::{backends::Backends, shelves::Shelves, source::Source},
};

const COMPILER: &str = "wxec-compiler";

/// Returns a compiler for `target` that runs on this machine. Builds it if there is none of this
/// build: one for this machine's architecture, another once there is a host of any other.
/// `WXEC_COMPILER` names a ready-made one.
pub fn compiler(target: &Target, progress: &dyn Progress) -> Result<PathBuf, BuildError> {
    if let Some(path) = given("WXEC_COMPILER").map(PathBuf::from) {
        return fs::canonicalize(&path).map_err(BuildError::io("find the compiler", path));
    }
    let cache = cache_directory()?;
    let backends = Backends::for_target(target);
    let work = backends.work();
    let shelf = compiler_shelf(&cache, backends);
    let shelves = Shelves::of_this_build(&cache);
    let take = || shelf.take([COMPILER]);
    let [compiler] = shelves.once(work, progress, take, || {
        let source = Source::of(work)?;
        let command = source.compiler(COMPILER, backends, &cache);
        let (program, _) = source.build(command, COMPILER, work, progress)?;
        shelf.put([(COMPILER, &program)])
    })?;
    Ok(compiler.path)
}

/// Returns the compiler for this machine's architecture, if it is built.
pub(crate) fn built_compiler(cache: &Path) -> Option<PathBuf> {
    compiler_shelf(cache, Backends::Own)
        .take([COMPILER])
        .map(|[compiler]| compiler.path)
}

fn compiler_shelf(cache: &Path, backends: Backends) -> Shelf {
    // One cache may serve machines of several kinds over a network.
    let here = Platform::here().to_string();
    Shelves::of_this_build(cache).shelf(&match backends {
        Backends::Own => here,
        Backends::All => format!("{here}-foreign"),
    })
}
